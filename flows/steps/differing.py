"""This module leaves out of a change in Stripe what is there already, so that nothing goes to and fro."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

# How a change is made, and nothing that could be read in the object afterwards.
_MANNERS = frozenset({"off_session", "payment_behavior", "proration_behavior", "proration_date"})
_ABSENT = object()


def differing(values: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what of `values` is to be sent, given the object as it was found; nothing where all is there.

    A parameter of several parts is sent whole if one of them differs, metadata by its keys. What the object
    does not show is sent.
    """
    changed: dict[str, Any] = {}
    for name, value in values.items():
        if name in _MANNERS:
            continue
        if name == "metadata" and isinstance(value, Mapping):
            known = found.get("metadata") or {}
            if keys := {key: one for key, one in value.items() if not _same(one, known.get(key, ""))}:
                changed[name] = keys
        elif not _same(value, found.get(name, _ABSENT)):
            changed[name] = value
    if not changed:
        return {}
    return changed | {name: value for name, value in values.items() if name in _MANNERS}


def _same(value: Any, found: Any) -> bool:
    """Tell whether `found` is what sending `value` would leave; an empty text takes a value away."""
    if found is _ABSENT:
        return False
    if isinstance(value, Mapping):
        return isinstance(found, Mapping) and all(
            _same(part, found.get(name, _ABSENT)) for name, part in value.items()
        )
    if isinstance(value, list):
        return _same_elements(value, found)
    if isinstance(found, Mapping):
        found = found.get("id", _ABSENT)  # an object in the place of its id
        if found is _ABSENT:
            return False
    return _as_text(value) == _as_text(found) or _same_number(value, found)


def _same_elements(values: Sequence[Any], found: Any) -> bool:
    """Tell whether every element is there as it is given; one without an id would be added."""
    there = found.get("data") if isinstance(found, Mapping) else found
    if not isinstance(there, list):
        return False
    if not all(isinstance(value, Mapping) for value in values):
        return [*map(_as_text, values)] == [*map(_as_text, there)]
    by_id = {one.get("id"): one for one in there if isinstance(one, Mapping)}
    return all(value.get("id") in by_id and _same(value, by_id[value.get("id")]) for value in values)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _same_number(value: Any, found: Any) -> bool:
    """Tell whether both are the same number, unless both are texts, of which 010 is not 10."""
    if (
        isinstance(value, bool)
        or isinstance(found, bool)
        or (isinstance(value, str) and isinstance(found, str))
    ):
        return False
    try:
        return Decimal(str(value)) == Decimal(str(found))
    except InvalidOperation:
        return False
