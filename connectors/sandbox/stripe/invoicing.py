"""This module takes invoices through their life: draft, open, paid, void or uncollectible."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import invoice_lines, payment_intents, subscription_changes
from connectors.sandbox.stripe.errors import ApiError, invalid
from connectors.sandbox.stripe.invoice_drafts import blank
from connectors.sandbox.stripe.state import Occurrence, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.state import Caller


DAY = 86_400
# How an invoice is left unpaid: when, what is told, and from which states.
LEFT = {
    "void": ("voided_at", "invoice.voided", ("open", "uncollectible")),
    "uncollectible": ("marked_uncollectible_at", "invoice.marked_uncollectible", ("open",)),
}


@dataclass(frozen=True, slots=True)
class Bill:
    """What an invoice is made of."""

    customer: dict[str, Any]
    reason: str
    currency: str
    lines: list[dict[str, Any]] = field(default_factory=list)
    subscription: dict[str, Any] | None = None
    finalizes_at: int | None = None
    terms: dict[str, Any] = field(default_factory=dict)  # fields of the invoice that differ from the usual


def draft(caller: Caller, bill: Bill) -> dict[str, Any]:
    """Make a draft and tell about it."""
    invoice = blank(caller, bill.customer, reason=bill.reason, currency=bill.currency)
    if bill.subscription is not None:
        invoice |= _of_subscription(caller, bill.subscription)
    invoice |= {"automatically_finalizes_at": bill.finalizes_at, **bill.terms}
    caller.state.invoices.add(invoice)
    invoice_lines.put(caller, invoice, bill.lines)
    if bill.lines:
        invoice["period_start"] = min(line["period"]["start"] for line in bill.lines)
        invoice["period_end"] = max(line["period"]["end"] for line in bill.lines)
    emit(caller, Occurrence("invoice.created", invoice))
    return invoice


def finalize(caller: Caller, invoice: dict[str, Any]) -> None:
    """
    Make a draft final; one over nothing is paid at once.

    :raises ApiError: 400 if it is no draft
    """
    if invoice["status"] != "draft":
        raise invalid("This invoice is already finalized.", code="invoice_not_editable")
    customer = caller.find(caller.state.customers, invoice["customer"])
    sequence = customer["next_invoice_sequence"]
    address = f"https://invoice.stripe.com/i/{caller.state.account}/{invoice['id']}"
    invoice |= {
        "auto_advance": invoice["collection_method"] == "charge_automatically",
        "automatically_finalizes_at": None,
        "effective_at": caller.now,
        "hosted_invoice_url": address,
        "invoice_pdf": f"{address}/pdf",
        "number": f"{customer['invoice_prefix']}-{sequence:04}",
        "starting_balance": customer["balance"],
        "status": "open",
        "status_transitions": {**invoice["status_transitions"], "finalized_at": caller.now},
    }
    if invoice["due_date"] is not None:
        invoice["due_date"] += caller.now - invoice["created"]  # the days count from now on
    customer["next_invoice_sequence"] = sequence + 1
    _use_balance(caller, invoice, customer)
    emit(caller, Occurrence("invoice.finalized", invoice, {"status": "draft"}))
    if invoice["amount_due"] == 0:
        settle(caller, invoice, 0)


def collect(caller: Caller, invoice: dict[str, Any], *, method: str = "", off_session: bool = True) -> None:
    """
    Charge the customer for an open invoice.

    :raises ApiError: 402 if the bank declines, 400 without a payment method
    """
    method = method or payment_method_of(caller, invoice)
    payment = _payment(caller, invoice)
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    try:
        intent_id = _charge(caller, invoice, method, off_session=off_session)
    except ApiError as refusal:
        intent = refusal.extra.get("payment_intent")
        if intent is not None:
            _join(caller, invoice, payment, intent["id"])
        _tell_of_failure(caller, invoice, refusal)
        raise
    _join(caller, invoice, payment, intent_id)
    if caller.find(caller.state.payment_intents, intent_id)["status"] != "succeeded":
        emit(caller, Occurrence("invoice.payment_action_required", invoice))
        return
    amount = invoice["amount_remaining"]
    payment |= {"amount_paid": amount, "status": "paid"}
    payment["status_transitions"] = {"canceled_at": None, "paid_at": caller.now}
    settle(caller, invoice, amount)
    emit(caller, Occurrence("invoice_payment.paid", payment))


def settle(caller: Caller, invoice: dict[str, Any], amount: int, *, out_of_band: bool = False) -> None:
    """Mark an invoice as paid, by a payment or, out of band, by money that Stripe never saw."""
    before = invoice["status"]
    invoice |= {
        "amount_paid": invoice["amount_paid"] + amount,
        "amount_remaining": 0,
        "attempted": True,
        "next_payment_attempt": None,
        "status": "paid",
        "status_transitions": {**invoice["status_transitions"], "paid_at": caller.now},
    }
    if out_of_band:
        invoice["amount_paid_off_stripe"] = amount
    emit(caller, Occurrence("invoice.updated", invoice, {"status": before}))
    emit(caller, Occurrence("invoice.paid", invoice))
    if not out_of_band:
        emit(caller, Occurrence("invoice.payment_succeeded", invoice))
    subscription_changes.paid(caller, invoice)


def void(caller: Caller, invoice: dict[str, Any]) -> None:
    """
    Void an invoice that is open or uncollectible.

    :raises ApiError: 400 in any other state
    """
    _leave(caller, invoice, "void")


def give_up(caller: Caller, invoice: dict[str, Any]) -> None:
    """
    Mark an open invoice as uncollectible.

    :raises ApiError: 400 in any other state
    """
    _leave(caller, invoice, "uncollectible")


def send(caller: Caller, invoice: dict[str, Any]) -> None:
    """Tell that an invoice was sent to its customer; without an address it cannot be."""
    if invoice["customer_email"]:
        emit(caller, Occurrence("invoice.sent", invoice))


def payment_method_of(caller: Caller, invoice: dict[str, Any]) -> str:
    """
    Return the payment method that an invoice is charged to: its own, the subscription's, the customer's.

    :raises ApiError: 400 if there is none
    """
    customer = caller.find(caller.state.customers, invoice["customer"])
    subscription = subscription_changes.of_invoice(caller, invoice) or {}
    method = (
        invoice["default_payment_method"]
        or subscription.get("default_payment_method")
        or customer["invoice_settings"]["default_payment_method"]
    )
    if not method:
        raise invalid(
            "This customer has no attached payment source or default payment method. Please consider adding "
            "a default payment method.",
            code="resource_missing",
        )
    return str(method)


def _leave(caller: Caller, invoice: dict[str, Any], status: str) -> None:
    stamp, event, allowed = LEFT[status]
    if invoice["status"] not in allowed:
        raise invalid(
            f"You can only do this to an invoice that is {' or '.join(allowed)}. This one is "
            f"{invoice['status']}.",
            code="invoice_not_editable",
        )
    before = invoice["status"]
    invoice |= {
        "auto_advance": False,
        "next_payment_attempt": None,
        "status": status,
        "status_transitions": {**invoice["status_transitions"], stamp: caller.now},
    }
    emit(caller, Occurrence("invoice.updated", invoice, {"status": before}))
    emit(caller, Occurrence(event, invoice))


def due_date(caller: Caller, days: int | None) -> int | None:
    """Return when an invoice of this moment is to be paid that gives so many days."""
    return None if days is None else caller.now + DAY * days


def _of_subscription(caller: Caller, subscription: dict[str, Any]) -> dict[str, Any]:
    details = {
        "metadata": dict(subscription["metadata"]),
        "subscription": subscription["id"],
        "subscription_proration_date": None,
    }
    return {
        "auto_advance": True,
        "collection_method": subscription["collection_method"],
        "due_date": due_date(caller, subscription["days_until_due"]),
        "parent": {
            "quote_details": None,
            "subscription_details": details,
            "type": "subscription_details",
        },
    }


def _use_balance(caller: Caller, invoice: dict[str, Any], customer: dict[str, Any]) -> None:
    """Pay from what the customer has to their credit, or put there what a negative invoice gives back."""
    invoice_lines.count(caller, invoice)
    before = customer["balance"]
    after = min(0, invoice["total"] + before)
    invoice["ending_balance"] = after
    if after != before:
        customer["balance"] = after
        emit(caller, Occurrence("customer.updated", customer, {"balance": before}))


def _payment(caller: Caller, invoice: dict[str, Any]) -> dict[str, Any]:
    """Return the open payment of an invoice, a new one at the first attempt."""
    for known in caller.state.invoice_payments:
        if known["invoice"] == invoice["id"] and known["status"] == "open":
            return known
    payment = {
        "id": caller.state.new_id("inpay_1"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": invoice["amount_remaining"],
        "created": caller.now,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": caller.livemode,
        "payment": {"payment_intent": None, "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }
    return caller.state.invoice_payments.add(payment)


def _charge(caller: Caller, invoice: dict[str, Any], method: str, *, off_session: bool) -> str:
    known = caller.state.intent_of.get(invoice["id"])
    # An intent that the bank refused is confirmed again.
    if known is not None:
        values: dict[str, Any] = {"payment_method": method, "off_session": off_session}
        return str(payment_intents.confirm(caller, values, known)["id"])
    values = {
        "amount": invoice["amount_remaining"],
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "description": _description(invoice),
        "payment_method": method,
        "automatic_payment_methods": {"enabled": "true", "allow_redirects": "never"},
        "confirm": True,
        "off_session": off_session,
    }
    return str(payment_intents.create(caller, values)["id"])


def _description(invoice: dict[str, Any]) -> str:
    texts = {
        "subscription_create": "Subscription creation",
        "subscription_cycle": "Subscription update",
        "subscription_update": "Subscription update",
    }
    return texts.get(invoice["billing_reason"], f"Payment for Invoice {invoice['number']}")


def _join(caller: Caller, invoice: dict[str, Any], payment: dict[str, Any], intent_id: str) -> None:
    payment["payment"] = {"payment_intent": intent_id, "type": "payment_intent"}
    caller.state.intent_of[invoice["id"]] = intent_id
    caller.state.invoice_of[intent_id] = invoice["id"]


def _tell_of_failure(caller: Caller, invoice: dict[str, Any], refusal: ApiError) -> None:
    emit(caller, Occurrence("invoice.updated", invoice, {"attempt_count": invoice["attempt_count"] - 1}))
    emit(caller, Occurrence("invoice.payment_failed", invoice))
    if refusal.code == "authentication_required":
        emit(caller, Occurrence("invoice.payment_action_required", invoice))
    subscription_changes.refused(caller, invoice)
