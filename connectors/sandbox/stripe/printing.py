"""This module prints JSON as Stripe does: indented for people, so that nobody may count on compact bodies."""

from __future__ import annotations

from typing import Any

import msgspec

# Kinds that carry marks of ours, which are no fields of the API: the mode, and whose an item is.
MARKS: dict[str, frozenset[str]] = {
    "item": frozenset({"livemode", "owner"}),
    "refund": frozenset({"livemode"}),
}

# A list with this mark is kept whole, oldest first; what is printed of it is its first page.
WHOLE = "whole"
FIRST = 10  # elements of a list inside an object


def printed(data: Any) -> bytes:
    """Return the JSON of an answer or a delivery."""
    return msgspec.json.format(msgspec.json.encode(data), indent=2)


def unmarked(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object without our own marks, and of a list that is kept whole the first page."""
    kind = value.get("object")
    if kind == "list" and value.get(WHOLE):
        return _first_page(value)
    marks = MARKS.get(kind) if isinstance(kind, str) else None
    if marks is None:
        return value
    return {name: item for name, item in value.items() if name not in marks}


def told(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object as an event carries it: without our own marks, neither its own nor its lists'."""
    return {name: unmarked(item) if _is_list(item) else item for name, item in unmarked(value).items()}


def _is_list(value: Any) -> bool:
    return isinstance(value, dict) and value.get("object") == "list"


def _first_page(value: dict[str, Any]) -> dict[str, Any]:
    """Return what the list's own address would give first: the newest."""
    items = value["data"]
    page = {name: item for name, item in value.items() if name != WHOLE}
    return {**page, "data": items[: -FIRST - 1 : -1], "has_more": len(items) > FIRST}
