"""This module compiles a mapping once and then makes records with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from flows.mapping.failure import MappingFailed, Note, Notes, quoted
from flows.mapping.mending import LEFT_OUT, Fix, Fixes
from flows.mapping.reading import Context, Read, first_of, is_known, is_said
from flows.mapping.spec import Mapping, MappingLine
from flows.mapping.transforms import clean_text

_SKIP: Final = object()
_READY = frozenset({bool, int, Decimal})

_Finish = Callable[[Any, Context, Notes], Any]


class Mapped(msgspec.Struct, frozen=True):
    """A record, and what a person should see about how it came to be."""

    record: dict[str, Any]
    notes: list[Note]
    seen: dict[str, Any]  # what each line read, before its chips


class _Line(NamedTuple):
    """One line, compiled: what reads its value, and what makes the field's of it."""

    field: str
    read: Read
    finish: _Finish


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """A mapping that is ready to make records."""

    target: str
    lines: tuple[_Line, ...]
    said: dict[str, Callable[[Context], bool]]  # by field: whether the context says anything of its paths

    def apply(self, context: Context, *, sparse: bool = False) -> Mapped:
        """
        Return the record that `context` maps to: text, whole numbers, Decimals, booleans and None.

        What a `sparse` context lacks altogether it does not deny: an object of another version of the API may
        have its fields elsewhere. Such a line is left out, whatever it does without a value.

        :raises MappingFailed: if a line has no value that may be written
        """
        record: dict[str, Any] = {}
        notes: Notes = []
        seen: dict[str, Any] = {}
        for field, read, finish in self.lines:
            if sparse and not self.said[field](context):
                continue
            given = read(context)
            if given is not None:
                seen[field] = given
            value = finish(given, context, notes)
            if value is not _SKIP:
                record[field] = value
        return Mapped(record, notes, seen)

    def apply_mended(self, context: Context, fixes: Fixes, *, sparse: bool = False) -> Mapped:
        """
        Return what `apply` does, with the values changed as people have approved it for this run.

        :raises MappingFailed: if a line has no value that may be written, and no fix for that
        """
        record: dict[str, Any] = {}
        notes: Notes = []
        seen: dict[str, Any] = {}
        for line in self.lines:
            if sparse and not self.said[line.field](context):
                continue
            given = line.read(context)
            if given is not None:
                seen[line.field] = given
            value = _mended(line, given, context, fixes.get(line.field, ()), notes)
            if value is not LEFT_OUT:
                record[line.field] = value
        for field in fixes.keys() - {line.field for line in self.lines}:  # what the org requires, unmapped
            for fix in fixes[field]:
                value = fix.mend(LEFT_OUT, notes)
                if value is not LEFT_OUT:
                    record[field] = value
        return Mapped(record, notes, seen)

    def seen(self, context: Context) -> dict[str, Any]:
        """Return what each line reads, before its chips: what is to be shown where `apply` failed."""
        return {field: value for field, read, _ in self.lines if (value := read(context)) is not None}


def _mended(line: _Line, given: Any, context: Context, fixes: tuple[Fix, ...], notes: Notes) -> Any:
    """Return the value of `line` after its `fixes`; `LEFT_OUT` where the record goes without it."""
    try:
        value = line.finish(given, context, notes)
    except MappingFailed as failed:
        value = _instead(failed, given, fixes, notes)
    value = LEFT_OUT if value is _SKIP else value
    for fix in fixes:
        value = fix.mend(value, notes)
    return value


def _instead(failed: MappingFailed, given: Any, fixes: tuple[Fix, ...], notes: Notes) -> Any:
    for fix in fixes:
        try:
            return fix.instead(failed, given, notes)
        except MappingFailed:
            continue
    raise failed


def compile_mapping(mapping: Mapping) -> CompiledMapping:
    """Compile `mapping` to closures. It costs a thousand times what applying it does, so do it once."""
    return CompiledMapping(
        target=mapping.target,
        lines=tuple(
            _Line(line.field, first_of(line.sources), _compile_finish(line)) for line in mapping.lines
        ),
        said={line.field: is_said(line.value_paths()) for line in mapping.lines},
    )


def _compile_finish(line: MappingLine) -> _Finish:
    """Return what makes the field's value of what the line read."""
    field = line.field
    steps = tuple((chip.compile(field), chip.takes_empty) for chip in line.chips)
    without = _compile_empty(line)

    def finish(value: Any, context: Context, notes: Notes) -> Any:
        for step, takes_empty in steps:
            if value is not None or takes_empty:
                value = step(value, context, notes)
        if value is None or value == "":
            return without(context)
        kind = type(value)
        if kind is str:
            return value if value.isprintable() else clean_text(value, field, notes)
        return value if kind in _READY else _exact(value, field)

    return finish


def _compile_empty(line: MappingLine) -> Callable[[Context], Any]:
    """Return what the line comes to without a value."""
    field = line.field
    if line.empty == "fail":

        def fail(context: Context) -> Any:
            raise MappingFailed(field, "required_empty", f"{field} has no value")

        return fail
    if line.empty == "skip":
        return lambda _context: _SKIP
    paths = line.value_paths()
    if not paths:
        return lambda _context: None
    # An event without the object says nothing of it: emptying the field would lose good data.
    known = is_known(paths)
    return lambda context: None if known(context) else _SKIP


def _exact(value: Any, field: str) -> Any:
    """Return a value of another type as one that may be written."""
    if isinstance(value, float):
        exact = Decimal(repr(value))
        if exact.is_finite():
            return exact
        raise MappingFailed(field, "not_a_number", f"{quoted(value)} is not a number")
    raise MappingFailed(field, "not_a_value", f"{quoted(value)} is not one value")
