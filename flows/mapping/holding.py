"""This module says whether a field of Salesforce can hold what a mapping line comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

from flows.mapping.fields import SObjField
from flows.mapping.issues import Issue, Level
from flows.mapping.spec import MappingLine
from flows.mapping.text import length
from flows.mapping.valued import WORDS, Valued

Operation = Literal["upsert", "update", "create"]

_LARGEST_AMOUNT = (
    8  # digits before the point: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
)
_DATETIME = ({"chip": "unix_time"},)
_DATE = ({"chip": "unix_time", "result": "date"},)

# https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/field_types.htm
_FAMILIES: Final[Mapping[str, str]] = {
    "int": "whole", "long": "whole", "double": "number", "currency": "number", "percent": "number",
    "boolean": "boolean", "date": "date", "datetime": "datetime", "picklist": "picklist",
    "multipicklist": "picklist", "combobox": "text", "reference": "reference", "id": "reference",
    "address": "parts", "location": "parts", "base64": "parts",
}  # fmt: skip


class Place(NamedTuple):
    """A line, what it comes to, and where it is written to."""

    line: MappingLine
    value: Valued
    target: SObjField
    operation: Operation

    def issue(
        self, level: Level, code: str, message: str, fix: str = "", chips: tuple[Mapping[str, Any], ...] = ()
    ) -> Issue:
        """Return an issue of this line."""
        return Issue(level, code, self.line.field, message, fix, chips=chips)


def issues_of(place: Place) -> Iterator[Issue]:
    """Yield what is wrong with writing the value there."""
    yield from _access(place)
    yield from _emptiness(place)
    kinds = place.value.kinds - {"unknown"}
    if kinds & {"object", "list"}:
        message = f"{_words(kinds & {'object', 'list'})} cannot be written to a field"
        yield place.issue("error", "whole_object", message, "Choose one of the values inside of it.")
        return
    yield from _BY_FAMILY[_FAMILIES.get(place.target.type.lower(), "text")](place, kinds)


def _words(kinds: frozenset[str]) -> str:
    words = " or ".join(sorted(WORDS.get(kind, kind) for kind in kinds))
    return words[:1].upper() + words[1:]


def _access(place: Place) -> Iterator[Issue]:
    target, name = place.target, place.line.field
    if target.calculated or target.auto_number:
        how = "calculates" if target.calculated else "numbers"
        message = f"Salesforce {how} {name} itself"
        yield place.issue("error", "not_writable", message, "Take the line out.")
        return
    may_not = [
        word
        for word, allowed, wanted in (
            ("set it on creation", target.createable, place.operation != "update"),
            ("change it", target.updateable, place.operation != "create"),
        )
        if wanted and not allowed
    ]
    if place.operation == "upsert" and target.required and not target.updateable:
        # Without it no record could be made at all: only the flow knows whether the record is there already.
        message = f"{name} can be set on creation only: saving a record that is there already fails"
        fix = "Save the record only where it is not there yet."
        yield place.issue("warning", "not_writable", message, fix)
    elif may_not:
        message = f"The connection may not {' or '.join(may_not)}: {name}"
        fix = "Give the integration user edit access to the field, or take the line out."
        yield place.issue("error", "not_writable", message, fix)


def _emptiness(place: Place) -> Iterator[Issue]:
    target, line = place.target, place.line
    if line.empty == "clear" and not target.nillable and target.type != "boolean":
        message = f"{line.field} cannot be empty, and the line empties it where there is no value"
        yield place.issue(
            "error", "cannot_be_emptied", message, "Leave the field as it is, or refuse the record."
        )
    if target.required and line.empty == "skip" and place.value.empty and place.operation != "update":
        message = f"{line.field} is required, and may have no value: a record could not be created"
        yield place.issue(
            "warning", "required_may_be_empty", message, "Give it a default, or refuse the record."
        )


def _whole(place: Place, kinds: frozenset[str]) -> Iterator[Issue]:
    if kinds & {"number", "money"}:
        message = f"{place.line.field} holds whole numbers, and the decimals would be lost"
        yield place.issue("error", "lossy_decimal", message, "Map a field with decimals, or a whole number.")
    yield from _not(place, kinds - {"integer", "number", "money", "amount", "timestamp"}, "a whole number")


def _number(place: Place, kinds: frozenset[str]) -> Iterator[Issue]:
    target = place.target
    if "amount" in kinds:
        message = "The amount is in the smallest unit of its currency: 19.99 would be written as 1999"
        fix = "Put the chip Amount behind it."
        yield place.issue("error", "raw_amount", message, fix)
    if "money" in kinds and target.scale < 2:
        message = f"{place.line.field} has room for {target.scale} decimals, and amounts have two or three"
        yield place.issue("error", "lossy_decimal", message, "Give the field two decimals in the org.")
    if "money" in kinds and target.precision and target.precision - target.scale < _LARGEST_AMOUNT:
        digits = target.precision - target.scale
        message = (
            f"{place.line.field} has room for {digits} digits before the point; large amounts would fail"
        )
        yield place.issue("warning", "small_number", message, "Make the field larger in the org.")
    yield from _not(place, kinds - {"integer", "number", "money", "amount"}, "a number")


def _boolean(place: Place, kinds: frozenset[str]) -> Iterator[Issue]:
    chips = ({"chip": "boolean"},) if kinds <= {"boolean", "text", "integer"} else ()
    yield from _not(place, kinds - {"boolean"}, "a checkbox", chips)


def _date(place: Place, kinds: frozenset[str]) -> Iterator[Issue]:
    if "datetime" in kinds:
        message = f"{place.line.field} holds a date, and the time would be lost without saying in which zone"
        fix = "Let the chip give a date, and name the time zone."
        yield place.issue("error", "lossy_datetime", message, fix)
    chips = _DATE if kinds == {"timestamp"} else ()
    yield from _not(place, kinds - {"date", "datetime", "text"}, "a date", chips)


def _datetime(place: Place, kinds: frozenset[str]) -> Iterator[Issue]:
    chips = _DATETIME if kinds == {"timestamp"} else ()
    yield from _not(place, kinds - {"datetime", "text"}, "a date and time", chips)


def _reference(place: Place, kinds: frozenset[str]) -> Iterator[Issue]:
    to = " or ".join(place.target.references) or "another object"
    if "id" in kinds:
        message = f"{place.line.field} holds the id of a record of {to}, and this is an id of Stripe"
        relation = place.target.relationship or "Relation__r"
        fix = f"Map {relation} and the external id of {to}, or find the record in a step before."
        yield place.issue("error", "wrong_reference", message, fix)
    yield from _not(place, kinds - {"id", "record", "text"}, f"the id of a record of {to}")


def _parts(place: Place, kinds: frozenset[str]) -> Iterator[Issue]:
    message = f"{place.line.field} cannot be written as a whole"
    yield place.issue("error", "not_writable", message, "Map its parts, each on its own.")


def _picklist(place: Place, kinds: frozenset[str]) -> Iterator[Issue]:
    target, value = place.target, place.value
    yield from _not(place, kinds & {"timestamp", "amount", "datetime", "money"}, "a picklist")
    active = {pick.value for pick in target.picklist if pick.active}
    if not target.restricted or not active:
        return
    if value.values is not None:
        wanted = {part for one in value.values for part in picked(str(one), target.type)}
        gone = sorted(one for one in wanted if one and one not in active)
        if gone:
            message = f"{place.line.field} is a restricted picklist without {listed(gone)}"
            fix = f"Write one of {listed(sorted(active))}, or add the value in the org."
            yield place.issue("error", "not_in_picklist", message, fix)
    elif value.lower and not any(one.islower() for one in active):
        chips = ({"chip": "text", "case": "upper"},)
        message = f"{place.line.field} knows currencies in capitals, and Stripe writes small letters"
        yield place.issue("error", "not_in_picklist", message, "Write it in capitals.", chips)
    elif "text" in kinds:
        message = f"{place.line.field} takes only the values of its picklist, and any text may come"
        fix = "Exchange the values by a value map, so that a new one is seen."
        yield place.issue("warning", "any_text_in_picklist", message, fix)


def picked(value: str, kind: str) -> list[str]:
    """Return the values that a text chooses of a picklist of that kind."""
    return [part.strip() for part in value.split(";")] if kind == "multipicklist" else [value]


def listed(values: list[str]) -> str:
    """Return some of `values` for a sentence, and how many more there are."""
    shown = ", ".join(f"“{value[:40]}”" for value in values[:4])
    return f"{shown} and {len(values) - 4} more" if len(values) > 4 else shown


def _text(place: Place, kinds: frozenset[str]) -> Iterator[Issue]:
    target, value = place.target, place.value
    if kinds & {"amount", "timestamp"}:
        word = _words(kinds & {"amount", "timestamp"})
        chips = _DATETIME if kinds == {"timestamp"} else ()
        yield place.issue("warning", "raw_number", f"{word} would be written as it is", "Convert it.", chips)
    longest = max((length(str(one)) for one in value.values), default=0) if value.values else value.longest
    if not target.length or longest is None or longest <= target.length:
        return
    cut = ({"chip": "text", "max_length": target.length, "truncate": True},)
    fix = f"Cut the text to {target.length} characters."
    message = f"{place.line.field} holds {target.length} characters, and {longest} may come"
    if value.cut or value.values:
        yield place.issue("error", "too_long", message, fix, cut)
    else:
        yield place.issue("warning", "may_be_too_long", message, fix, cut)


def _not(
    place: Place, wrong: frozenset[str], what: str, chips: tuple[Mapping[str, Any], ...] = ()
) -> Iterator[Issue]:
    if wrong:
        message = f"{place.line.field} holds {what}, and this is {_words(wrong).lower()}"
        fix = "Put a chip behind it that converts it." if chips else "Choose another source, or another chip."
        yield place.issue("error", "wrong_type", message, fix, chips)


_BY_FAMILY: Final[Mapping[str, Callable[[Place, frozenset[str]], Iterator[Issue]]]] = {
    "text": _text,
    "whole": _whole,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "picklist": _picklist,
    "reference": _reference,
    "parts": _parts,
}
