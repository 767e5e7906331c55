"""This module takes fields as callers have them: as dataclasses, or as the dicts of a describe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from flows.mapping.fields import SObjField, SrcField

# What types of fields are called elsewhere, such as in Apex and in the setup pages.
_TYPES = {
    "text": "string",
    "id": "reference",
    "lookup": "reference",
    "masterdetail": "reference",
    "checkbox": "boolean",
    "bool": "boolean",
    "integer": "int",
    "long": "int",
    "number": "double",
    "decimal": "double",
    "longtextarea": "textarea",
    "html": "textarea",
    "richtextarea": "textarea",
    "multiselectpicklist": "multipicklist",
    "date/time": "datetime",
    "telephone": "phone",
}

# Fields that Salesforce fills itself, or that are made of others, whatever a schema says about them.
_SYSTEM = frozenset(
    {
        "id",
        "isdeleted",
        "createdbyid",
        "createddate",
        "lastmodifiedbyid",
        "lastmodifieddate",
        "systemmodstamp",
        "lastvieweddate",
        "lastreferenceddate",
        "lastactivitydate",
        "masterrecordid",
        "ownerid",
        "recordtypeid",
        "jigsaw",
        "photourl",
        "connectionreceivedid",
        "connectionsentid",
        "division",
    }
)
_MADE_OF_OTHERS = frozenset({"address", "location", "base64", "complexvalue", "anytype"})
_SRC = frozenset(one.name for one in fields(SrcField))


def source_of(told: SrcField | Mapping[str, Any]) -> SrcField:
    """Return `told` as a field of a source."""
    given = told if isinstance(told, Mapping) else {name: getattr(told, name) for name in _SRC}
    known = {name: value for name, value in given.items() if name in _SRC and value is not None}
    for name in ("samples", "values"):
        known[name] = tuple(known.get(name, ()))
    return SrcField(**known)


def target_of(told: SObjField | Mapping[str, Any]) -> SObjField:
    """Return `told`, an element of `fields` in a describe or a field read from one, as a field."""
    field = told if isinstance(told, SObjField) else SObjField.from_describe(told)
    kind = field.type.lower()
    return replace(field, type=_TYPES.get(kind, kind)) if _TYPES.get(kind, kind) != field.type else field


def usable(
    told: Iterable[SObjField | Mapping[str, Any]], test: Callable[[SObjField], bool]
) -> list[SObjField]:
    """Return the fields in `told` that pass `test`, without the name that Salesforce makes of others."""
    found = [one for one in map(target_of, told) if test(one)]
    names = {one.name for one in found}
    # A person's name is made of its parts and cannot be written, whatever a thin schema says.
    if {"FirstName", "LastName"} <= names and not names & {"AccountNumber", "PersonEmail"}:
        return [one for one in found if one.name != "Name"]
    return found


def is_writable(field: SObjField) -> bool:
    """Tell whether a mapping could fill `field`."""
    return (
        (field.createable or field.updateable)
        and not field.calculated
        and not field.auto_number
        and is_readable(field)
    )


def is_readable(field: SObjField) -> bool:
    """Tell whether `field` holds one value that people put there."""
    through = "." in field.name  # another record is named by it
    return not through and field.name.lower() not in _SYSTEM and field.type not in _MADE_OF_OTHERS
