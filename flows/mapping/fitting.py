"""This module says which values of Stripe fit which fields of Salesforce, and which chip mends others."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flows.mapping.fields import SObjField, SrcField

Chips = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Fix:
    """Chips that make a value fit, and what a button that adds them says."""

    label: str
    chips: Chips


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a value may be written as it is; if not, why, and what would mend it."""

    fits: bool
    reason: str = ""
    fix: Fix | None = None


FITS: Final = Fit(fits=True)

# https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/field_types.htm
FAMILIES: Final[Mapping[str, str]] = {
    "int": "whole", "long": "whole", "integer": "whole", "double": "number", "currency": "number",
    "percent": "number", "boolean": "boolean", "date": "date", "datetime": "datetime", "time": "time",
    "picklist": "picklist", "multipicklist": "picklist", "reference": "reference", "id": "reference",
    "address": "whole object", "location": "whole object", "base64": "whole object",
}  # fmt: skip
GROUPS: Final = frozenset({"object", "map", "list"})
_TEXTS = frozenset({"string", "enum", "id", "currency"})
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d(T.*)?")
_NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,12})?")


def family_of(target: SObjField) -> str:
    """Return which kind of values `target` holds: text, whole, number, boolean, date, datetime, time, ..."""
    return FAMILIES.get(target.type.lower(), "text")


def locked(target: SObjField) -> str:
    """Return why nothing can be written to `target`; nothing if it can."""
    if target.createable or target.updateable:
        return ""
    if target.calculated:
        return "Salesforce calculates this field itself"
    if target.auto_number:
        return "Salesforce numbers this field itself"
    return "The connection may not write this field"


def fit(source: SrcField, target: SObjField, *, known: Container[str] = ()) -> Fit:
    """
    Return whether a value of `source` may be written to `target` as it is.

    `known` are the paths of the source side: an amount needs its currency, which is looked for beside it.
    """
    if reason := locked(target):
        return Fit(fits=False, reason=reason)
    if source.type in GROUPS:
        return _group(source, target)
    if source.type == "unknown":
        return FITS
    return _BY_FAMILY[family_of(target)](source, target, known)


def _group(source: SrcField, target: SObjField) -> Fit:
    name = source.path.rpartition(".")[2]
    if source.type == "list":
        return Fit(fits=False, reason="This is a list. Open it and choose one value of an element")
    if name == "address" and family_of(target) == "text":
        part = _address_part(target)
        fix = Fix("Take " + _PARTS[part], ({"chip": "address", "part": part},))
        return Fit(fits=False, reason="This is a whole address, and the field holds a text", fix=fix)
    return Fit(fits=False, reason="This is a group of values. Open it and choose one of them")


_PARTS = {
    "street": "the street",
    "city": "the city",
    "state": "the state",
    "postal_code": "the postal code",
    "country": "the country",
    "one_line": "the address in one line",
}


def _address_part(target: SObjField) -> str:
    words = f"{target.name} {target.label}".lower().replace(" ", "").replace("_", "")
    found = (part for part in ("street", "city", "postalcode", "country", "state") if part in words)
    part = next(found, "one_line")
    return "postal_code" if part == "postalcode" else part


def _text(source: SrcField, target: SObjField, known: Container[str]) -> Fit:
    if source.type == "amount":
        return _amount(source, known, "The amount is in the smallest unit of its currency")
    if source.type == "timestamp":
        fix = Fix("Write as date and time", ({"chip": "unix_time", "result": "datetime"},))
        return Fit(fits=False, reason="The time is a number of seconds since 1970", fix=fix)
    return FITS


def _amount(source: SrcField, known: Container[str], reason: str) -> Fit:
    currency = _currency_beside(source.path, known)
    if not currency:
        return Fit(fits=False, reason=f"{reason}, and no currency stands beside it")
    fix = Fix("Convert to an amount with decimals", ({"chip": "money", "currency": [currency]},))
    return Fit(fits=False, reason=reason, fix=fix)


def _currency_beside(path: str, known: Container[str]) -> str:
    owner = path
    while "." in owner:
        owner = owner.rpartition(".")[0]
        if f"{owner}.currency" in known:
            return f"{owner}.currency"
    return ""


