"""This module says what is known of the fields on both sides of a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SrcField:
    """
    A place in what a run reads: an event's object, or the output of an earlier step.

    `type` is one of string, integer, number, boolean, timestamp (seconds since 1970), amount (integer
    minor units), currency, enum, id, object, list, map and unknown. `path` is written as mapping lines
    write it. `seen` is the share of recorded events that had a value, 0 to 1, or None where none were read.
    """

    path: str
    type: str = "unknown"
    samples: tuple[Any, ...] = ()
    desc: str = ""
    values: tuple[str, ...] = ()  # of an enum
    nullable: bool = False
    seen: float | None = None
    removed: str = ""  # what to use instead, if the pinned API version no longer has it
    of_record: bool = False  # it is a field of a record of Salesforce, whose ids are no ids of Stripe


@dataclass(frozen=True, slots=True)
class PickValue:
    """A value of a picklist."""

    value: str
    label: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True)
class SObjField:
    """
    A field of a Salesforce object as describe tells it.

    https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_describesobjects_describesobjectresult.htm
    """

    name: str
    label: str = ""
    type: str = "string"
    length: int = 0
    precision: int = 0
    scale: int = 0
    digits: int = 0
    nillable: bool = True
    defaulted_on_create: bool = False
    createable: bool = True
    updateable: bool = True
    restricted: bool = False
    external_id: bool = False
    id_lookup: bool = False
    unique: bool = False
    calculated: bool = False
    auto_number: bool = False
    case_sensitive: bool = False
    name_field: bool = False
    custom: bool = False
    picklist: tuple[PickValue, ...] = ()
    references: tuple[str, ...] = ()
    relationship: str = ""
    help: str = ""
    of_type: str = ""  # the record type whose records have the field so, where it is not the same in all

    @property
    def required(self) -> bool:
        """Whether a record cannot be created without a value."""
        return (
            self.createable and not self.nillable and not self.defaulted_on_create and self.type != "boolean"
        )

    @classmethod
    def from_describe(cls, told: Mapping[str, Any]) -> SObjField:
        """Return the field that an element of `fields` in a describe result tells of."""
        picks = tuple(
            PickValue(
                str(pick.get("value", "")), str(pick.get("label") or ""), bool(pick.get("active", True))
            )
            for pick in told.get("picklistValues") or ()
        )
        return cls(
            name=str(told["name"]),
            label=str(told.get("label") or ""),
            type=str(told.get("type") or "string"),
            length=int(told.get("length") or 0),
            precision=int(told.get("precision") or 0),
            scale=int(told.get("scale") or 0),
            digits=int(told.get("digits") or 0),
            nillable=bool(told.get("nillable", True)),
            defaulted_on_create=bool(told.get("defaultedOnCreate", False)),
            createable=bool(told.get("createable", True)),
            updateable=bool(told.get("updateable", True)),
            restricted=bool(told.get("restrictedPicklist", False)),
            external_id=bool(told.get("externalId", False)),
            id_lookup=bool(told.get("idLookup", False)),
            unique=bool(told.get("unique", False)),
            calculated=bool(told.get("calculated", False)),
            auto_number=bool(told.get("autoNumber", False)),
            case_sensitive=bool(told.get("caseSensitive", False)),
            name_field=bool(told.get("nameField", False)),
            custom=bool(told.get("custom", False)),
            picklist=picks,
            references=tuple(told.get("referenceTo") or ()),
            relationship=str(told.get("relationshipName") or ""),
            help=str(told.get("inlineHelpText") or ""),
        )
