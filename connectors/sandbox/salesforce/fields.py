"""This module says what a field and an object of the simulated org are, in a compact declarative form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Field:
    """One field, with what describe tells about it."""

    name: str
    type: str
    label: str = ""
    length: int = 0
    precision: int = 0
    scale: int = 0
    digits: int = 0
    nillable: bool = True
    createable: bool = True
    updateable: bool = True
    defaulted: bool = False  # Salesforce fills it on creation if it is left out
    default: object = None
    calculated: bool = False
    external_id: bool = False
    id_lookup: bool = False
    unique: bool = False
    case_sensitive: bool = False
    choices: tuple[str, ...] = ()
    restricted: bool = False
    refers_to: tuple[str, ...] = ()
    relationship: str = ""
    compound: str = ""
    cascade: bool = False  # a detail: it dies with its master
    filterable: bool = True
    name_field: bool = False
    auto_number: bool = False
    children: str = ""  # what the target calls the records that point at it; empty: their plural

    @property
    def custom(self) -> bool:
        """Say whether an administrator made the field."""
        return self.name.endswith("__c")

    @property
    def required(self) -> bool:
        """Say whether a record cannot be created without the field."""
        return self.createable and not self.nillable and not self.defaulted

    @property
    def indexed(self) -> bool:
        """Say whether records can be found by the field's value, as upsert does."""
        return self.external_id or self.unique or (self.id_lookup and self.type != "id")


@dataclass(frozen=True, slots=True)
class RecordType:
    """One kind of records of an object, with the values that its picklists have of their fields' own."""

    name: str
    id: str
    label: str = ""
    active: bool = True
    available: bool = True  # to whoever has no permission set that says otherwise
    default: bool = False  # what records are of that name none
    picklists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def right(self) -> str:
        """Return the name under which permission sets speak of it."""
        return f"RecordType.{self.name}"


@dataclass(frozen=True, slots=True)
class SObject:
    """One object: its key prefix and its own fields; `whole_object` adds those that every object has."""

    name: str
    prefix: str
    fields: tuple[Field, ...]
    label: str = ""
    plural: str = ""
    mergeable: bool = False
    read_only: bool = False
    owned: bool = True
    record_types: tuple[RecordType, ...] = ()

    @property
    def custom(self) -> bool:
        """Say whether an administrator made the object."""
        return self.name.endswith(("__c", "__e"))

    @property
    def event(self) -> bool:
        """Say whether it is a platform event, which is published and not stored."""
        return self.name.endswith("__e")

    def child_relation(self, field: Field) -> str:
        """Return what the target of a look-up calls the records of this object."""
        plural = field.children or self.plural
        if field.custom:
            return plural.replace(" ", "_") + "__r"
        return plural.replace(" ", "")


def readable(name: str) -> str:
    """Return the label that fits an API name."""
    text = re.sub(r"__[ce]$", "", name).replace("_", " ")
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return re.sub(r" Id$", " ID", text)


def text(
    name: str, length: int = 255, *, required: bool = False, kind: str = "string", compound: str = ""
) -> Field:
    """Return a field of plain text; `kind` may be phone, url, email or textarea."""
    return Field(name, kind, readable(name), length=length, nillable=not required, compound=compound)


def named(length: int, *, required: bool = True, id_lookup: bool = False) -> Field:
    """Return the field in which records have their name."""
    return replace(text("Name", length, required=required), name_field=True, id_lookup=id_lookup)


def long_text(name: str, length: int = 32_000) -> Field:
    """Return a long text area, which queries cannot filter by."""
    return Field(name, "textarea", readable(name), length=length, filterable=False)


def key(name: str) -> Field:
    """Return a unique, case-sensitive external id of 255 characters."""
    return Field(
        name,
        "string",
        readable(name),
        length=255,
        external_id=True,
        id_lookup=True,
        unique=True,
        case_sensitive=True,
    )


def choice(
    name: str, *values: str, length: int = 255, restricted: bool = False, required: bool = False
) -> Field:
    """Return a picklist; only a restricted one refuses other values over the API."""
    return Field(
        name,
        "picklist",
        readable(name),
        length=length,
        choices=values,
        restricted=restricted,
        nillable=not required,
    )


def money(name: str, precision: int = 18, scale: int = 3) -> Field:
    """Return a currency field."""
    return Field(name, "currency", readable(name), precision=precision, scale=scale)


def number(name: str, precision: int = 18, scale: int = 2, *, compound: str = "") -> Field:
    """Return a number field."""
    return Field(name, "double", readable(name), precision=precision, scale=scale, compound=compound)


