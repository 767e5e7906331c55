"""This module says how a mapping line can go wrong, and what it notes on the way."""

from __future__ import annotations

from typing import Any, NamedTuple

_LONGEST_VALUE = 60
_SHAPES: dict[type, str] = {dict: "a group of values", list: "a list"}


class MappingFailed(Exception):
    """The line of `field` has no value that may be written. `code` stands in `flows.error_catalogue`."""

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.code = code


class Note(NamedTuple):
    """Something that a person should see about a value that was written all the same."""

    field: str
    code: str  # truncated, replaced_characters, unseen_value, other_currency
    message: str


Notes = list[Note]


def quoted(value: Any) -> str:
    """Return `value` short enough to stand in a sentence."""
    if not isinstance(value, (str, int, float)) or (isinstance(value, int) and value.bit_length() > 1000):
        return _SHAPES.get(type(value), f"a {type(value).__name__}")
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
