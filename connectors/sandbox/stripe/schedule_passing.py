"""This module lets time pass for subscription schedules: they begin, change phase and end."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import (
    billing,
    proration,
    schedule_ends,
    schedule_phases,
    subscription_changes,
    subscription_restarts,
    subscriptions,
)
from connectors.sandbox.stripe.errors import ApiError
from connectors.sandbox.stripe.forms import merge_metadata
from connectors.sandbox.stripe.state import Occurrence, changes, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.state import Caller

WARNING = 7 * 86_400  # before a schedule ends


def begin(caller: Caller, schedule: dict[str, Any]) -> None:
    """
    Make the subscription of the first phase.

    :raises ApiError: as for a subscription that is made without a schedule
    """
    phase = schedule["phases"][0]
    default = schedule["default_settings"]
    values = {
        "customer": schedule["customer"],
        "items": [_described(each) for each in phase["items"]],
        "metadata": phase["metadata"],
        "collection_method": phase["collection_method"] or default["collection_method"],
        "days_until_due": _days(schedule, phase),
        "default_payment_method": phase["default_payment_method"] or default["default_payment_method"],
        "description": phase["description"] or default["description"],
        "trial_end": None if phase["trial_end"] is None else str(phase["trial_end"]),
    }
    told = {name: value for name, value in values.items() if value is not None}
    made = subscriptions.begin(caller, told, schedule=schedule["id"])
    schedule |= {"current_phase": schedule_phases.span(phase), "status": "active", "subscription": made["id"]}


def follow(caller: Caller, schedule: dict[str, Any]) -> None:
    """Come back to a schedule when its next phase is due."""
    moment = _next_moment(schedule)
    if moment is not None:
        # Before the subscription renews in the same second, so that the renewal bills the new phase.
        billing.later(caller, schedule, moment, lambda late: _pass(late, schedule), first=True)


def warn_later(caller: Caller, schedule: dict[str, Any]) -> None:
    """Tell a week before a schedule ends that it will, unless it ends sooner."""
    end = schedule["phases"][-1]["end_date"]
    if caller.now < end - WARNING:
        billing.later(caller, schedule, end - WARNING, lambda late: _warn(late, schedule, end))


def enter(caller: Caller, schedule: dict[str, Any], phase: dict[str, Any], *, behavior: str) -> None:
    """
    Change the subscription to what a phase says; `behavior` says what becomes of the difference.

    :raises ApiError: 400 if a price of the phase is no longer there
    """
    subscription = caller.find(caller.state.subscriptions, schedule["subscription"])
    intervals = {str(item["price"]["recurring"]) for item in subscription["items"]["data"]}
    proration.change_items(caller, subscription, _wanted(subscription, phase), behavior)
    after = {"metadata": merge_metadata(subscription["metadata"], phase["metadata"])}
    for name in ("collection_method", "default_payment_method", "description"):
        if phase[name] is not None:
            after[name] = phase[name]
    subscription_changes.change(caller, subscription, after)
    items = subscription["items"]["data"]
    renews = billing.period_end(subscription) <= caller.now
    if phase["billing_cycle_anchor"] == "phase_start" and not renews:
        subscription_restarts.restart(caller, subscription, behavior=behavior)
    elif {str(item["price"]["recurring"]) for item in items} != intervals and renews:
        subscription["billing_cycle_anchor"] = caller.now  # another rhythm begins with the renewal
    billing.follow(caller, subscription)


def leave(caller: Caller, schedule: dict[str, Any]) -> None:
    """Release a schedule: its subscription runs on without it."""
    subscription = caller.state.subscriptions.get(schedule["subscription"] or "")
    schedule |= {"released_subscription": schedule["subscription"], "subscription": None}
    schedule_ends.close(caller, schedule, "released")
    if subscription is not None:
        subscription_changes.change(caller, subscription, {"schedule": None})


def _next_moment(schedule: dict[str, Any]) -> int | None:
    if schedule["status"] == "not_started":
        return int(schedule["phases"][0]["start_date"])
    return int(schedule["current_phase"]["end_date"]) if schedule["status"] == "active" else None


def _pass(caller: Caller, schedule: dict[str, Any]) -> None:
    if _next_moment(schedule) != caller.now:
        return  # it was changed or ended meanwhile
    before = copy.deepcopy(schedule)
    try:
        if schedule["status"] == "not_started":
            begin(caller, schedule)
        else:
            _move_on(caller, schedule)
    except ApiError:
        # Nobody waits for an answer: without a payment method, for example, nothing can begin.
        schedule_ends.close(caller, schedule, "canceled", event="aborted")
    if schedule["status"] == "active":
        emit(caller, Occurrence("subscription_schedule.updated", schedule, changes(before, schedule)))
        follow(caller, schedule)


def _move_on(caller: Caller, schedule: dict[str, Any]) -> None:
    phase = schedule_phases.at(schedule["phases"], caller.now)
    if phase is not None:
        schedule["current_phase"] = schedule_phases.span(phase)
        enter(caller, schedule, phase, behavior=phase["proration_behavior"])
    elif schedule["end_behavior"] == "cancel":
        schedule_ends.close(caller, schedule, "completed")
        billing.end(caller, caller.find(caller.state.subscriptions, schedule["subscription"]))
    else:
        leave(caller, schedule)


def _warn(caller: Caller, schedule: dict[str, Any], end: int) -> None:
    if schedule["status"] in schedule_ends.OPEN and schedule["phases"][-1]["end_date"] == end:
        emit(caller, Occurrence("subscription_schedule.expiring", schedule))


def _days(schedule: dict[str, Any], phase: dict[str, Any]) -> int | None:
    settings = phase["invoice_settings"] or schedule["default_settings"]["invoice_settings"]
    found: int | None = settings["days_until_due"]
    return found


def _described(item: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": item["metadata"], "price": item["price"], "quantity": str(item["quantity"])}


def _wanted(subscription: dict[str, Any], phase: dict[str, Any]) -> list[dict[str, Any]]:
    """Return how the items change into those of a phase: what stays keeps its id."""
    left = {item["price"]["id"]: item["id"] for item in subscription["items"]["data"]}
    wanted = []
    for each in phase["items"]:
        known = left.pop(each["price"], None)
        wanted.append(_described(each) | ({"id": known} if known else {}))
    return [*wanted, *({"deleted": "true", "id": item} for item in left.values())]
