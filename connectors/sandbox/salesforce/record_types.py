"""
This module knows what record types do in the simulated org: who may use which, and what their records take.

https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/meta_recordtype.htm
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.answers import Problem, Refused
from connectors.sandbox.salesforce.fields import RecordType, SObject, link, readable
from connectors.sandbox.salesforce.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from connectors.sandbox.salesforce.fields import Field
    from connectors.sandbox.salesforce.shapes import Shape

    Offered = Callable[[RecordType], bool]

MASTER = "012000000000000AAA"
FIELD = "RecordTypeId"


def with_type(
    thing: SObject, name: str, everything: Iterable[SObject], change: Mapping[str, Any]
) -> tuple[SObject, RecordType]:
    """
    Return the object with one record type more, or with a changed one, and that one.

    :raises TypeError: if record types have no such quality
    """
    known = next((each for each in thing.record_types if each.name == name), None)
    if known is None:
        number = 1 + sum(len(each.record_types) for each in everything)
        known = RecordType(name, new_id("012", number), label=readable(name))
    made = replace(known, **change)
    every = {each.name: each for each in thing.record_types}
    if made.default:  # of several only one can be
        every = {other: replace(each, default=False) for other, each in every.items()}
    every[name] = made
    return replace(thing, record_types=tuple(every.values()), fields=_with_field(thing)), made


def _with_field(thing: SObject) -> tuple[Field, ...]:
    """Return the fields with the one that holds the record type, which comes with the first of them."""
    if any(each.name == FIELD for each in thing.fields):
        return thing.fields
    place = next(place for place, each in enumerate(thing.fields) if each.name == "CreatedDate")
    return (*thing.fields[:place], link(FIELD, "RecordType"), *thing.fields[place:])


def infos(thing: SObject, offered: Offered, address: str) -> list[dict[str, Any]]:
    """Return what describe says of the record types, the one that stands for none included."""
    default = default_of(thing, offered)
    own = [_info(each, offered(each), default is each, address, master=False) for each in thing.record_types]
    master = RecordType("Master", MASTER, label="Master")
    return [*own, _info(master, True, default is None, address, master=True)]


def _info(each: RecordType, available: bool, default: bool, address: str, *, master: bool) -> dict[str, Any]:
    return {
        "active": each.active,
        "available": available,
        "defaultRecordTypeMapping": default,
        "developerName": each.name,
        "master": master,
        "name": each.label,
        "recordTypeId": each.id,
        "urls": {"layout": f"{address}/describe/layouts/{each.id}"},
    }


def default_of(thing: SObject, offered: Offered) -> RecordType | None:
    """Return the record type of records that name none, or None if that is the master."""
    return next((each for each in thing.record_types if each.default and offered(each)), None)


def settle(
    shape: Shape, offered: Offered, sent: Mapping[str, Any], values: dict[str, Any], *, new: bool
) -> None:
    """
    Give a `new` record its record type, and check what was sent against it.

    :raises Refused: if the user may not use the record type, or it lacks a value of a restricted picklist
    """
    thing = shape.object
    wanted = sent.get(FIELD)
    named = next((each for each in thing.record_types if each.id == wanted), None)
    if wanted is not None and wanted != MASTER and (named is None or not offered(named)):
        message = f"Record Type ID: this ID value isn't valid for the user: {wanted}"
        raise Refused(Problem("INVALID_CROSS_REFERENCE_KEY", message, (FIELD,)))
    if wanted is None and new:
        named = default_of(thing, offered)
        values[FIELD] = named.id if named is not None else None
    _check_picklists(shape, sent, values)


def _check_picklists(shape: Shape, sent: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Refuse values that the record's type lacks; only restricted picklists mind, as over the real API."""
    kind = next((each for each in shape.object.record_types if each.id == values.get(FIELD)), None)
    for name, taken in kind.picklists.items() if kind is not None else ():
        field, value = shape.fields.get(name), sent.get(name)
        if field is not None and field.restricted and value is not None and value not in taken:
            message = f"{field.label}: bad value for restricted picklist field: {value}"
            raise Refused(Problem("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, (name,)))
