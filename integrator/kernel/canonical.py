"""This module writes equal values as equal bytes, so that they can be compared by a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

_PLAIN_DIGITS = 100  # above this a number is written with an exponent: "1E+999999" stays short
_PLAIN_INTEGERS = 10**_PLAIN_DIGITS


def dumps(value: Any) -> bytes:
    """
    Return `value` as canonical JSON: sorted keys, no spaces, ASCII only.

    Numbers are equal if their values are: 5, Decimal("5.00") and Decimal("5E0") are all `5`.
    Lone surrogates, which JSON may carry and UTF-8 may not, are written as escapes.

    :raises TypeError: if something in it is not data, or a key is not text
    :raises ValueError: if a number is not finite
    """
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts).encode("ascii")


def fingerprint(value: Any) -> str:
    """
    Return the SHA-256 of `value` in canonical JSON, in hexadecimal.

    :raises TypeError: as `dumps`
    :raises ValueError: as `dumps`
    """
    return hashlib.sha256(dumps(value)).hexdigest()


def _write(value: Any, parts: list[str]) -> None:
    match value:
        case None | bool() | str():
            parts.append(json.dumps(value))
        case int() | Decimal() | float():
            parts.append(_number(value))
        case date():  # and datetime
            parts.append(json.dumps(value.isoformat()))
        case Mapping():
            _write_mapping(value, parts)
        case list() | tuple():
            parts.append("[")
            for place, item in enumerate(value):
                parts.append("," if place else "")
                _write(item, parts)
            parts.append("]")
        case _:
            raise TypeError(f"{type(value).__name__} has no canonical form")


def _write_mapping(value: Mapping[Any, Any], parts: list[str]) -> None:
    for key in value:
        if not isinstance(key, str):
            raise TypeError(f"The key {key!r} is not text")
    parts.append("{")
    for place, key in enumerate(sorted(value)):
        parts.append(f"{',' if place else ''}{json.dumps(key)}:")
        _write(value[key], parts)
    parts.append("}")


def _number(value: int | Decimal | float) -> str:
    if isinstance(value, int) and abs(value) < _PLAIN_INTEGERS:
        return int.__repr__(value)
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    sign, digits, exponent = exact.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is not a finite number")
    text = "".join(map(str, digits)).lstrip("0")
    kept = text.rstrip("0")
    return f"{'-' if sign else ''}{_place_point(kept, exponent + len(text) - len(kept))}" if kept else "0"


def _place_point(digits: str, exponent: int) -> str:
    """Write `digits` times ten to the `exponent`, where `digits` neither begins nor ends with a zero."""
    if exponent >= 0 and len(digits) + exponent <= _PLAIN_DIGITS:
        return digits + "0" * exponent
    if exponent < 0 and -exponent <= _PLAIN_DIGITS:
        padded = digits.rjust(1 - exponent, "0")
        return f"{padded[:exponent]}.{padded[exponent:]}"
    return f"{digits}E{exponent}"
