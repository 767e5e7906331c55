"""This module tells whether two systems, which store values each its own way, mean the same by two."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

LONGEST = 500  # characters of a text that is kept as it is; of a longer one what tells it from others
_LEAST_MOMENT = 19  # characters: 2026-11-24T12:00:00
_LEAST_PHONE = 5  # digits
_MARK = "sha256"


def same(one: Any, other: Any) -> bool:
    """
    Tell whether `one` and `other` are the same value.

    Nothing, an empty text and null are one: Salesforce stores an empty text as null, and Stripe is told to
    empty a value by an empty text. So are numbers of any form, moments of any form, and texts that differ
    only in space around them, which Salesforce cuts off.
    """
    return bool(_plain(one) == _plain(other))


def alike(wanted: Any, stored: Any) -> bool:
    """
    Tell whether `stored` may be what a system made of `wanted`, though it is not the same.

    Salesforce rounds numbers to the places of their field, leaves fractions of seconds out, writes addresses
    of e-mail in small letters and keeps line breaks its own way; orgs give phone numbers another form:
    https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/field_types.htm
    """
    one, other = _plain(wanted), _plain(stored)
    if one == other:
        return True
    if isinstance(one, str) and isinstance(other, str):
        return any(form(one) == form(other) is not None for form in (_in_one_line, _as_address, _as_phone))
    if not (isinstance(one, tuple) and isinstance(other, tuple)) or one[0] != other[0]:
        return False
    if one[0] == "number":
        places = max(-int(other[1].as_tuple().exponent), 0)
        return bool(round(one[1], places) == other[1] or abs(one[1] - other[1]) * 2 == Decimal(10) ** -places)
    return one[0] == "moment" and bool(one[1].replace(microsecond=0) == other[1].replace(microsecond=0))


def _in_one_line(text: str) -> str | None:
    return " ".join(text.split())


def _as_address(text: str) -> str | None:
    return text.casefold() if "@" in text else None


def _as_phone(text: str) -> str | None:
    digits = "".join(one for one in text if one.isdigit())
    return digits if len(digits) >= _LEAST_PHONE and not any(one.isalpha() for one in text) else None


def is_empty(value: Any) -> bool:
    """Tell whether `value` says nothing."""
    return _plain(value) is None


def kept(value: Any) -> Any:
    """Return `value` as it is remembered: of a long text only what tells it from others."""
    if isinstance(value, str) and len(value.strip()) > LONGEST:
        return {_MARK: _hash(value), "begin": value.strip()[:80]}
    if isinstance(value, Mapping):
        return {str(name): kept(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [kept(part) for part in value]
    return value


def mark(value: Any) -> str:
    """Return a short text that is equal for values that are the same."""
    return hashlib.sha256(repr(_plain(value)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _hash(text: str) -> str:
    return hashlib.sha256(text.strip().encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    """Return the one form of everything that means the same."""
    if isinstance(value, bool):
        return ("truth", value)
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, datetime):
        return ("moment", value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return _group(value)
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value] or None
    return None if value is None else str(value)


def _number(value: float | Decimal) -> Any:
    number = Decimal(str(value))
    return ("number", number.normalize() if number else Decimal(0))


def _text(value: str) -> Any:
    text = value.strip()
    if len(text) >= _LEAST_MOMENT and text[10] in "T " and (moment := _moment(text)) is not None:
        return ("moment", moment)
    if len(text) > LONGEST:
        return (_MARK, _hash(text))
    return text or None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _group(value: Mapping[Any, Any]) -> Any:
    if _MARK in value:
        return (_MARK, value[_MARK])
    parts = {str(name): plain for name, part in value.items() if (plain := _plain(part)) is not None}
    return parts or None
