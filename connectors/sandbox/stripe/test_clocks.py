"""This module simulates test clocks: time that stands still until it is advanced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import customers, periods
from connectors.sandbox.stripe.agenda import Agenda
from connectors.sandbox.stripe.errors import ApiError, invalid
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.state import Occurrence, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

CREATE: Spec = {"frozen_time": "integer!", "name": "string"}
ADVANCE: Spec = {"frozen_time": "integer!"}
LIST: Spec = PAGE
NOTHING: Spec = {}
KEPT = 30 * 86_400
TWO_YEARS = 2 * 366 * 86_400
NOUN = "test_helpers.test_clock"


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Make a clock that stands at a time.

    :raises ApiError: 400 in live mode, which has none
    """
    if caller.livemode:
        raise invalid("Test clocks can only be created in test mode.")
    clock: dict[str, Any] = {
        "id": caller.state.new_id("clock_1"),
        "object": NOUN,
        "created": caller.now,
        "deletes_after": caller.now + KEPT,
        "frozen_time": values["frozen_time"],
        "livemode": False,
        "name": values.get("name"),
        "status": "ready",
        "status_details": {},
    }
    caller.state.test_clocks.add(clock)
    caller.state.clock_agendas[clock["id"]] = Agenda(lambda: float(clock["frozen_time"]))
    emit(caller, Occurrence(f"{NOUN}.created", clock))
    return clock


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the clock.

    :raises ApiError: 404
    """
    return caller.find(caller.state.test_clocks, object_id)


def advance(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Begin to advance a clock; what falls due on the way happens, and then it is ready again.

    :raises ApiError: 404, 400 for a time that is past or too far, 429 while it is advancing
    """
    clock = caller.find(caller.state.test_clocks, object_id)
    target = values["frozen_time"]
    if clock["status"] != "ready":
        raise ApiError(
            429, "Test clock advancement underway - cannot perform modifications.", code="rate_limit"
        )
    if target <= clock["frozen_time"]:
        raise invalid("`frozen_time` must be after the current frozen time.", param="frozen_time")
    if target > clock["frozen_time"] + _farthest(caller, object_id):
        raise invalid(
            "You cannot advance a test clock more than two intervals from the current frozen time based on "
            "the shortest subscription interval in your test clock.",
            param="frozen_time",
        )
    clock |= {"status": "advancing", "status_details": {"advancing": {"target_frozen_time": target}}}
    emit(caller, Occurrence(f"{NOUN}.advancing", clock))
    caller.state.agenda.after(
        caller.state.settings.advance_delay, lambda: _arrive(caller.automatic(), clock, target)
    )
    return dict(clock)


def delete(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Delete a clock with its customers and all that is theirs.

    :raises ApiError: 404
    """
    clock = caller.find(caller.state.test_clocks, object_id)
    bound = [customer["id"] for customer in caller.state.customers if customer["test_clock"] == object_id]
    for customer_id in bound:
        customers.delete(caller, {}, customer_id)
    caller.state.test_clocks.remove(object_id)
    caller.state.clock_agendas.pop(object_id, None)
    emit(caller, Occurrence(f"{NOUN}.deleted", clock))
    return {"id": object_id, "object": NOUN, "deleted": True}


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of clocks."""
    return page(caller, caller.state.test_clocks, values, url="/v1/test_helpers/test_clocks")


def _arrive(caller: Caller, clock: dict[str, Any], target: int) -> None:
    agenda = caller.state.clock_agendas.get(clock["id"])
    if agenda is None:
        return
    clock["frozen_time"] = target
    agenda.do_due()
    clock |= {"status": "ready", "status_details": {}}
    emit(caller, Occurrence(f"{NOUN}.ready", clock))


def _farthest(caller: Caller, clock_id: str) -> int:
    """Return how many seconds a clock may be advanced by."""
    shortest = [
        periods.shortest(item["price"]["recurring"]["interval"], item["price"]["recurring"]["interval_count"])
        for subscription in caller.state.subscriptions
        if subscription["test_clock"] == clock_id and subscription["status"] not in {"canceled"}
        for item in subscription["items"]["data"]
    ]
    # A month is as long as the longest one here.
    return 2 * min(shortest) + 6 * 86_400 if shortest else TWO_YEARS
