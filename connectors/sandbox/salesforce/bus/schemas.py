"""This module makes the Avro schemas of events from what describe tells, and the places bitmaps name."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fastavro

from connectors.sandbox.salesforce.bus.topics import topic_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.sandbox.salesforce.fields import Field, SObject

NAMESPACE = "com.sforce.eventbus"
KINDS = ("CREATE", "UPDATE", "DELETE", "UNDELETE", "GAP_CREATE", "GAP_UPDATE", "GAP_DELETE",
         "GAP_UNDELETE", "GAP_OVERFLOW", "SNAPSHOT")  # fmt: skip
NAMES: dict[str, Any] = {"type": "array", "items": "string"}
# https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/cdc_event_fields_header.htm
HEADER: dict[str, Any] = {
    "name": "ChangeEventHeader",
    "type": {
        "type": "record",
        "name": "ChangeEventHeader",
        "fields": [
            {"name": "entityName", "type": "string"},
            {"name": "recordIds", "type": NAMES},
            {"name": "changeType", "type": {"type": "enum", "name": "ChangeType", "symbols": list(KINDS)}},
            {"name": "changeOrigin", "type": "string"},
            {"name": "transactionKey", "type": "string"},
            {"name": "sequenceNumber", "type": "int"},
            {"name": "commitTimestamp", "type": "long"},
            {"name": "commitNumber", "type": "long"},
            {"name": "commitUser", "type": "string"},
            {"name": "nulledFields", "type": NAMES},
            {"name": "diffFields", "type": NAMES},
            {"name": "changedFields", "type": NAMES},
        ],
    },
    "doc": "Data:ComplexValueType",
}
# What change events leave out: the id stands in the header, and Salesforce does not capture the others.
LEFT_OUT = frozenset(
    {
        "Id",
        "IsDeleted",
        "LastActivityDate",
        "LastReferencedDate",
        "LastViewedDate",
        "MasterRecordId",
        "SystemModstamp",
    }
)
TYPES = {"boolean": "boolean", "int": "int", "date": "long", "datetime": "long"}
TYPES.update(dict.fromkeys(("currency", "double", "percent"), "double"))
DOCS = {
    "boolean": "Data:Boolean",
    "currency": "Data:Currency",
    "date": "Data:DateOnly",
    "datetime": "Data:DateTime",
    "double": "Data:Double",
    "email": "Data:Email",
    "int": "Data:Integer",
    "percent": "Data:Percent",
    "phone": "Data:Phone",
    "picklist": "Data:DynamicEnum",
    "reference": "ForeignKey:EntityId",
    "textarea": "Data:StringPlusClob",
    "url": "Data:Url",
}
PERSON = ("Salutation", "FirstName", "LastName")
ADDRESS = (
    "Street",
    "City",
    "State",
    "PostalCode",
    "Country",
    "StateCode",
    "CountryCode",
    "Latitude",
    "Longitude",
    "GeocodeAccuracy",
)
NUMBERS = frozenset({"Latitude", "Longitude"})


@dataclass(frozen=True, slots=True)
class Part:
    """One component of a compound field: its name in the event, its place, and the field of the record."""

    name: str
    place: int
    field: Field


@dataclass(frozen=True, slots=True)
class Slot:
    """One field of an event: its place in the schema, and the record's fields that fill it."""

    place: int
    field: Field
    parts: tuple[Part, ...] = ()
    width: tuple[str, ...] = ()  # the names of all components that the compound type has


@dataclass(frozen=True, slots=True)
class Schema:
    """An Avro schema with its id, which is a hash of it, and the slots that an event of it fills."""

    id: str
    json: str
    parsed: Any
    slots: tuple[Slot, ...]