def percent(name: str, precision: int = 3, scale: int = 0, *, defaulted: bool = False) -> Field:
    """Return a percent field."""
    return Field(name, "percent", readable(name), precision=precision, scale=scale, defaulted=defaulted)


def whole(name: str) -> Field:
    """Return an integer field; Salesforce has them on standard objects only."""
    return Field(name, "int", readable(name), digits=8)


def flag(name: str) -> Field:
    """Return a checkbox, false unless told otherwise."""
    return Field(name, "boolean", readable(name), nillable=False, defaulted=True, default=False)


def day(name: str, *, required: bool = False) -> Field:
    """Return a date without a zone."""
    return Field(name, "date", readable(name), nillable=not required)


def moment(name: str) -> Field:
    """Return a date and time."""
    return Field(name, "datetime", readable(name))


def link(name: str, *targets: str, required: bool = False) -> Field:
    """Return a look-up to another object."""
    return Field(
        name,
        "reference",
        readable(name),
        length=18,
        refers_to=targets,
        relationship=_relationship(name),
        nillable=not required,
    )


def master(name: str, target: str) -> Field:
    """Return the link of a detail to its master; it may be moved to another master."""
    return Field(
        name,
        "reference",
        readable(name),
        length=18,
        refers_to=(target,),
        relationship=_relationship(name),
        nillable=False,
        cascade=True,
    )


def derived(name: str, kind: str, *, length: int = 0, precision: int = 0, scale: int = 0) -> Field:
    """Return a field that only Salesforce sets."""
    return Field(
        name,
        kind,
        readable(name),
        length=length,
        precision=precision,
        scale=scale,
        createable=False,
        updateable=False,
        nillable=kind != "boolean",
        defaulted=kind == "boolean",
    )


def address(name: str) -> tuple[Field, ...]:
    """Return a compound address with its parts."""
    stem = name.removesuffix("Address")
    return (
        Field(name, "address", readable(name), createable=False, updateable=False, filterable=False),
        text(f"{stem}Street", kind="textarea", compound=name),
        text(f"{stem}City", 40, compound=name),
        text(f"{stem}State", 80, compound=name),
        text(f"{stem}PostalCode", 20, compound=name),
        text(f"{stem}Country", 80, compound=name),
        number(f"{stem}Latitude", 18, 15, compound=name),
        number(f"{stem}Longitude", 18, 15, compound=name),
    )


def optional_name() -> Field:
    """Return the Text(80) name of a custom object, which becomes the record's id if left out."""
    return Field("Name", "string", "Name", length=80, defaulted=True, id_lookup=True, name_field=True)


def _relationship(name: str) -> str:
    return name.removesuffix("__c") + "__r" if name.endswith("__c") else name.removesuffix("Id")


def stamped(name: str, kind: str, *, refers_to: str = "") -> Field:
    """Return a field that Salesforce stamps on every record of every object."""
    return Field(
        name,
        kind,
        readable(name),
        length=18 if kind in {"id", "reference"} else 0,
        createable=False,
        updateable=False,
        nillable=False,
        defaulted=True,
        id_lookup=kind == "id",
        refers_to=(refers_to,) if refers_to else (),
        relationship=_relationship(name) if refers_to else "",
    )


OWNER = Field(
    "OwnerId",
    "reference",
    "Owner ID",
    length=18,
    nillable=False,
    defaulted=True,
    refers_to=("User",),
    relationship="Owner",
)


def whole_object(own: SObject) -> SObject:
    """Return the object with the fields that every object has around its own."""
    fields = _event_fields(own) if own.event else _record_fields(own)
    return replace(
        own,
        fields=fields,
        label=own.label or readable(own.name),
        plural=own.plural or readable(own.name) + "s",
    )


def _event_fields(own: SObject) -> tuple[Field, ...]:
    return (
        stamped("ReplayId", "string"),
        stamped("EventUuid", "string"),
        *own.fields,
        stamped("CreatedDate", "datetime"),
        stamped("CreatedById", "reference", refers_to="User"),
    )


def _record_fields(own: SObject) -> tuple[Field, ...]:
    return (
        stamped("Id", "id"),
        stamped("IsDeleted", "boolean"),
        *((OWNER,) if own.owned else ()),
        *own.fields,
        stamped("CreatedDate", "datetime"),
        stamped("CreatedById", "reference", refers_to="User"),
        stamped("LastModifiedDate", "datetime"),
        stamped("LastModifiedById", "reference", refers_to="User"),
        stamped("SystemModstamp", "datetime"),
    )
