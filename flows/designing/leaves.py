"""This module reads what people put into one control of a form."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _number(text: str) -> int:
    if not text.strip().removeprefix("-").isdecimal() or len(text) > 18:
        raise ValueError("Write a whole number.")
    return int(text)


def _scalars(text: str) -> list[Any]:
    return [scalar(line) for line in _lines(text)]


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are written alike; to Python, 1 and true are the same."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def scalar(text: str) -> Any:
    """Read a number, true, false, null or a text in quotes as JSON does, anything else as a text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, (dict, list)) else value


def written(kind: str, value: Any) -> str:
    """Write the value of one control as `LEAVES` read it."""
    if value is None:
        return ""
    if kind == "json":
        return json.dumps(value, indent=2, ensure_ascii=False)
    return _word(value) if kind == "scalar" else str(value)


def _word(value: Any) -> str:
    """Write a value so that it is read as what it is: a text that looks like a number stands in quotes."""
    if not isinstance(value, str):
        return json.dumps(value)
    plain = value == value.strip() and isinstance(scalar(value), str)
    return value if plain else json.dumps(value, ensure_ascii=False)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"This is not JSON: {str(error)[:120]}") from None


LEAVES: dict[str, Callable[[str], Any]] = {
    "line": str,
    "text": str,
    "choice": str,
    "number": _number,
    "lines": _lines,
    "scalars": _scalars,
    "scalar": lambda text: scalar(text.strip()),
    "json": _json,
}
