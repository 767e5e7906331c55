"""This module serves subscription schedules: made, changed, released, canceled and listed."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import (
    schedule_ends,
    schedule_passing,
    schedule_phases,
    subscription_changes,
    subscriptions,
)
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import check, integer, merge_metadata
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.state import Occurrence, changes, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

DEFAULT: Spec = {
    "billing_cycle_anchor": "enum:automatic|phase_start",
    "collection_method": "enum:charge_automatically|send_invoice",
    "default_payment_method": "id",
    "description": "string",
    "invoice_settings": "object:days_until_due",
}
UPDATE: Spec = {
    "default_settings": f"object:{'|'.join(DEFAULT)}",
    "end_behavior": "enum:cancel|none|release|renew",
    "metadata": "metadata",
    "pause_schedules": "unsimulated",
    "phases": f"objects:{schedule_phases.NAMES}",
    "proration_behavior": "enum:create_prorations|always_invoice|none",
}
CREATE: Spec = {
    **{name: kind for name, kind in UPDATE.items() if name != "proration_behavior"},
    "billing_mode": "object:flexible|type",
    "customer": "id",
    "from_subscription": "id",
    "start_date": "id",
}
CANCEL: Spec = {"invoice_now": "boolean", "prorate": "boolean"}
RELEASE: Spec = {"preserve_cancel_date": "boolean"}
LIST: Spec = {
    **PAGE,
    "canceled_at": "unsimulated",
    "completed_at": "unsimulated",
    "created": "range",
    "customer": "id",
    "released_at": "unsimulated",
    "scheduled": "boolean",
}
NOTHING: Spec = {}


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Make a schedule; one that starts now makes its subscription at once.

    :raises ApiError: 400 without a customer or phases, or whatever a subscription would be refused for
    """
    if "from_subscription" in values:
        return _around(caller, values)
    if "customer" not in values:
        raise invalid("Missing required param: customer.", param="customer", code="parameter_missing")
    customer = caller.find(caller.state.customers, values["customer"], param="customer")
    caller = caller.beside(customer["id"])
    told = values.get("start_date", "now")
    start = caller.now if told == "now" else max(caller.now, integer("start_date", told))
    schedule = _blank(caller, customer, values)
    schedule["phases"] = schedule_phases.read(caller, values.get("phases", []), start)
    if start == caller.now:
        schedule_passing.begin(caller, schedule)
    caller.state.subscription_schedules.add(schedule)
    emit(caller, Occurrence("subscription_schedule.created", schedule))
    schedule_passing.follow(caller, schedule)
    schedule_passing.warn_later(caller, schedule)
    return schedule


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the schedule.

    :raises ApiError: 404
    """
    return caller.find(caller.state.subscription_schedules, object_id)


def update(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Change a schedule; what changes in the current phase changes the subscription at once.

    :raises ApiError: 404, or 400 if it is over or no phase covers this moment
    """
    schedule, caller = _open(caller, object_id, "update")
    before = copy.deepcopy(schedule)
    behavior = values.get("proration_behavior", "create_prorations")
    if "phases" in values:
        _rewrite(caller, schedule, values["phases"], behavior)
    schedule |= {name: values[name] for name in ("end_behavior",) if name in values}
    if "metadata" in values:
        schedule["metadata"] = merge_metadata(schedule["metadata"], values["metadata"])
    if values.get("default_settings"):
        schedule["default_settings"] = _settings(schedule["default_settings"], values["default_settings"])
    previous = changes(before, schedule)
    if previous:
        emit(caller, Occurrence("subscription_schedule.updated", schedule, previous))
    schedule_passing.follow(caller, schedule)
    if schedule["phases"][-1]["end_date"] != before["phases"][-1]["end_date"]:
        schedule_passing.warn_later(caller, schedule)
    return schedule


