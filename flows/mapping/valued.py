"""This module works out, without any event, what a mapping line comes to: types, lengths and known values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from flows.mapping.expressions import InvalidExpression, typed
from flows.mapping.fields import SrcField
from flows.mapping.issues import Issue
from flows.mapping.linting import lint
from flows.mapping.sources import LONGEST_METADATA, Sources, is_metadata
from flows.mapping.spec import MappingLine
from flows.mapping.text import length
from flows.mapping.transforms import ValueOf

# What a value may be: text, integer, number, money, boolean, datetime, date, amount, timestamp, id (of
# Stripe), record (an id of Salesforce), currency, object, list, unknown.
_BY_SOURCE: Final[Mapping[str, str]] = {
    "string": "text",
    "enum": "text",
    "map": "object",
    **{
        kind: kind
        for kind in (
            "integer",
            "number",
            "boolean",
            "timestamp",
            "amount",
            "currency",
            "id",
            "object",
            "list",
        )
    },
}
_BY_EXPRESSION: Final[Mapping[str, str]] = {
    "string": "text",
    "map": "object",
    **{kind: kind for kind in ("integer", "number", "boolean", "datetime", "list")},
}


@dataclass(frozen=True, slots=True)
class Valued:
    """What is known of a value: what it may be, its longest text, and which values it is one of."""

    kinds: frozenset[str]
    longest: int | None = None
    values: frozenset[Any] | None = None
    cut: bool = False  # a text is made to fit its length
    lower: bool = False  # a currency is written in small letters
    empty: bool = True  # there may be none

    def joined(self, other: Valued) -> Valued:
        """Return what is known of a value that is one or the other."""
        known = self.values is not None and other.values is not None
        lengths = (self.longest, other.longest)
        return Valued(
            kinds=self.kinds | other.kinds,
            longest=None if None in lengths else max(self.longest or 0, other.longest or 0),
            values=(self.values or frozenset()) | (other.values or frozenset()) if known else None,
            cut=self.cut and other.cut,
            lower=self.lower or other.lower,
            empty=self.empty and other.empty,
        )


NOTHING: Final = Valued(frozenset(), longest=0, values=frozenset(), cut=True)
UNKNOWN: Final = Valued(frozenset({"unknown"}))


def value_of(line: MappingLine, sources: Sources) -> tuple[Valued, list[Issue]]:
    """Return what `line` comes to, and what is wrong with how it gets there."""
    alone = len(line.value_paths()) == 1
    issues = [issue for path in line.sources for issue in sources.check(path, line.field, alone=alone)]
    value = NOTHING
    for path in line.sources:
        value = value.joined(_of_source(sources.get(path)))
    for chip in line.chips:
        if chip.chip != "expression":  # which looks after its own paths
            issues += [
                issue for path in chip.sources() for issue in sources.check(path, line.field, alone=alone)
            ]
        follow = _CHIPS.get(chip.chip)
        if follow is None:
            value = UNKNOWN
            continue
        value, found = follow(value, chip, line.field, sources)
        issues += found
    return value, issues


def _of_source(field: SrcField) -> Valued:
    kind = _BY_SOURCE.get(field.type, "unknown")
    if kind == "id" and (field.of_record or field.path.startswith("steps.")):
        kind = "record"
    longest = LONGEST_METADATA if is_metadata(field.path) else None
    texts = [length(sample) for sample in field.samples if isinstance(sample, str)]
    if longest is None and texts:
        longest = max(texts)
    return Valued(
        frozenset({kind}),
        longest=longest,
        values=frozenset(field.values) if field.values else None,
        lower=kind == "currency",
        empty=field.nullable,
    )


def _of_literal(value: Any) -> Valued:
    if value is None:
        return NOTHING
    kind = {bool: "boolean", int: "integer", float: "number"}.get(type(value), "text")
    longest = length(value) if isinstance(value, str) else None
    return Valued(frozenset({kind}), longest, frozenset({value}), empty=False)


_Found = tuple[Valued, list[Issue]]


def _wants(value: Valued, kinds: frozenset[str], field: str, what: str) -> list[Issue]:
    wrong = value.kinds - kinds - {"unknown"}
    if not wrong:
        return []
    names = " or ".join(sorted(WORDS.get(kind, kind) for kind in wrong))
    fix = "Choose another source, or take the chip out."
    return [Issue("error", "wrong_type", field, f"{what} does not work with {names}", fix)]


WORDS: Final[Mapping[str, str]] = {
    "text": "a text",
    "integer": "a whole number",
    "number": "a number with decimals",
    "money": "an amount with decimals",
    "boolean": "true or false",
    "datetime": "a date and time",
    "date": "a date",
    "amount": "an amount in the smallest unit",
    "timestamp": "a number of seconds since 1970",
    "id": "an id of Stripe",
    "record": "an id of a record",
    "currency": "a currency",
    "object": "an object",
    "list": "a list",
}


def _money(value: Valued, chip: Any, field: str, sources: Sources) -> _Found:
    issues = _wants(value, frozenset({"amount", "integer"}), field, "The chip Amount")
    for path in chip.reads():
        issues += sources.check(path, field, alone=len(chip.reads()) == 1)
    return Valued(frozenset({"money"}), empty=value.empty or bool(chip.same_currency_as)), issues


def _unix_time(value: Valued, chip: Any, field: str, sources: Sources) -> _Found:
    wanted = frozenset({"timestamp", "integer"})
    return Valued(frozenset({chip.result}), empty=value.empty), _wants(
        value, wanted, field, "The chip Date and time"
    )


def _value_map(value: Valued, chip: Any, field: str, sources: Sources) -> _Found:
    made = NOTHING
    for one in chip.map.values():
        made = made.joined(_of_literal(one))
    if isinstance(chip.otherwise, ValueOf):
        made = made.joined(_of_literal(chip.otherwise.value))
    elif chip.otherwise == "keep":
        left = value.values - set(chip.map) if value.values is not None else None
        made = made.joined(replace(value, values=left))
    issues = _wants(
        value,
        frozenset({"text", "integer", "number", "boolean", "id", "currency", "amount", "record"}),
        field,
        "The value map",
    )
    unseen = sorted(map(str, value.values - set(chip.map))) if value.values is not None else []
    if unseen and chip.otherwise == "fail":
        message = f"The value map does not know {_some(unseen)}, so events with it would fail"
        issues.append(Issue("warning", "unmapped_value", field, message, "Add it to the value map."))
    return replace(made, empty=value.empty), issues


def _some(values: list[str]) -> str:
    shown = ", ".join(values[:3])
    return f"{shown} and {len(values) - 3} more" if len(values) > 3 else shown


def _metadata(value: Valued, chip: Any, field: str, sources: Sources) -> _Found:
    return value.joined(Valued(frozenset({"text"}), LONGEST_METADATA)), []


def _text(value: Valued, chip: Any, field: str, sources: Sources) -> _Found:
    issues = _wants(value, value.kinds - {"object", "list"}, field, "The chip Text")
    values = value.values
    if values is not None and chip.case:
        values = frozenset(getattr(str(one), chip.case)() for one in values)
    lengths = [one for one in (value.longest, chip.max_length) if one is not None]
    made = Valued(
        value.kinds & {"id", "currency", "record"} or frozenset({"text"}),
        longest=min(lengths) if lengths else None,
        values=values,
        cut=value.cut or (chip.max_length is not None and chip.truncate),
        lower=value.lower and chip.case != "upper",
        empty=value.empty,
    )
    return made, issues


def _literal(value: Valued, chip: Any, field: str, sources: Sources) -> _Found:
    return _of_literal(chip.value), []


def _default(value: Valued, chip: Any, field: str, sources: Sources) -> _Found:
    return value.joined(_of_literal(chip.value)), []


def _when(value: Valued, chip: Any, field: str, sources: Sources) -> _Found:
    issues = [
        issue for path in dict.fromkeys(chip.reads()) for issue in sources.check(path, field, alone=False)
    ]
    made = value.joined(_of_literal(chip.use))
    return replace(made, empty=value.empty or chip.use is None), issues


def _boolean(value: Valued, chip: Any, field: str, sources: Sources) -> _Found:
    issues = _wants(value, frozenset({"boolean", "text", "integer"}), field, "The chip Yes or no")
    return Valued(frozenset({"boolean"}), empty=value.empty), issues


def _made_text(value: Valued, chip: Any, field: str, sources: Sources) -> _Found:
    return Valued(frozenset({"text"}), empty=True), []


def _name(value: Valued, chip: Any, field: str, sources: Sources) -> _Found:
    return Valued(frozenset({"text"}), longest=value.longest, empty=True), _wants(
        value, frozenset({"text"}), field, "The chip Part of a name"
    )


def _expression(value: Valued, chip: Any, field: str, sources: Sources) -> _Found:
    issues = [replace(issue, field=field) for issue in lint(chip.text, sources)]
    try:
        given = typed(chip.text, sources.types, sources.roots) if sources.fields else "unknown"
    except InvalidExpression as invalid:
        fault = invalid.faults[0]
        known = {issue.code for issue in issues}
        if not known & {"unknown_path", "removed_path"}:
            issues.append(Issue("error", "expression", field, str(fault), "Correct the expression."))
        return UNKNOWN, issues
    kind = _BY_EXPRESSION.get(given, "unknown")
    if chip.gives == "number" and kind in ("text", "unknown"):
        kind = "money"
    return Valued(frozenset({kind})), issues


_CHIPS: Final[Mapping[str, Callable[[Valued, Any, str, Sources], _Found]]] = {
    "money": _money,
    "unix_time": _unix_time,
    "value_map": _value_map,
    "metadata": _metadata,
    "text": _text,
    "constant": _literal,
    "default": _default,
    "when": _when,
    "boolean": _boolean,
    "join": _made_text,
    "template": _made_text,
    "split_name": _name,
    "address": _made_text,
    "digits": _made_text,
    "expression": _expression,
}
