"""This module completes postal addresses and shipping details of the parts that were sent."""

from __future__ import annotations

from typing import Any

from connectors.sandbox.stripe.errors import invalid

PARTS = ("city", "country", "line1", "line2", "postal_code", "state")


def address(value: Any, *, param: str = "address") -> dict[str, Any] | None:
    """
    Return a complete address of the parts that were sent.

    :raises ApiError: 400 if a text was sent
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise invalid("Invalid object", param=param)
    return {part: value.get(part) or None for part in PARTS}


def shipping(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """
    Return complete shipping details of the parts that were sent.

    :raises ApiError: 400 if the address is a text
    """
    if value is None:
        return None
    return {
        "address": address(value.get("address", {}), param="shipping[address]"),
        "carrier": value.get("carrier") or None,
        "name": value.get("name") or None,
        "phone": value.get("phone") or None,
        "tracking_number": value.get("tracking_number") or None,
    }
