"""This module ends subscription schedules: canceled, completed or released, and tells about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe.state import Occurrence, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.state import Caller

OPEN = frozenset({"active", "not_started"})
# How a schedule ends -> the field that says when.
STAMPS = {"canceled": "canceled_at", "completed": "completed_at", "released": "released_at"}


def close(caller: Caller, schedule: dict[str, Any], status: str, *, event: str = "") -> None:
    """End a schedule for good; the event is named after the status unless told otherwise."""
    schedule |= {"current_phase": None, "status": status, STAMPS[status]: caller.now}
    emit(caller, Occurrence(f"subscription_schedule.{event or status}", schedule))


def follow(caller: Caller, subscription: dict[str, Any], *, delinquent: bool) -> None:
    """End the schedule of a subscription that has ended without it."""
    schedule = caller.state.subscription_schedules.get(subscription["schedule"] or "")
    if schedule is not None and schedule["status"] in OPEN:
        close(caller, schedule, "canceled", event="aborted" if delinquent else "")
