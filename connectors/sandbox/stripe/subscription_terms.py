"""This module reads what a request says of a subscription: trial, anchor, pause, end, payment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import billing, invoice_items, invoice_lines, periods, price_data
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import choice, integer, merge_metadata

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Values
    from connectors.sandbox.stripe.state import Caller

DAY = 86_400
# Fields that are taken as they were sent.
PLAIN = frozenset({"collection_method", "days_until_due", "default_payment_method", "description"})
AT_TRIAL_END = ("cancel", "create_invoice", "pause")
PAUSED = ("keep_as_draft", "mark_uncollectible", "void")


def told(caller: Caller, subscription: dict[str, Any], values: Values) -> dict[str, Any]:
    """
    Return the fields that a request changes, as they are to be.

    :raises ApiError: 400 for a payment method that there is not, or for terms that make no sense
    """
    found: dict[str, Any] = {name: value for name, value in values.items() if name in PLAIN}
    if "default_payment_method" in found:
        caller.find(
            caller.state.payment_methods, found["default_payment_method"], param="default_payment_method"
        )
    if found.get("collection_method") == "send_invoice" and values.get("days_until_due") is None:
        raise invalid("`days_until_due` is required with `send_invoice`.", param="days_until_due")
    if "metadata" in values:
        found["metadata"] = merge_metadata(subscription["metadata"], values["metadata"])
    if "pause_collection" in values:
        found["pause_collection"] = _pause(values["pause_collection"])
    if "payment_settings" in values:
        found["payment_settings"] = _payment(subscription["payment_settings"], values["payment_settings"])
    if values.get("trial_settings"):
        found["trial_settings"] = _at_trial_end(values["trial_settings"])
    return found | _cancellation(caller, subscription, values)


def trial_end(caller: Caller, values: Values) -> int | None:
    """
    Return when the trial of a new subscription ends, or None without one.

    :raises ApiError: 400 for a moment that is past
    """
    if values.get("trial_period_days"):
        return caller.now + DAY * int(values["trial_period_days"])
    if values.get("trial_end", "now") == "now":
        return None
    moment = integer("trial_end", values["trial_end"])
    if moment <= caller.now:
        raise invalid("Invalid timestamp: must be in the future", param="trial_end")
    return moment


def first_period(
    caller: Caller, price: dict[str, Any], *, trial: int | None, anchor: int | None
) -> tuple[int, int]:
    """
    Return the first period of an item: the trial, what is left until the anchor, or a whole one.

    :raises ApiError: 400 for an anchor that is past or later than the first renewal would be
    """
    if trial is not None:
        return caller.now, trial
    recurring = price["recurring"]
    terms = (recurring["interval"], recurring["interval_count"])
    whole = periods.period(caller.now, *terms, at=caller.now)
    if anchor is None:
        return whole
    if not caller.now < anchor <= whole[1]:
        raise invalid(
            "billing_cycle_anchor must be in the future and not later than the next natural billing date.",
            param="billing_cycle_anchor",
        )
    return caller.now, periods.period(anchor, *terms, at=caller.now)[1]


def add_once(caller: Caller, subscription: dict[str, Any], described: list[dict[str, Any]]) -> None:
    """
    Let what is charged once, beside the items, wait for the next invoice of a subscription.

    :raises ApiError: 400 for a price that there is not
    """
    for number, line in enumerate(described):
        price = price_data.named_or_made(caller, line, param=f"add_invoice_items[{number}]")
        quantity = integer(f"add_invoice_items[{number}][quantity]", line.get("quantity", "1"))
        details = {"subscription": subscription["id"], "subscription_item": None}
        invoice_items.make(
            caller,
            subscription["customer"],
            {
                "amount": price["unit_amount"] * quantity,
                "currency": price["currency"],
                "description": (caller.state.products.get(price["product"]) or {}).get("name"),
                "parent": {"subscription_details": details, "type": "subscription_details"},
                "pricing": invoice_lines.pricing(price),
                "quantity": quantity,
            },
        )


def _pause(value: dict[str, Any] | None) -> dict[str, Any] | None:
    if value is None:
        return None
    resumes = value.get("resumes_at")
    return {
        "behavior": choice("pause_collection[behavior]", value.get("behavior"), PAUSED),
        "resumes_at": integer("pause_collection[resumes_at]", resumes) if resumes else None,
    }


def _payment(before: dict[str, Any], value: dict[str, Any] | None) -> dict[str, Any]:
    """Return the payment settings; options of single payment methods are not simulated."""
    value = value or {}
    name = "save_default_payment_method"
    saves = choice(f"payment_settings[{name}]", value.get(name, before[name]), ("off", "on_subscription"))
    types = value.get("payment_method_types")
    kinds = list(types.values()) if isinstance(types, dict) else before["payment_method_types"]
    return {**before, "payment_method_types": kinds, "save_default_payment_method": saves}


def _at_trial_end(value: dict[str, Any]) -> dict[str, Any]:
    behavior = value.get("end_behavior")
    missing = behavior.get("missing_payment_method") if isinstance(behavior, dict) else None
    path = "trial_settings[end_behavior][missing_payment_method]"
    return {"end_behavior": {"missing_payment_method": choice(path, missing, AT_TRIAL_END)}}


def _cancellation(caller: Caller, subscription: dict[str, Any], values: Values) -> dict[str, Any]:
    if "cancel_at_period_end" not in values and "cancel_at" not in values:
        return {}
    at_end = bool(values.get("cancel_at_period_end"))
    moment = billing.period_end(subscription) if at_end else _end(subscription, values.get("cancel_at"))
    if moment is not None and moment <= caller.now:
        raise invalid("Invalid timestamp: must be in the future", param="cancel_at")
    details = {"comment": None, "feedback": None, **(values.get("cancellation_details") or {})}
    return {
        "cancel_at": moment,
        "cancel_at_period_end": at_end,
        "canceled_at": None if moment is None else caller.now,
        "cancellation_details": {**details, "reason": moment and "cancellation_requested"},
    }


def _end(subscription: dict[str, Any], value: str | None) -> int | None:
    choices = {"min_period_end": min, "max_period_end": max}
    if value is not None and value in choices:
        items = subscription["items"]["data"]
        return int(choices[value](item["current_period_end"] for item in items))
    return integer("cancel_at", value) if value else None