class Schemas:
    """Every schema that events were written with: they stay, as the events that need them may."""

    def __init__(self) -> None:
        self.known: dict[str, Schema] = {}
        self._made: dict[int, tuple[SObject, Schema]] = {}  # by the identity of an object's description

    def of(self, thing: SObject) -> Schema:
        """Return the schema of a platform event, or of the changes of an object, as it is described now."""
        made = self._made.get(id(thing))
        if made is None:
            made = (thing, _event_schema(thing) if thing.event else _change_schema(thing))
            self._made[id(thing)] = made
            self.known[made[1].id] = made[1]
        return made[1]


def _event_schema(thing: SObject) -> Schema:
    known = {field.name: field for field in thing.fields}
    own = [field for field in thing.fields if field.name not in {"ReplayId", "EventUuid"}]
    first = [known["CreatedDate"], known["CreatedById"]]
    ordered = [*first, *(field for field in own if field not in first)]
    fields = [
        {"name": "CreatedDate", "type": "long", "doc": "CreatedDate:DateTime"},
        {"name": "CreatedById", "type": "string", "doc": "CreatedBy:EntityId"},
        *(_plain(field) for field in ordered[2:]),
    ]
    slots = tuple(Slot(place, field) for place, field in enumerate(ordered))
    return _made_of(thing.name, fields, slots)


def _change_schema(thing: SObject) -> Schema:
    slots = tuple(_slots(thing))
    fields, seen = [HEADER], set[str]()
    for slot in slots:
        fields.append(_captured_field(thing, slot, seen))
    return _made_of(topic_of(thing).removeprefix("/data/"), fields, slots)


def _slots(thing: SObject) -> Iterator[Slot]:
    """Return the slots of an object's changes; the header has the first place."""
    compounds = {field.compound for field in thing.fields if field.compound}
    place = 0
    for field in thing.fields:
        if field.compound or field.calculated or field.name in LEFT_OUT:
            continue
        place += 1
        if field.name not in compounds:
            yield Slot(place, field)
            continue
        width = ADDRESS if field.type == "address" else PERSON
        stem = field.name.removesuffix("Address") if field.type == "address" else ""
        parts = (each for each in thing.fields if each.compound == field.name)
        named = ((each.name.removeprefix(stem), each) for each in parts)
        yield Slot(
            place,
            field,
            tuple(Part(name, width.index(name), each) for name, each in named if name in width),
            width,
        )


def _captured_field(thing: SObject, slot: Slot, seen: set[str]) -> dict[str, Any]:
    """Return a slot as a field of the schema; a record type is written out only where it comes first."""
    field = slot.field
    if field.type == "address":
        return _optional(field.name, _record("Address", ADDRESS, seen), doc="Data:Address")
    if slot.parts:
        return _optional(field.name, _record("PersonName", PERSON, seen), doc="Data:PersonName")
    if (thing.name, field.name) == ("Account", "Name"):  # a person account's would be a record
        record = _record("Switchable_PersonName", PERSON, seen)
        return _optional(field.name, "string", record, doc="Data:Switchable_PersonName")
    return _plain(field)


def _record(name: str, parts: tuple[str, ...], seen: set[str]) -> Any:
    if name in seen:
        return name
    seen.add(name)
    fields = [_optional(part, "double" if part in NUMBERS else "string") for part in parts]
    return {"type": "record", "name": name, "fields": fields}


def _plain(field: Field) -> dict[str, Any]:
    doc = "CreatedDate:DateTime" if field.name == "CreatedDate" else DOCS.get(field.type, "Data:Text")
    return _optional(field.name, TYPES.get(field.type, "string"), doc=doc)


def _optional(name: str, *types: Any, doc: str = "") -> dict[str, Any]:
    return {"name": name, "type": ["null", *types], **({"doc": doc} if doc else {}), "default": None}


def _made_of(name: str, fields: list[dict[str, Any]], slots: tuple[Slot, ...]) -> Schema:
    whole = {"type": "record", "name": name, "namespace": NAMESPACE, "fields": fields}
    text = json.dumps(whole, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).digest()[:16]
    schema_id = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return Schema(schema_id, text, fastavro.parse_schema(json.loads(text)), slots)
