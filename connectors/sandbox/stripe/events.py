"""This module simulates the event list: every event of the last 30 days, newest first."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe.errors import invalid, missing
from connectors.sandbox.stripe.lists import PAGE, page

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

LIST: Spec = {
    **PAGE,
    "created": "range",
    "delivery_success": "boolean",
    "type": "id",
    "types": "strings",
}
NOTHING: Spec = {}
KEPT = 30 * 86_400


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the event.

    :raises ApiError: 404, also when it is older than 30 days
    """
    _refuse_the_gone(caller, object_id, "")
    return caller.find(caller.state.events, object_id)


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Return a page of events.

    :raises ApiError: 400 if both `type` and `types` are given, for more than 20 types, or for a cursor that
        is older than 30 days
    """
    if "type" in values and "types" in values:
        raise invalid("You may only specify one of these parameters: type, types.", param="types")
    patterns = [values["type"]] if "type" in values else values.get("types", [])
    if len(patterns) > 20:
        raise invalid("You may pass up to 20 types.", param="types")
    success = values.get("delivery_success")
    oldest = caller.now - KEPT
    for cursor in ("starting_after", "ending_before"):
        if cursor in values:
            _refuse_the_gone(caller, values[cursor], cursor)

    def keep(event: dict[str, Any]) -> bool:
        if event["created"] < oldest or (success is not None and success != (event["pending_webhooks"] == 0)):
            return False
        return not patterns or any(fnmatchcase(event["type"], pattern) for pattern in patterns)

    return page(caller, caller.state.events, values, url="/v1/events", keep=keep)


def _refuse_the_gone(caller: Caller, event_id: str, param: str) -> None:
    """Let an event be missing that is older than 30 days."""
    event = caller.state.events.get(event_id)
    if event is not None and event["created"] < caller.now - KEPT:
        raise missing("event", event_id, param=param)
