"""This module simulates event destinations of the second API: where thin events are delivered to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe.errors import ApiError, invalid
from connectors.sandbox.stripe.webhook_endpoints import check_url, roll

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

CREATE: Spec = {
    "description": "string",
    "enabled_events": "strings!",
    "event_payload": "enum:thin!",  # snapshots go to webhook endpoints here
    "include": "strings",
    "metadata": "metadata",
    "name": "id!",
    "type": "enum:webhook_endpoint!",
    "webhook_endpoint": "object:url!",
}
RETRIEVE: Spec = {"include": "strings"}
LIST: Spec = {"include": "strings", "limit": "integer"}
NOTHING: Spec = {}
NOUN = "v2.core.event_destination"


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Make a destination; its secret is told now and only if it is asked for.

    :raises ApiError: 400 for an address that this sandbox does not deliver to
    """
    url = (values["webhook_endpoint"] or {}).get("url", "")
    check_url(url)
    if not values["enabled_events"]:
        raise invalid("A destination needs at least one type of event.", param="enabled_events")
    now = datetime.fromtimestamp(caller.now, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    destination: dict[str, Any] = {
        "id": caller.state.new_id("ed_test_65"),
        "object": NOUN,
        "created": now,
        "description": values.get("description") or "",
        "enabled_events": values["enabled_events"],
        "event_payload": "thin",
        "events_from": ["@self"],
        "livemode": caller.livemode,
        "metadata": values.get("metadata", {}),
        "name": values["name"],
        "snapshot_api_version": None,
        "status": "enabled",
        "status_details": None,
        "type": "webhook_endpoint",
        "updated": now,
        "webhook_endpoint": {"signing_secret": None, "url": url},
    }
    caller.state.event_destinations.add(destination)
    secret = roll(caller, destination["id"], overlap=0)
    return _shown(destination, values, secret=secret)


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the destination.

    :raises ApiError: 404 not_found
    """
    return _shown(_found(caller, object_id), values)


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return all destinations: there are few, so that there is one page."""
    found = [
        _shown(place, values)
        for place in caller.state.event_destinations.older()
        if place["livemode"] == caller.livemode
    ]
    return {"data": found, "next_page_url": None, "previous_page_url": None}


def disable(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Stop delivering to a destination.

    :raises ApiError: 404 not_found
    """
    destination = _found(caller, object_id)
    destination |= {"status": "disabled", "status_details": {"disabled": {"reason": "user"}}}
    return _shown(destination, values)


def enable(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Deliver to a destination again.

    :raises ApiError: 404 not_found
    """
    destination = _found(caller, object_id)
    destination |= {"status": "enabled", "status_details": None}
    return _shown(destination, values)


def delete(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Delete a destination.

    :raises ApiError: 404 not_found
    """
    _found(caller, object_id)
    caller.state.event_destinations.remove(object_id)
    caller.state.secrets.pop(object_id, None)
    return {"id": object_id, "object": NOUN, "deleted": True}


def _found(caller: Caller, object_id: str) -> dict[str, Any]:
    destination = caller.state.event_destinations.get(object_id)
    if destination is None or destination["livemode"] != caller.livemode:
        raise ApiError(404, f"No such event destination: '{object_id}'", code="not_found")
    return destination


def _shown(destination: dict[str, Any], values: Values, *, secret: str = "") -> dict[str, Any]:
    include = values.get("include", [])
    place = {
        "signing_secret": secret if secret and "webhook_endpoint.signing_secret" in include else None,
        "url": destination["webhook_endpoint"]["url"] if "webhook_endpoint.url" in include else None,
    }
    return {**destination, "webhook_endpoint": place}
