"""This module prints JSON as Stripe does: indented for people, so that nobody may count on compact bodies."""

from __future__ import annotations

from typing import Any

import msgspec

# Kinds that carry marks of ours, which are no fields of the API: the mode, and whose an item is.
MARKS: dict[str, frozenset[str]] = {
    "item": frozenset({"livemode", "owner"}),
    "refund": frozenset({"livemode"}),
}


def printed(data: Any) -> bytes:
    """Return the JSON of an answer or a delivery."""
    return msgspec.json.format(msgspec.json.encode(data), indent=2)


def unmarked(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object without our own marks."""
    kind = value.get("object")
    marks = MARKS.get(kind) if isinstance(kind, str) else None
    if marks is None:
        return value
    return {name: item for name, item in value.items() if name not in marks}
