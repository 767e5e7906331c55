"""This module makes the rows of the page of an object's fields, alike for both systems."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.schemas import Change, Schema
from flows.mapping.fields import SObjField
from flows.seen import Sightings

MOST_VALUES = 60  # of a picklist, that a page lists

# The types as people read them; what is not named is shown as it is.
TYPES: Mapping[str, str] = {
    "boolean": "yes or no",
    "datetime": "date and time",
    "double": "number",
    "enum": "one of several",
    "id": "id",
    "int": "whole number",
    "integer": "whole number",
    "map": "names and values",
    "multipicklist": "several of a picklist",
    "reference": "look-up",
    "string": "text",
    "textarea": "long text",
    "timestamp": "time in seconds",
    "unknown": "not known",
}
STRIPE_TYPES: Mapping[str, str] = {**TYPES, "amount": "money in minor units", "currency": "currency code"}


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field as the page shows it."""

    name: str
    label: str
    type: str
    bounds: str = ""  # length, digits, or where it leads to
    marks: tuple[str, ...] = ()
    values: tuple[str, ...] = ()  # of a picklist
    more_values: int = 0
    help: str = ""
    parent: str = ""  # of a field in another: the path of that
    inside: int = 0  # how many fields are in it
    changed_at: datetime | None = None
    seen: int | None = None  # percent of events
    samples: tuple[str, ...] = ()
    warning: str = ""

    @property
    def required(self) -> bool:
        """Tell whether no record can be created without it."""
        return "required" in self.marks

    @property
    def writable(self) -> bool:
        """Tell whether a flow can write it in some way."""
        return "read only" not in self.marks


def of(
    schema: Schema, changes: Sequence[Change], sightings: Sightings | None, *, values: bool
) -> list[FieldRow]:
    """Return the rows of an object, in the order in which its system names the fields."""
    when = _changed(changes)
    if any("path" in told for told in schema.fields[:1]):
        return list(_of_stripe(schema, when, sightings, values=values))
    return [_of_salesforce(SObjField.from_describe(told), when) for told in schema.fields]


def narrowed(rows: Sequence[FieldRow], *, query: str, show: str, inside: str) -> list[FieldRow]:
    """Return the rows that fit. Without a search only those that stand `inside` of one field are shown."""
    wanted = query.casefold()
    found = [row for row in rows if wanted in row.name.casefold() or wanted in row.label.casefold()]
    match show:
        case "required":
            return [row for row in found if row.required]
        case "writable":
            return [row for row in found if row.writable]
        case "key":
            return [row for row in found if "external id" in row.marks]
        case "changed":
            return [row for row in found if row.changed_at is not None]
    return found if wanted else [row for row in found if row.parent == inside]


def _changed(changes: Sequence[Change]) -> dict[str, datetime]:
    """Return when each field changed last; the newest changes stand first."""
    found: dict[str, datetime] = {}
    for change in changes:
        for difference in change.differences:
            found.setdefault(difference.field, change.at)
    return found


def _of_salesforce(field: SObjField, when: Mapping[str, datetime]) -> FieldRow:
    values = tuple(pick.value for pick in field.picklist if pick.active)
    return FieldRow(
        name=field.name,
        label=field.label,
        type=TYPES.get(field.type, field.type),
        bounds=_bounds(field),
        marks=tuple(_marks(field)),
        values=values[:MOST_VALUES],
        more_values=max(0, len(values) - MOST_VALUES),
        help=field.help,
        changed_at=when.get(field.name),
    )


def _bounds(field: SObjField) -> str:
    if field.references:
        more = f" and {len(field.references) - 3} more" if len(field.references) > 3 else ""
        return f"to {', '.join(field.references[:3])}{more}"
    if field.picklist:
        count = sum(pick.active for pick in field.picklist)
        return f"{count} {'value' if count == 1 else 'values'}{', no others' if field.restricted else ''}"
    if field.precision:
        return f"{field.precision - field.scale} digits, {field.scale} decimals"
    if field.length:
        return f"up to {field.length:,} {'character' if field.length == 1 else 'characters'}"
    return f"{field.digits} digits" if field.digits else ""


# A quality of the field, and how it is called.
MARKS = (
    ("required", "required"),
    ("external_id", "external id"),
    ("unique", "unique"),
    ("calculated", "computed"),
    ("auto_number", "numbered by itself"),
)
# Whether it can be set on creation, and changed later -> what is said where it is not both.
RIGHTS = {(False, False): "read only", (True, False): "only on creation", (False, True): "only on change"}


def _marks(field: SObjField) -> Iterator[str]:
    yield from (name for quality, name in MARKS if getattr(field, quality))
    if limit := RIGHTS.get((field.createable, field.updateable)):
        yield limit


def _of_stripe(
    schema: Schema, when: Mapping[str, datetime], sightings: Sightings | None, *, values: bool
) -> Iterator[FieldRow]:
    counts: dict[str, int] = {}
    for told in schema.fields:
        parent = _parent(told["path"])
        counts[parent] = counts.get(parent, 0) + 1
    for told in schema.fields:
        path = str(told["path"])
        place = f"{schema.object}.{path}"
        share = sightings.share(place) if sightings is not None else None
        one = sightings.paths.get(place) if sightings is not None else None
        yield FieldRow(
            name=path,
            label=_sentence(str(told["text"])),
            type=STRIPE_TYPES.get(told["type"], told["type"]),
            bounds=f"to {', '.join(told['expands'][:3])}" if told["expands"] else "",
            marks=tuple(_stripe_marks(told)),
            values=tuple(told["values"][:MOST_VALUES]),
            more_values=max(0, len(told["values"]) - MOST_VALUES),
            parent=_parent(path),
            # Of a reference nothing is said but its id, which would be a page of its own.
            inside=0 if told["type"] == "id" else counts.get(path, 0),
            changed_at=when.get(path),
            seen=None if share is None else round(share * 100),
            samples=tuple(str(sample) for sample in one.samples[:3]) if values and one is not None else (),
            warning=f"No longer there. Use {told['removed']}." if told["removed"] else "",
        )


def _sentence(text: str) -> str:
    """Return the first sentence of a text; what else Stripe says is more than a list can hold."""
    return re.split(r"(?<=[a-z)]\.)\s", text, maxsplit=1)[0]


def _stripe_marks(told: Mapping[str, Any]) -> Iterator[str]:
    if told["nullable"]:
        yield "may be empty"
    if told["deprecated"]:
        yield "deprecated"


def _parent(path: str) -> str:
    """Return the path of the field that a field is in: of `lines.data[0].amount` it is `lines`."""
    outer = path if path.endswith("[0]") else path.rpartition(".")[0]
    return outer.removesuffix("[0]").removesuffix(".data") if outer.endswith("[0]") else outer
