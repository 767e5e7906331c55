"""This module tries mapping lines on one event, line by line and chip by chip, with the engine's own code."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from flows.mapping import text as texts
from flows.mapping.apply import compile_mapping
from flows.mapping.chip import Chip
from flows.mapping.failure import MappingFailed, Note, Notes, quoted
from flows.mapping.fields import SObjField
from flows.mapping.fitting import family_of
from flows.mapping.reading import Context, first_of
from flows.mapping.spec import Mapping, MappingLine

State = Literal["value", "cleared", "left", "failed"]


@dataclass(frozen=True, slots=True)
class Tried:
    """What one line comes to: a value, an emptied field, a field that is left as it is, or a failure."""

    state: State
    value: Any = None
    message: str = ""  # of a failure
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class ChipTried:
    """What one chip made of a value; `skipped` where it had none to work on."""

    before: Any
    after: Any = None
    skipped: bool = False
    message: str = ""  # of a failure
    notes: tuple[Note, ...] = ()


def try_line(line: MappingLine) -> Callable[[Context], Tried]:
    """Return what tells of a context what `line` comes to in it, as a run would write it."""
    compiled = compile_mapping(Mapping(target="Tried", lines=[line]))

    def tried(context: Context) -> Tried:
        try:
            mapped = compiled.apply(context)
        except MappingFailed as failed:
            return Tried("failed", message=str(failed))
        if line.field not in mapped.record:
            return Tried("left", notes=tuple(mapped.notes))
        value = mapped.record[line.field]
        return Tried("cleared" if value is None else "value", value, notes=tuple(mapped.notes))

    return tried


def try_chips(line: MappingLine, context: Context) -> tuple[Any, list[ChipTried]]:
    """Return the value that `line` reads in `context`, and what each of its chips makes of it, in order."""
    first = value = first_of(line.sources)(context)
    tried: list[ChipTried] = []
    for chip in line.chips:
        done = _try_chip(chip, line.field, value, context)
        tried.append(done)
        if done.message:
            break
        value = done.after
    return first, tried


def _try_chip(chip: Chip, field: str, value: Any, context: Context) -> ChipTried:
    if value is None and not chip.takes_empty:
        return ChipTried(value, skipped=True)
    notes: Notes = []
    try:
        after = chip.compile(field)(value, context, notes)
    except MappingFailed as failed:
        return ChipTried(value, message=str(failed))
    return ChipTried(value, after, notes=tuple(notes))


def complaint(value: Any, target: SObjField) -> str:
    """Return what Salesforce would have against `value` in `target`; nothing if it would take it."""
    if value is None:
        return "This field may not be empty" if target.required else ""
    family = family_of(target)
    if family in ("text", "picklist"):
        return _about_text(str(value), target)
    if family in ("whole", "number"):
        return _about_number(value, target)
    form, message = _FORMS.get(family, (None, ""))
    if form is not None and not (isinstance(value, str) and form.fullmatch(value)):
        return f"{quoted(value)} {message}"
    if family == "boolean" and not isinstance(value, bool):
        return f"{quoted(value)} is neither true nor false"
    return ""


# https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/intro_valid_date_formats.htm
_FORMS: dict[str, tuple[re.Pattern[str] | None, str]] = {
    "date": (re.compile(r"\d{4}-\d\d-\d\d"), "is not a date"),
    "datetime": (re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:?\d\d)"), "is not a date and time"),
    "time": (re.compile(r"\d\d:\d\d(:\d\d(\.\d+)?)?Z?"), "is not a time of day"),
    "reference": (re.compile(r"[A-Za-z0-9]{15}([A-Za-z0-9]{3})?"), "is not the id of a record"),
}


def _about_text(value: str, target: SObjField) -> str:
    if target.restricted and target.picklist:
        known = {pick.value for pick in target.picklist if pick.active}
        parts = value.split(";") if target.type.lower() == "multipicklist" else [value]
        wrong = next((part for part in parts if part not in known), None)
        within = f" in records of type “{target.of_type}”" if target.of_type else ""
        return "" if wrong is None else f"{quoted(wrong)} is not a value of the picklist{within}"
    size = texts.length(value)
    return f"{size} of {target.length} characters" if 0 < target.length < size else ""


def _about_number(value: Any, target: SObjField) -> str:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return f"{quoted(value)} is not a number"
    if isinstance(value, bool) or not number.is_finite():
        return f"{quoted(value)} is not a number"
    if family_of(target) == "whole":
        return "" if number == number.to_integral_value() else f"{number} is not a whole number"
    whole = target.precision - target.scale
    if target.precision and abs(number) >= Decimal(10) ** max(whole, 0):
        return f"{number} has more than {whole} digits before the point"
    return ""
