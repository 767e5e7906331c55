"""
This module lists what may be written in Stripe: where each write goes, and what tells that it was done.

It is pure. Addresses and methods: https://docs.stripe.com/api, and stripe-python 16.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

# The metadata key under which every object that was made here names the effect that made it.
MARKER = "integrator_effect"

Alternatives = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """
    One write: `path` has `{id}` where the object's id goes, `params` is the SDK's class of its parameters.

    - `needs`: of each group one parameter has to be given, beside those that the SDK calls required
    - `only`: the parameters that it takes of those of its class; all of them if there are none
    - `without`: parameters that it does not take
    - `fixed`: what makes the act what it is, whatever else is given
    - `done`: where the object says that it was done, and the values that say so
    """

    path: str
    params: str
    type: str
    method: Literal["post", "delete"] = "post"
    needs: tuple[Alternatives, ...] = ()
    only: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    done: tuple[str, frozenset[Any]] | None = None

    def takes(self, name: str) -> bool:
        """Tell whether the parameter `name` of its class may be given."""
        return name not in self.without and (not self.only or name in self.only)


@dataclass(frozen=True, slots=True)
class Creation(Operation):
    """
    A write that makes an object.

    Objects that may be the one are looked for in the list of their type: `narrowed_by` are parameters that
    its list can be filtered by and that never change, `listed` is what has to be asked to see all of them.
    """

    narrowed_by: tuple[str, ...] = ()
    listed: Mapping[str, Any] = field(default_factory=dict)


def _creation(place: str, params: str, type: str, **more: Any) -> Creation:
    return Creation(f"/v1/{place}", params, type, **more)


_CUSTOMER: Alternatives = ("customer", "customer_account")

CREATIONS: Mapping[str, Creation] = {
    one.type: one
    for one in (
        _creation(
            "credit_notes", "CreditNoteCreateParams", "credit_note",
            needs=(("invoice",),), narrowed_by=("invoice",),
        ),
        _creation("customers", "CustomerCreateParams", "customer"),
        _creation(
            "invoices", "InvoiceCreateParams", "invoice",
            needs=((*_CUSTOMER, "from_invoice"),), narrowed_by=("customer", "subscription"),
        ),
        _creation(
            "invoiceitems", "InvoiceItemCreateParams", "invoiceitem",
            needs=(_CUSTOMER, ("amount", "pricing", "price_data", "unit_amount_decimal")),
            narrowed_by=("customer",),
        ),
        _creation("payment_links", "PaymentLinkCreateParams", "payment_link"),
        _creation(
            "prices", "PriceCreateParams", "price",
            needs=(
                ("product", "product_data"),
                ("unit_amount", "unit_amount_decimal", "custom_unit_amount", "tiers"),
            ),
            narrowed_by=("product",),
        ),
        _creation("products", "ProductCreateParams", "product"),
        _creation(
            "refunds", "RefundCreateParams", "refund",
            needs=(("charge", "payment_intent"),),
            # Stripe's own words for money that is given back from a customer's cash balance.
            without=frozenset({"customer", "origin"}),
            narrowed_by=("charge", "payment_intent"),
        ),
        _creation(
            "subscriptions", "SubscriptionCreateParams", "subscription",
            needs=(_CUSTOMER, ("items",)), narrowed_by=("customer",),
            listed={"status": "all"},  # otherwise those that were canceled are left out
        ),
        _creation(
            "subscription_items", "SubscriptionItemCreateParams", "subscription_item",
            needs=(("price", "price_data"),), narrowed_by=("subscription",),
        ),
        _creation(
            "subscription_schedules", "SubscriptionScheduleCreateParams", "subscription_schedule",
            needs=((*_CUSTOMER, "from_subscription"),), narrowed_by=("customer",),
        ),
    )
}  # fmt: skip


def _update(place: str, params: str, type: str, **more: Any) -> Operation:
    return Operation(f"/v1/{place}/{{id}}", params, type, **more)


UPDATES: Mapping[str, Operation] = {
    one.type: one
    for one in (
        _update("charges", "ChargeUpdateParams", "charge"),
        _update("customers", "CustomerUpdateParams", "customer"),
        # Unless it is told otherwise, Stripe hands evidence in at once: https://docs.stripe.com/api/disputes/update
        _update("disputes", "DisputeUpdateParams", "dispute", fixed={"submit": False}),
        _update("invoices", "InvoiceUpdateParams", "invoice"),
        _update("payment_intents", "PaymentIntentUpdateParams", "payment_intent"),
        _update("payment_links", "PaymentLinkUpdateParams", "payment_link"),
        _update("prices", "PriceUpdateParams", "price"),
        _update("products", "ProductUpdateParams", "product"),
        _update("refunds", "RefundUpdateParams", "refund"),
        # What it adds to the next invoice is no state: sent twice, it would be charged twice.
        _update(
            "subscriptions", "SubscriptionUpdateParams", "subscription",
            without=frozenset({"add_invoice_items"}),
        ),
        _update("subscription_items", "SubscriptionItemUpdateParams", "subscription_item"),
        _update("subscription_schedules", "SubscriptionScheduleUpdateParams", "subscription_schedule"),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Act(Operation):
    """
    A write that does something with an object; `label` is what people call it.

    Of one after which the object is `gone`, its absence tells that it was done.
    """

    label: str = ""
    gone: bool = False


def _act(path: str, params: str, type: str, label: str, **more: Any) -> Act:
    return Act(f"/v1/{path}", params, type, label=label, **more)


def _at(place: str, *values: Any) -> tuple[str, frozenset[Any]]:
    return place, frozenset(values)


_SUBSCRIPTION, _INVOICE = "subscriptions/{id}", "invoices/{id}"
_CHANGED = "SubscriptionUpdateParams"

ACTS: Mapping[str, Act] = {
    "subscription.cancel": _act(
        _SUBSCRIPTION, "SubscriptionCancelParams", "subscription", "Cancel a subscription now",
        method="delete", done=_at("status", "canceled"),
    ),
    "subscription.cancel_later": _act(
        _SUBSCRIPTION, _CHANGED, "subscription", "Cancel a subscription when its period ends",
        only=frozenset({"cancellation_details"}), fixed={"cancel_at_period_end": True},
        done=_at("cancel_at_period_end", True),
    ),
    "subscription.keep": _act(
        _SUBSCRIPTION, _CHANGED, "subscription", "Keep a subscription that was to end",
        only=frozenset({"proration_behavior"}), fixed={"cancel_at_period_end": False},
        done=_at("cancel_at_period_end", False),
    ),
    "subscription.pause": _act(
        f"{_SUBSCRIPTION}/pause", "SubscriptionPauseParams", "subscription", "Pause a subscription",
        done=_at("status", "paused"),
    ),
    "subscription.resume": _act(
        f"{_SUBSCRIPTION}/resume", "SubscriptionResumeParams", "subscription", "Resume a paused subscription",
        done=_at("status", "active"),
    ),
    # The subscription goes on meanwhile, and its invoices are kept, voided or not collected.
    "subscription.pause_collection": _act(
        _SUBSCRIPTION, _CHANGED, "subscription", "Stop collecting for a subscription",
        only=frozenset({"pause_collection"}), needs=(("pause_collection",),),
    ),
    "subscription.resume_collection": _act(
        _SUBSCRIPTION, _CHANGED, "subscription", "Collect for a subscription again",
        only=frozenset({"proration_behavior"}), fixed={"pause_collection": ""},
        done=_at("pause_collection", None),
    ),
    "subscription_item.remove": _act(
        "subscription_items/{id}", "SubscriptionItemDeleteParams", "subscription_item",
        "Take an item out of its subscription", method="delete", gone=True, done=_at("deleted", True),
    ),
    "subscription_schedule.cancel": _act(
        "subscription_schedules/{id}/cancel", "SubscriptionScheduleCancelParams", "subscription_schedule",
        "Cancel a subscription schedule", done=_at("status", "canceled"),
    ),
    "subscription_schedule.release": _act(
        "subscription_schedules/{id}/release", "SubscriptionScheduleReleaseParams", "subscription_schedule",
        "Release a subscription from its schedule", done=_at("status", "released"),
    ),
    "invoice.finalize": _act(
        f"{_INVOICE}/finalize", "InvoiceFinalizeInvoiceParams", "invoice", "Finalise an invoice",
        done=_at("status", "open", "paid", "uncollectible", "void"),
    ),
    # That it was sent stands nowhere in the invoice.
    "invoice.send": _act(
        f"{_INVOICE}/send", "InvoiceSendInvoiceParams", "invoice", "Send an invoice to the customer",
    ),
    "invoice.pay": _act(
        f"{_INVOICE}/pay", "InvoicePayParams", "invoice", "Collect an invoice now",
        done=_at("status", "paid"),
    ),
    "invoice.void": _act(
        f"{_INVOICE}/void", "InvoiceVoidInvoiceParams", "invoice", "Void an invoice",
        done=_at("status", "void"),
    ),
    "invoice.mark_uncollectible": _act(
        f"{_INVOICE}/mark_uncollectible", "InvoiceMarkUncollectibleParams", "invoice",
        "Mark an invoice as uncollectible", done=_at("status", "uncollectible"),
    ),
    "dispute.submit": _act(
        "disputes/{id}", "DisputeUpdateParams", "dispute", "Submit evidence for a dispute",
        only=frozenset({"evidence", "metadata"}), fixed={"submit": True}, needs=(("evidence",),),
    ),
    "dispute.accept": _act(
        "disputes/{id}/close", "DisputeCloseParams", "dispute", "Accept a dispute as lost",
        done=_at("status", "lost"),
    ),
    "refund.cancel": _act(
        "refunds/{id}/cancel", "RefundCancelParams", "refund", "Cancel a refund that has not left yet",
        done=_at("status", "canceled"),
    ),
    "payment_link.deactivate": _act(
        "payment_links/{id}", "PaymentLinkUpdateParams", "payment_link", "Deactivate a payment link",
        only=frozenset({"inactive_message"}), fixed={"active": False}, done=_at("active", False),
    ),
    "payment_intent.capture": _act(
        "payment_intents/{id}/capture", "PaymentIntentCaptureParams", "payment_intent",
        "Capture an authorised payment", done=_at("status", "succeeded"),
    ),
    "payment_intent.cancel": _act(
        "payment_intents/{id}/cancel", "PaymentIntentCancelParams", "payment_intent", "Cancel a payment",
        done=_at("status", "canceled"),
    ),
}  # fmt: skip

# Types that have metadata which can be searched: https://docs.stripe.com/search
SEARCHED: Sequence[str] = (
    "charge", "customer", "invoice", "payment_intent", "price", "product", "subscription"
)  # fmt: skip
