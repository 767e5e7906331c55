"""
This module changes single values of a mapped record in the way that a person has approved.

A fix changes what a run writes and never its event; amounts and currencies are refused before, see
`flows.remedies`. A fix that does not fit a value leaves it alone. It is pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from flows.mapping.failure import MappingFailed, Note, Notes, quoted

Way = Literal["cut", "replace", "default", "empty", "leave_out"]

LEFT_OUT: Final = object()  # the record goes without the field


class Fix(msgspec.Struct, frozen=True):
    """
    One change of one field of a record.

    `cut`: to `length` characters. `replace`: `old` by `new`, a text or, for a field that is true or false,
    that. `default`: `new` where there is no value. `empty`: no value, which empties the field. `leave_out`:
    the record goes without the field, so that the org keeps what it has.
    """

    way: Way
    step: str  # the map step whose record it changes
    field: str
    length: int = 0
    old: str = ""
    new: str | bool = ""
    by: str = ""  # who approved it
    object: str = ""  # what the record is; of another object the same field is another

    def alike(self, other: Fix) -> bool:
        """Tell whether both do the same, whoever approved them."""
        return msgspec.structs.replace(self, by="") == msgspec.structs.replace(other, by="")

    def told(self) -> str:
        """Return what it does, as the end of a sentence about its field, without any value of a customer."""
        return {
            "cut": f"cut to {self.length} characters",
            "replace": "replaced by another value",
            "default": "given a value where there is none",
            "empty": "left empty",
            "leave_out": "left out, so that the record keeps what it has",
        }[self.way]

    def mend(self, value: Any, notes: Notes) -> Any:
        """Return what is written in place of `value`, `LEFT_OUT` for nothing, and note it if that differs."""
        mended = self._mended(value)
        if mended is not value:
            self._note(value, notes)
        return mended

    def instead(self, failed: MappingFailed, given: Any, notes: Notes) -> Any:
        """
        Return what is written where the line of the field has `failed` with what it was `given`.

        :raises MappingFailed: if this fix does not help
        """
        value: Any
        if (self.way == "default" and failed.code == "required_empty") or (
            self.way == "replace"
            and failed.code in ("unseen_value", "not_a_choice")
            and as_text(given) == self.old
        ):
            value = self.new
        elif self.way == "empty":
            value = None
        elif self.way == "leave_out":
            value = LEFT_OUT
        else:
            raise failed
        self._note(given, notes)
        return value

    def _mended(self, value: Any) -> Any:
        match self.way:
            case "cut" if isinstance(value, str) and len(value) > self.length:
                return value[: self.length].rstrip()
            case "replace" if value is not LEFT_OUT and value is not None and as_text(value) == self.old:
                return self.new
            case "default" if value is None or value is LEFT_OUT or value == "":
                return self.new
            case "empty" if value is not LEFT_OUT:
                return None
            case "leave_out":
                return LEFT_OUT
        return value

    def _note(self, value: Any, notes: Notes) -> None:
        was = "nothing" if value is None or value is LEFT_OUT else quoted(value)
        by = f", as {self.by} approved" if self.by else ""
        notes.append(Note(self.field, "mended", f"{self.told().capitalize()}{by}. It was {was}"))


def as_text(value: Any) -> str:
    """Return `value` as a replacement compares it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


Fixes = Mapping[str, tuple[Fix, ...]]  # by field


def by_field(fixes: Iterable[Fix]) -> Fixes:
    """Return fixes of one record by their fields, in the order in which they were approved."""
    found: dict[str, tuple[Fix, ...]] = {}
    for fix in fixes:
        found[fix.field] = (*found.get(fix.field, ()), fix)
    return found
