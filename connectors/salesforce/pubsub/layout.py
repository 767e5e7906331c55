"""
This module knows where the fields of a change event stand, and names those that a bitmap tells of.

A bitmap is a list of texts. The first holds, in hexadecimal, a bit for each field of the event, the lowest
for the first; the others, such as `4-0x10`, do so for the parts of the compound field at that place. Source:
https://developer.salesforce.com/docs/platform/pub-sub-api/guide/event-deserialization-considerations.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

HEADER = "ChangeEventHeader"

_BITS = re.compile(r"(?:(?P<place>[0-9]{1,4})-)?0[xX](?P<bits>[0-9a-fA-F]{1,1024})")
# Fields whose parts are fields of their own: FirstName, and Street for the one address of a lead.
_BARE = frozenset({"Name", "Address"})
_ADDRESS = "Address"


class Malformed(ValueError):
    """The bitmap or the schema is none."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event: its name, what its values are, and the parts that it is made of."""

    name: str
    kind: str  # Salesforce's own word, such as DateTime; empty where the schema does not say
    parts: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of an event in their order and by name, and where each value of the API is found."""

    name: str
    fields: tuple[Field, ...]
    known: Mapping[str, Field] = field(default_factory=dict, repr=False)
    sources: Mapping[str, tuple[Field, Field | None]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, name: str, fields: tuple[Field, ...]) -> Layout:
        """Return the layout of these fields."""
        sources: dict[str, tuple[Field, Field | None]] = {one.name: (one, None) for one in fields}
        for one in fields:
            sources |= {api_name(one.name, part.name): (one, part) for part in one.parts}
        return cls(name, fields, {one.name: one for one in fields}, sources)

    @property
    def is_change(self) -> bool:
        """Tell whether this is a change event rather than a platform event."""
        return HEADER in self.known

    def named(self, bitmaps: Sequence[str], values: Mapping[str, Any]) -> list[str]:
        """
        Return the API names of the fields that `bitmaps` tell of: BillingCity rather than BillingAddress.

        A compound field of which no part is told stands for all its parts, unless the event's `values` hold
        it as one, as they do the name of an account that is no person. A bit beyond the last field says that
        the event was read by a wrong schema.

        :raises Malformed: if a bitmap is none, or tells of a field that the event does not have
        """
        if not bitmaps:
            return []
        whole: list[int] = []
        parts: dict[int, list[str]] = {}
        for bitmap in bitmaps:
            place, places = _read_bitmap(bitmap)
            if place is None:
                whole += places
                continue
            compound = _at(self.fields, place)
            parts.setdefault(place, []).extend(
                api_name(compound.name, _at(compound.parts, part).name) for part in places
            )
        names: list[str] = []
        for place in sorted({*whole, *parts}):
            one = _at(self.fields, place)
            names += parts.get(place) or api_names(one, values.get(one.name))
        return names


def layout_of(schema: Mapping[str, Any]) -> Layout:
    """
    Return the layout of the events that the Avro `schema` describes.

    :raises Malformed: if it is no schema of an event
    """
    fields = schema.get("fields")
    if schema.get("type") != "record" or not isinstance(fields, list):
        raise Malformed("The schema describes no event")
    known: dict[str, Mapping[str, Any]] = {}
    return Layout.of(str(schema.get("name", "")), tuple(_field(described, known) for described in fields))


def api_name(compound: str, part: str) -> str:
    """
    Return the name that a part of a compound field has in the API: BillingCity, FirstName, At__Latitude__s.

    Source: https://developer.salesforce.com/docs/platform/pub-sub-api/guide/event-deserialization-considerations.html
    and https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/compound_fields.htm
    """
    if compound in _BARE:
        return part
    if compound.endswith("__c"):
        return f"{compound.removesuffix('c')}{part}__s"
    return compound.removesuffix(_ADDRESS) + part


def api_names(one: Field, value: Any = None) -> list[str]:
    """Return the names of the parts of a field, or its own if it has none or `value` is one whole."""
    is_whole = not one.parts or (value is not None and not isinstance(value, Mapping))
    return [one.name] if is_whole else [api_name(one.name, part.name) for part in one.parts]


@lru_cache(maxsize=4_096)  # many records are changed in the same fields, and each tells of them alike
def _read_bitmap(bitmap: str) -> tuple[int | None, tuple[int, ...]]:
    """Return the place of the compound field that a bitmap is about, if any, and the places of its bits."""
    found = _BITS.fullmatch(bitmap)
    if found is None:
        raise Malformed(f"{bitmap[:40]!r} is no bitmap")
    bits = int(found["bits"], 16)
    places = tuple(place for place in range(bits.bit_length()) if bits >> place & 1)
    return (None if found["place"] is None else int(found["place"])), places


def _at(fields: Sequence[Field], place: int) -> Field:
    try:
        return fields[place]
    except IndexError:
        raise Malformed("A bitmap tells of a field that the schema does not have") from None


def _field(described: Any, known: dict[str, Mapping[str, Any]]) -> Field:
    """Return one field. `known` are the records met so far, which a schema describes only once."""
    if not isinstance(described, Mapping) or not isinstance(described.get("name"), str):
        raise Malformed("The schema describes no event")
    told = str(described.get("doc") or "").split(":")
    name, kind = described["name"], told[1] if len(told) > 1 else ""
    record = None if name == HEADER else _record_in(described.get("type"), known)
    parts = [] if record is None else record.get("fields") or []
    return Field(name, kind, tuple(Field(str(part["name"]), "") for part in parts))


def _record_in(type_: Any, known: dict[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    for option in type_ if isinstance(type_, list) else [type_]:
        if isinstance(option, Mapping) and option.get("type") == "record":
            known[str(option.get("name")).rpartition(".")[2]] = option
            return option
        if isinstance(option, str) and (found := known.get(option.rpartition(".")[2])) is not None:
            return found
    return None
