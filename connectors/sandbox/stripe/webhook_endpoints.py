"""This module simulates webhook endpoints: where signed events are delivered to."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import empty, merge_metadata
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.state import Secret

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

CREATE: Spec = {
    "api_version": "id",
    "connect": "boolean",
    "description": "string",
    "enabled_events": "strings!",
    "metadata": "metadata",
    "url": "id!",
}
UPDATE: Spec = {
    "description": "string",
    "disabled": "boolean",
    "enabled_events": "strings",
    "metadata": "metadata",
    "url": "id",
}
LIST: Spec = PAGE
NOTHING: Spec = {}
TYPE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")
VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")
MOST = 16


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Make an endpoint; this answer, and no later one, carries its secret.

    :raises ApiError: 400 url_invalid, or for event types and versions that cannot be
    """
    state = caller.state
    if sum(endpoint["livemode"] == caller.livemode for endpoint in state.webhook_endpoints) >= MOST:
        raise invalid(f"You have reached the maximum of {MOST} {_mode(caller)} webhook endpoints.")
    version = values.get("api_version")
    if version and not VERSION.fullmatch(version):
        raise invalid(f"Invalid Stripe API version: {version}", param="api_version")
    endpoint: dict[str, Any] = {
        "id": state.new_id("we_1"),
        "object": "webhook_endpoint",
        "api_version": version,
        "application": None,
        "created": caller.now,
        "description": None,
        "enabled_events": [],
        "livemode": caller.livemode,
        "metadata": {},
        "status": "enabled",
        "url": "",
    }
    _apply(
        endpoint, {name: value for name, value in values.items() if name not in {"api_version", "connect"}}
    )
    state.webhook_endpoints.add(endpoint)
    return {**endpoint, "secret": roll(caller, endpoint["id"], overlap=0)}


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the endpoint, without its secret.

    :raises ApiError: 404
    """
    return caller.find(caller.state.webhook_endpoints, object_id)


def update(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Change an endpoint, or disable it.

    :raises ApiError: 404, 400 url_invalid
    """
    endpoint = caller.find(caller.state.webhook_endpoints, object_id)
    changed = dict(endpoint)
    _apply(changed, values)
    endpoint.update(changed)
    return endpoint


def delete(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Delete an endpoint; nothing is delivered to it any more.

    :raises ApiError: 404
    """
    caller.find(caller.state.webhook_endpoints, object_id)
    caller.state.webhook_endpoints.remove(object_id)
    caller.state.secrets.pop(object_id, None)
    return {"id": object_id, "object": "webhook_endpoint", "deleted": True}


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of endpoints."""
    return page(caller, caller.state.webhook_endpoints, values, url="/v1/webhook_endpoints")


def roll(caller: Caller, endpoint_id: str, *, overlap: float) -> str:
    """Give the endpoint a new secret and return it; the old ones sign for `overlap` seconds more."""
    now = caller.state.now()
    secrets = [
        secret for secret in caller.state.secrets.get(endpoint_id, []) if (secret.expires or now + 1) > now
    ]
    for secret in secrets:
        secret.expires = min(secret.expires or now + overlap, now + overlap)
    value = caller.state.new_id("whsec")
    caller.state.secrets[endpoint_id] = [Secret(value), *secrets]
    return value


def check_url(url: str) -> None:
    """
    Refuse an address that this sandbox must not call: it speaks to loopback only.

    :raises ApiError: 400 url_invalid
    """
    parts = urlsplit(url)
    try:
        fine = parts.scheme == "http" and is_loopback(parts.hostname or "") and parts.port != 0
    except ValueError:  # a port that is no number
        fine = False
    if not fine:
        raise invalid(
            "Invalid URL: the sandbox delivers to http addresses of this machine (127.0.0.1, ::1, "
            "localhost) only.",
            param="url",
            code="url_invalid",
        )


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine, by what it says and not by what a name server says."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _apply(endpoint: dict[str, Any], values: Values) -> None:
    for name, value in values.items():
        if name == "metadata":
            endpoint["metadata"] = merge_metadata(endpoint["metadata"], value)
        elif name == "disabled":
            endpoint["status"] = "disabled" if value else "enabled"
        elif name == "enabled_events":
            endpoint[name] = _types(value)
        else:
            endpoint[name] = value
    check_url(endpoint["url"])


def _types(types: list[str]) -> list[str]:
    if not types:
        raise empty("enabled_events")
    if "*" in types and len(types) > 1:
        raise invalid("`*` stands for every type and comes alone.", param="enabled_events")
    for name in types:
        if name != "*" and not TYPE.fullmatch(name):
            raise invalid(f"Invalid enabled_events: {name} is no type of event.", param="enabled_events")
    return types


def _mode(caller: Caller) -> str:
    return "live" if caller.livemode else "test"