def cancel(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Cancel a schedule with its subscription; what is left of the period is given back and invoiced.

    :raises ApiError: 404, or 400 if it is over
    """
    schedule, caller = _open(caller, object_id, "cancel")
    schedule_ends.close(caller, schedule, "canceled")
    subscription = caller.state.subscriptions.get(schedule["subscription"] or "")
    if subscription is not None and subscription["status"] not in subscriptions.OVER:
        manner = {"invoice_now": True, "prorate": True, **values}
        subscriptions.cancel(caller, manner, subscription["id"])
    return schedule


def release(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Release a schedule: its subscription runs on as it is.

    :raises ApiError: 404, or 400 if it is over
    """
    schedule, caller = _open(caller, object_id, "release")
    schedule_passing.leave(caller, schedule)
    return schedule


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of schedules, with `scheduled` of those only that have not started."""
    scheduled = values.get("scheduled", False)
    return page(
        caller,
        caller.state.subscription_schedules,
        values,
        url="/v1/subscription_schedules",
        equal=("customer",),
        keep=lambda schedule: not scheduled or schedule["status"] == "not_started",
    )


def _around(caller: Caller, values: Values) -> dict[str, Any]:
    """Let a running subscription be managed by a schedule whose one phase is its current period."""
    others = sorted(set(values) - {"billing_mode", "from_subscription"})
    if others:
        raise invalid(f"You cannot set `{others[0]}` if `from_subscription` is set.", param=others[0])
    found = caller.find(caller.state.subscriptions, values["from_subscription"], param="from_subscription")
    if found["schedule"] or found["status"] in subscriptions.OVER:
        why = "is over" if found["status"] in subscriptions.OVER else "is managed by a schedule already"
        raise invalid(f"The subscription {found['id']} {why}.", param="from_subscription")
    customer = caller.find(caller.state.customers, found["customer"])
    caller = caller.beside(customer["id"])
    schedule = _blank(caller, customer, values)
    phase = schedule_phases.of_subscription(found)
    schedule |= {
        "current_phase": schedule_phases.span(phase),
        "phases": [phase],
        "status": "active",
        "subscription": found["id"],
    }
    caller.state.subscription_schedules.add(schedule)
    emit(caller, Occurrence("subscription_schedule.created", schedule))
    subscription_changes.change(caller, found, {"schedule": schedule["id"]})
    schedule_passing.follow(caller, schedule)
    schedule_passing.warn_later(caller, schedule)
    return schedule


def _rewrite(
    caller: Caller, schedule: dict[str, Any], described: list[dict[str, Any]], behavior: str
) -> None:
    begun = schedule["phases"][0]["start_date"]
    told = (described or [{}])[0].get("start_date")
    if told is not None:
        begun = caller.now if told == "now" else integer("phases[0][start_date]", str(told))
    phases = schedule_phases.read(caller, described, begun)
    if schedule["status"] == "active":
        current = schedule_phases.at(phases, caller.now)
        if current is None:
            raise invalid("The phases must cover the present moment.", param="phases")
        schedule |= {"current_phase": schedule_phases.span(current), "phases": phases}
        schedule_passing.enter(caller, schedule, current, behavior=behavior)
    else:
        schedule["phases"] = phases


def _open(caller: Caller, object_id: str, verb: str) -> tuple[dict[str, Any], Caller]:
    schedule = caller.find(caller.state.subscription_schedules, object_id)
    if schedule["status"] not in schedule_ends.OPEN:
        raise invalid(
            f"You cannot {verb} a subscription schedule that is currently in the `{schedule['status']}` "
            "status."
        )
    return schedule, caller.beside(schedule["customer"])


def _settings(before: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    values = check(told, DEFAULT)
    days = (values.pop("invoice_settings", None) or {}).get("days_until_due")
    invoices = before["invoice_settings"]
    if days:
        invoices = {**invoices, "days_until_due": integer("invoice_settings[days_until_due]", days)}
    return {**before, **values, "invoice_settings": invoices}


def _blank(caller: Caller, customer: dict[str, Any], values: Values) -> dict[str, Any]:
    default = {
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": "automatic",
        "billing_thresholds": None,
        "collection_method": "charge_automatically",
        "default_payment_method": None,
        "description": None,
        "invoice_settings": {
            **dict.fromkeys(("account_tax_ids", "custom_fields", "days_until_due", "description", "footer")),
            "issuer": {"type": "self"},
        },
        "on_behalf_of": None,
        "transfer_data": None,
    }
    return {
        "id": caller.state.new_id("sub_sched_1"),
        "object": "subscription_schedule",
        "application": None,
        "billing_mode": {
            "flexible": {"proration_discounts": "included"},
            "type": "flexible",
            "updated_at": caller.now,
        },
        "canceled_at": None,
        "completed_at": None,
        "created": caller.now,
        "current_phase": None,
        "customer": customer["id"],
        "customer_account": None,
        "default_settings": _settings(default, values.get("default_settings") or {}),
        "end_behavior": values.get("end_behavior", "release"),
        "livemode": caller.livemode,
        "metadata": merge_metadata({}, values.get("metadata", {})),
        "pause_schedules": [],
        "phases": [],
        "released_at": None,
        "released_subscription": None,
        "status": "not_started",
        "subscription": None,
        "test_clock": customer["test_clock"],
    }
