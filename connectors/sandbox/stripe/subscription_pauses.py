"""
This module pauses subscriptions and resumes them, which is more than pausing their collection.

https://docs.stripe.com/api/subscriptions/pause and https://docs.stripe.com/api/subscriptions/resume
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import billing, proration, subscription_changes, subscription_restarts
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import choice

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

PAUSE: Spec = {
    "bill_for": "object:outstanding_usage_through|unused_time_from",
    "invoicing_behavior": "enum:invoice|pending_invoice_item",
    "type": "enum:subscription",
}
RESUME: Spec = {
    "billing_cycle_anchor": "any",
    "payment_behavior": "enum:resume_on_payment_attempt|resume_on_payment_success",
    "proration_behavior": "enum:always_invoice|create_prorations|none",
    "proration_date": "unsimulated",
}
PAUSABLE = frozenset({"active", "past_due", "trialing"})


def pause(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Let a subscription rest; its unused time is given back unless that is not wished.

    :raises ApiError: 404, or 400 if it does not run or a schedule manages it
    """
    subscription = caller.find(caller.state.subscriptions, object_id)
    caller = caller.beside(subscription["customer"])
    if subscription["schedule"]:
        raise invalid("You cannot pause a subscription with an attached schedule.")
    if subscription["status"] not in PAUSABLE:
        raise invalid(f"You cannot pause a subscription with a status of {subscription['status']}.")
    since = _unused_since(values)
    if subscription["status"] == "active" and since != "none":
        for item in subscription["items"]["data"]:
            at = item["current_period_start"] if since == "item_current_period_start" else caller.now
            proration.give_back(caller, subscription, item, at=at)
        if values.get("invoicing_behavior") == "invoice":
            proration.invoice_at_once(caller, subscription)
    subscription_changes.pause(caller, subscription, reason="pause_requested")
    return subscription


def resume(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Let a paused subscription run again: from now on, or in the cycle that it had.

    :raises ApiError: 404, or 400 if it is not paused
    """
    subscription = caller.find(caller.state.subscriptions, object_id)
    caller = caller.beside(subscription["customer"])
    if subscription["status"] != "paused":
        raise invalid("The subscription is not paused, so that it cannot be resumed.")
    if subscription_restarts.is_now(values.get("billing_cycle_anchor", "now")):
        _begin_anew(caller, subscription, values.get("payment_behavior", "resume_on_payment_attempt"))
    else:
        _go_on(caller, subscription, values.get("proration_behavior", "create_prorations"))
    billing.follow(caller, subscription)
    return subscription


def _unused_since(values: Values) -> str:
    told = (values.get("bill_for") or {}).get("unused_time_from") or {"type": "now"}
    since = told.get("type") if isinstance(told, dict) else None
    return choice("bill_for[unused_time_from][type]", since, ("item_current_period_start", "none", "now"))


def _begin_anew(caller: Caller, subscription: dict[str, Any], behavior: str) -> None:
    if behavior == "resume_on_payment_attempt":
        subscription_changes.wake(caller, subscription)
        subscription_restarts.restart(caller, subscription, behavior="none")
        return
    invoice = subscription_restarts.restart(caller, subscription, behavior="none")
    if invoice["status"] == "paid":
        subscription_changes.wake(caller, subscription)
    else:
        caller.state.resumptions.add(invoice["id"])


def _go_on(caller: Caller, subscription: dict[str, Any], behavior: str) -> None:
    subscription_changes.wake(caller, subscription)
    for item in subscription["items"]["data"]:
        item["current_period_start"], item["current_period_end"] = subscription_restarts.span(
            subscription, item, caller.now
        )
        if behavior != "none":
            proration.charge_rest(caller, subscription, item)
    if behavior == "always_invoice":
        proration.invoice_at_once(caller, subscription)
