"""This module says in plain words why a path may belong into a field."""

from __future__ import annotations

from collections.abc import Mapping

from flows.mapping.suggest.changes import Change
from flows.mapping.suggest.kinds import Kind
from flows.mapping.suggest.phrases import Source, Target

LONGEST = 60  # characters of a name or label that are told

_KINDS: dict[Kind, str] = {
    "money": "an amount",
    "time": "a moment",
    "currency": "a currency",
    "id": "an id",
    "enum": "one of a few values",
    "boolean": "yes or no",
    "integer": "a whole number",
    "number": "a number",
    "email": "an e-mail address",
    "url": "a link",
    "phone": "a telephone number",
    "country": "a country",
    "name": "a name",
    "long_text": "a text",
    "text": "a text",
    "object": "several values",
    "list": "a list",
    "date": "a date",
}
_CHANGES = {
    "minor_to_major": "Minor units become a decimal amount, by the currency",
    "unix_to_date": "The moment becomes a date",
    "unix_to_datetime": "The moment becomes a date and time",
    "upper": "The code is written in capitals",
    "picklist_map": "Values are exchanged for those of the picklist",
    "lookup": "The record is looked up by its external id",
    "split_name": "The name is taken apart",
    "truncate": "Longer text is cut to the field's length",
    "first": "The first of the list is taken",
    "address": "The address becomes one text",
    "json": "The values are written as JSON",
}


def reason(source: Source, target: Target, parts: Mapping[str, float], change: Change) -> str:
    """Return why the path may belong into the field, without values."""
    told = ["Somebody accepted this before."] if parts["history"] else []
    told.append(f"{_names(source, target, parts)}; {_KINDS[source.kind]} {_fits(parts['type'])} it.")
    if parts["value"] > 0:
        told.append("The values agree.")
    if change.name:
        told.append(f"{_CHANGES[change.name]}.")
    return " ".join(told)


def bare_reason(text: str) -> str:
    """Return a reason without the change that it names, for the way back."""
    for change in _CHANGES.values():
        text = text.removesuffix(f" {change}.")
    return text


def _names(source: Source, target: Target, parts: Mapping[str, float]) -> str:
    mine, its = _said(" ".join(source.names[-2:])), _said(target.field.label or target.field.name)
    lexical = parts["lexical"]
    if lexical >= 0.93:
        return f"“{mine}” and “{its}” say the same"
    if lexical >= 0.6:
        return f"“{mine}” and “{its}” are close"
    if lexical > 0:
        return f"“{mine}” and “{its}” have a word in common"
    how = "may mean the same" if parts["embedding"] else "have only their types in common"
    return f"“{mine}” and “{its}” {how}"


def _said(text: str) -> str:
    plain = " ".join("".join(one if one.isprintable() else " " for one in text).replace("_", " ").split())
    return plain if len(plain) <= LONGEST else f"{plain[:LONGEST]}…"


def _fits(types: float) -> str:
    return "fits" if types >= 0.8 else "may fit" if types >= 0.5 else "hardly fits"
