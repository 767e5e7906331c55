"""This module simulates subscriptions: made, changed with proration, paused, canceled."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import (
    billing,
    invoicing,
    payment_methods,
    proration,
    subscription_changes,
    subscription_items,
    subscription_restarts,
    subscription_terms,
)
from connectors.sandbox.stripe.errors import ApiError, invalid
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.state import Occurrence, emit
from connectors.sandbox.stripe.subscription_drafts import blank

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

ITEM = "deleted|id|metadata|price|price_data|quantity"
BOTH: Spec = {
    "add_invoice_items": "objects:metadata|period|price|price_data|quantity",
    "cancel_at": "string",
    "cancel_at_period_end": "boolean",
    "collection_method": "enum:charge_automatically|send_invoice",
    "days_until_due": "integer",
    "default_payment_method": "id",
    "description": "string",
    "items": f"objects:{ITEM}",
    "metadata": "metadata",
    "off_session": "boolean",
    "payment_behavior": "enum:allow_incomplete|default_incomplete|error_if_incomplete|pending_if_incomplete",
    "payment_settings": "object:payment_method_options|payment_method_types|save_default_payment_method",
    "proration_behavior": "enum:create_prorations|always_invoice|none",
    "trial_end": "id",
    "trial_settings": "object:end_behavior",
}
CREATE: Spec = {
    **BOTH,
    "backdate_start_date": "unsimulated",
    "billing_cycle_anchor": "integer",
    "billing_mode": "object:flexible|type",
    "currency": "id",
    "customer": "id!",
    "items": f"objects:{ITEM}!",
    "trial_period_days": "integer",
}
UPDATE: Spec = {
    **BOTH,
    "billing_cycle_anchor": "any",
    "cancellation_details": "object:comment|feedback",
    "pause_collection": "object:behavior|resumes_at",
    "proration_date": "integer",
}
CANCEL: Spec = {
    "cancellation_details": "object:comment|feedback",
    "invoice_now": "boolean",
    "prorate": "boolean",
}
LIST: Spec = {
    **PAGE,
    "collection_method": "enum:charge_automatically|send_invoice",
    "created": "range",
    "current_period_end": "range",
    "current_period_start": "range",
    "customer": "id",
    "price": "id",
    "status": "id",
    "test_clock": "id",
}
NOTHING: Spec = {}
OVER = frozenset({"canceled", "incomplete_expired"})


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Make a subscription and collect its first invoice, unless a trial comes first.

    :raises ApiError: 400 without a payment method, or for wrong items; 402 with `error_if_incomplete`
    """
    return begin(caller, values)


def begin(caller: Caller, values: Values, *, schedule: str | None = None) -> dict[str, Any]:
    """
    Make a subscription, as `create` does or as the phase of a `schedule`.

    :raises ApiError: as `create`
    """
    customer = caller.find(caller.state.customers, values["customer"], param="customer")
    caller = caller.beside(customer["id"])
    subscription = _described(caller, customer, values, schedule)
    by_hand = subscription["collection_method"] == "send_invoice"
    if subscription["status"] == "incomplete" and not by_hand:
        _check_payment(caller, subscription, customer, values.get("payment_behavior", "allow_incomplete"))
    if by_hand and subscription["status"] == "incomplete":
        subscription["status"] = "active"  # the customer pays when the invoice arrives
    caller.state.subscriptions.add(subscription)
    subscription_terms.add_once(caller, subscription, values.get("add_invoice_items", []))
    _bill_first(caller, subscription, values)
    billing.begin(caller, subscription)
    return subscription


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the subscription.

    :raises ApiError: 404
    """
    return caller.find(caller.state.subscriptions, object_id)


def update(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Change a subscription; items that change in the middle of a period are prorated.

    :raises ApiError: 404, or 400 if it is over, an item is none of its own, or a schedule decides its end
    """
    subscription = caller.find(caller.state.subscriptions, object_id)
    if subscription["status"] in OVER and set(values) - {"cancellation_details", "metadata"}:
        raise invalid(f"A {subscription['status']} subscription can only update its metadata.")
    if subscription["schedule"] and {"cancel_at", "cancel_at_period_end"} & set(values):
        raise invalid(
            f"The subscription is managed by the subscription schedule `{subscription['schedule']}`, and "
            "updating any cancelation behavior directly is not allowed. Please update the schedule instead."
        )
    caller = caller.beside(subscription["customer"])
    restarts = subscription_restarts.is_now(values.get("billing_cycle_anchor"))
    ends_trial = _trial_of_update(caller, subscription, values)
    behavior = values.get("proration_behavior", "create_prorations")
    subscription_terms.add_once(caller, subscription, values.get("add_invoice_items", []))
    if "items" in values:
        at = values.get("proration_date")
        proration.change_items(caller, subscription, values["items"], behavior, at=at)
    after = subscription_terms.told(caller, subscription, values)
    subscription_changes.change(caller, subscription, after)
    if ends_trial:
        _end_trial(caller, subscription)
    elif restarts:
        subscription_restarts.restart(caller, subscription, behavior=behavior)
    billing.follow(caller, subscription)
    return subscription