def _picklist(source: SrcField, target: SObjField, known: Container[str]) -> Fit:
    if source.type not in _TEXTS:
        return _text(source, target, known) if source.type in ("amount", "timestamp") else FITS
    choices = [pick.value for pick in target.picklist if pick.active]
    if not target.restricted and source.type != "currency":
        return FITS
    if source.type == "currency":
        upper = bool(choices) and not any(choice.islower() for choice in choices)
        fix = Fix("Write in capitals", ({"chip": "text", "case": "upper"},))
        return Fit(fits=False, reason="Stripe writes currencies in small letters", fix=fix) if upper else FITS
    if source.type != "enum" or not source.values or set(source.values) <= set(choices):
        return FITS
    table = {value: _alike(value, target) for value in source.values}
    fix = Fix("Map the values", ({"chip": "value_map", "map": table, "otherwise": "fail"},))
    return Fit(fits=False, reason="The field takes only the values of its picklist", fix=fix)


def _alike(value: str, target: SObjField) -> str:
    """Return the value of the picklist that reads like `value`, or `value` itself where none does."""

    def bare(text: str) -> str:
        return re.sub(r"[^a-z0-9]", "", text.lower())

    picks = (p for p in target.picklist if p.active and bare(value) in (bare(p.value), bare(p.label)))
    return next((pick.value for pick in picks), value)


def _whole(source: SrcField, target: SObjField, known: Container[str]) -> Fit:
    if source.type in ("integer", "amount", "timestamp"):
        return FITS
    if source.type == "number":
        return Fit(fits=False, reason="The number may have decimals, and the field holds whole numbers")
    return Fit(fits=False, reason="This is not a number")


def _number(source: SrcField, target: SObjField, known: Container[str]) -> Fit:
    if source.type in ("integer", "number"):
        return FITS
    if source.type == "amount":
        return _amount(source, known, "The amount is in the smallest unit of its currency")
    if source.type == "string" and _all_samples(source, _NUMBER):
        return FITS
    return Fit(fits=False, reason="This is not a number")


def _boolean(source: SrcField, target: SObjField, known: Container[str]) -> Fit:
    if source.type == "boolean":
        return FITS
    if source.type in ("string", "enum", "integer"):
        fix = Fix("Turn yes and no into a checkbox", ({"chip": "boolean"},))
        return Fit(fits=False, reason="The field is a checkbox", fix=fix)
    return Fit(fits=False, reason="The field is a checkbox")


def _date(source: SrcField, target: SObjField, known: Container[str]) -> Fit:
    kind = family_of(target)
    words = "date" if kind == "date" else "date and time"
    if source.type == "timestamp":
        fix = Fix(f"Convert to {words}", ({"chip": "unix_time", "result": kind},))
        return Fit(fits=False, reason=f"Stripe counts seconds, and the field holds a {words}", fix=fix)
    if source.type == "string" and _all_samples(source, _ISO_DATE):
        return FITS
    return Fit(fits=False, reason=f"This is not a {words}")


def _time(source: SrcField, target: SObjField, known: Container[str]) -> Fit:
    return FITS if source.type == "string" else Fit(fits=False, reason="This is not a time of day")


def _reference(source: SrcField, target: SObjField, known: Container[str]) -> Fit:
    to = " or ".join(target.references) or "another object"
    if source.type == "string" or (source.type == "id" and source.of_record):
        return FITS  # metadata may hold a record's id; whether it does is seen on the values
    if source.type == "id":
        reason = f"The field holds the id of a record of {to}, and this is an id of Stripe"
        return Fit(fits=False, reason=reason)
    return Fit(fits=False, reason=f"The field holds the id of a record of {to}")


def _none(source: SrcField, target: SObjField, known: Container[str]) -> Fit:
    return Fit(fits=False, reason="Salesforce takes the parts of this field, each on its own")


def _all_samples(source: SrcField, form: re.Pattern[str]) -> bool:
    return bool(source.samples) and all(form.fullmatch(str(sample)) for sample in source.samples)


_BY_FAMILY: Final[Mapping[str, Callable[[SrcField, SObjField, Container[str]], Fit]]] = {
    "text": _text,
    "whole": _whole,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _date,
    "time": _time,
    "picklist": _picklist,
    "reference": _reference,
    "whole object": _none,
}