def cancel(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Cancel a subscription at once; with `prorate` the unused time is given back.

    :raises ApiError: 404, also when it is over
    """
    subscription = caller.find(caller.state.subscriptions, object_id)
    if subscription["status"] in OVER:
        raise ApiError(404, f"No such subscription: '{object_id}'", code="resource_missing", param="id")
    caller = caller.beside(subscription["customer"])
    if values.get("prorate") and subscription["status"] == "active":
        for item in subscription["items"]["data"]:
            proration.give_back(caller, subscription, item)
    details = {**subscription["cancellation_details"], **(values.get("cancellation_details") or {})}
    subscription["cancellation_details"] = details
    billing.end(caller, subscription, reason="cancellation_requested")
    if values.get("invoice_now"):
        proration.invoice_at_once(caller, subscription)
    return subscription


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of subscriptions; canceled ones only where they are asked for."""
    status = values.get("status", "")

    def keep(subscription: dict[str, Any]) -> bool:
        found = subscription["status"]
        if status == "ended":
            fits = found in OVER
        else:
            fits = status in {"all", found} or (not status and found != "canceled")
        prices = {item["price"]["id"] for item in subscription["items"]["data"]}
        return fits and values.get("price", next(iter(prices))) in prices

    equal = ("collection_method", "customer", "test_clock")
    if object_id:
        values = {**values, "customer": object_id}
    return page(caller, caller.state.subscriptions, values, url="/v1/subscriptions", equal=equal, keep=keep)


def _described(
    caller: Caller, customer: dict[str, Any], values: Values, schedule: str | None
) -> dict[str, Any]:
    described = values["items"]
    if not 1 <= len(described) <= subscription_items.MOST:
        raise invalid("A subscription has 1 to 20 items.", param="items")
    prices = [subscription_items.price_of(caller, item) for item in described]
    if len({price["currency"] for price in prices}) > 1:
        raise invalid("All prices of a subscription must have the same currency.", param="items")
    subscription = blank(caller, customer, prices[0]["currency"]) | {"schedule": schedule}
    trial, anchor = subscription_terms.trial_end(caller, values), values.get("billing_cycle_anchor")
    if trial is not None:
        subscription |= {"trial_start": caller.now, "trial_end": trial, "status": "trialing"}
    subscription["billing_cycle_anchor"] = anchor or trial or caller.now
    spans = [subscription_terms.first_period(caller, price, trial=trial, anchor=anchor) for price in prices]
    made = [
        subscription_items.make(caller, subscription["id"], item, price, span)
        for item, price, span in zip(described, prices, spans, strict=True)
    ]
    subscription["items"] = subscription_items.as_list(subscription["id"], made)
    return subscription | subscription_terms.told(caller, subscription, values)


def _check_payment(
    caller: Caller, subscription: dict[str, Any], customer: dict[str, Any], behavior: str
) -> None:
    """Refuse a subscription that could never be charged, before anything of it is kept."""
    if behavior == "default_incomplete":
        return
    own = subscription["default_payment_method"]
    known = {"default_payment_method": own, "customer": customer["id"], "parent": None}
    method_id = invoicing.payment_method_of(caller, known)
    card = caller.state.cards[method_id]
    decline = card.decline_code or ("authentication_required" if card.authentication else "")
    if behavior == "error_if_incomplete" and decline:
        raise payment_methods.decline(decline, caller.find(caller.state.payment_methods, method_id))


def _bill_first(caller: Caller, subscription: dict[str, Any], values: Values) -> None:
    items = subscription["items"]["data"]
    starts = None
    free = False
    if "billing_cycle_anchor" in values and subscription["status"] != "trialing":
        starts = {item["id"]: subscription_restarts.span(subscription, item, caller.now)[0] for item in items}
        free = values.get("proration_behavior") == "none"
    invoice = billing.bill_items(caller, subscription, items, "subscription_create", starts=starts, free=free)
    subscription["latest_invoice"] = invoice["id"]
    emit(caller, Occurrence("customer.subscription.created", subscription))
    invoicing.finalize(caller, invoice)
    waits = values.get("payment_behavior") == "default_incomplete"
    if invoice["status"] == "open" and not waits:
        billing.collect_by_itself(caller, invoice)


def _trial_of_update(caller: Caller, subscription: dict[str, Any], values: Values) -> bool:
    """Move the end of a trial if that is asked for, and say whether it is to end at once."""
    if "trial_end" not in values:
        return False
    if values["trial_end"] == "now":
        return bool(subscription["status"] == "trialing")
    if subscription["status"] != "trialing":
        raise invalid("The sandbox begins no trial in a running subscription.", param="trial_end")
    moment = subscription_terms.trial_end(caller, values)
    before = copy.deepcopy(
        {name: subscription[name] for name in ("billing_cycle_anchor", "items", "trial_end")}
    )
    subscription |= {"billing_cycle_anchor": moment, "trial_end": moment}
    for item in subscription["items"]["data"]:
        item["current_period_end"] = moment
    subscription_changes.tell(caller, subscription, before)
    billing.begin(caller, subscription)
    return False


def _end_trial(caller: Caller, subscription: dict[str, Any]) -> None:
    subscription |= {"trial_end": caller.now, "billing_cycle_anchor": caller.now}
    for item in subscription["items"]["data"]:
        item["current_period_end"] = caller.now
    billing.renew(caller, subscription)
