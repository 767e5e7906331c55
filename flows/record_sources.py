"""This module says what a flow that Salesforce starts can read: a record or an event, by its describe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from flows import outputs
from flows.designing.starting import Start
from flows.mapping.fields import SObjField, SrcField
from flows.seen import Sightings

EVENT: tuple[SrcField, ...] = (
    SrcField("event.id", "id", desc="The id of the event."),
    SrcField("event.type", "string", desc="What happened, such as Account.updated."),
    SrcField("event.created", "timestamp", desc="When it happened, by Salesforce's clock."),
)
OF_RECORD: tuple[SrcField, ...] = (
    SrcField("event.record_id", "id", desc="The id of the record that changed."),
    SrcField("event.changed", "list", desc="The fields that changed, as far as the event names them."),
)
MOST_RELATED = 10  # objects that a record refers to and that are asked about
# Who a record belongs to and who wrote it: of those people little is of use, and they would fill the list.
_PEOPLE = frozenset({"Owner", "CreatedBy", "LastModifiedBy"})
_OF_PEOPLE = frozenset({"Id", "Name", "Email", "Username"})
# Addresses and places have their parts as fields of their own; files are no values.
_NO_VALUES = frozenset({"address", "location", "base64"})
# What events leave out, so that they cannot say how often it is filled:
# https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_associated_objects_change_event.htm
_UNTOLD = frozenset(
    {
        "Id",
        "IsDeleted",
        "SystemModstamp",
        "LastActivityDate",
        "LastViewedDate",
        "LastReferencedDate",
        "PhotoUrl",
    }
)


def related(fields: Iterable[SObjField]) -> list[str]:
    """Return the objects that a record refers to and of which more than a name is of use."""
    found = (one.references[0] for one in fields if _leads_on(one) and one.relationship not in _PEOPLE)
    return list(dict.fromkeys(found))[:MOST_RELATED]


def of(
    start: Start,
    fields: Sequence[SObjField],
    found: Sightings,
    *,
    known: Mapping[str, Sequence[SObjField]],
    values: bool = False,
) -> list[SrcField]:
    """
    Return what there is to read where `start` starts the flow: its record or event of `fields`, by path.

    `known` are the fields of objects that the record refers to, `found` is what recorded events said.
    `values` adds samples from them.
    """
    root = start.object or start.event
    if not root:
        return list(EVENT)
    may_be_gone = "deleted" in start.changes
    own = [_seen(one, found, values=values) for one in _own(root, fields, may_be_gone=may_be_gone)]
    if not start.object:
        whole = SrcField(root, "object", desc="The platform event, with its fields.")
        return [whole, *own, *EVENT]
    whole = SrcField(root, "object", desc="The record as it is when the flow begins.")
    return [whole, *own, *_of_others(root, fields, known), *EVENT, *OF_RECORD]


def _own(
    root: str, fields: Iterable[SObjField], *, may_be_gone: bool
) -> Iterator[tuple[SObjField, SrcField]]:
    for one in fields:
        if one.type not in _NO_VALUES:
            told = outputs.of_record(one.name, one, root)
            # Of a record that was deleted there is little more than its id.
            is_sure = not told.nullable and (one.name == "Id" or not may_be_gone)
            yield one, replace(told, nullable=not is_sure, of_record=True)


def _seen(pair: tuple[SObjField, SrcField], found: Sightings, *, values: bool) -> SrcField:
    described, field = pair
    one = found.paths.get(field.path)
    samples = tuple(one.samples) if values and one is not None else ()
    is_told = not described.calculated and described.name not in _UNTOLD
    return replace(field, samples=samples, seen=found.share(field.path) if is_told else None)


def _of_others(
    root: str, fields: Iterable[SObjField], known: Mapping[str, Sequence[SObjField]]
) -> Iterator[SrcField]:
    """Yield what is read of the records that the record refers to."""
    for one in fields:
        if not one.relationship:
            continue
        prefix = f"{root}.{one.relationship}"
        yield SrcField(prefix, "object", desc=f"What {one.label or one.name} leads to.", nullable=True)
        for field in _fields_behind(one, known):
            if field.type not in _NO_VALUES:
                told = outputs.of_record(field.name, field, prefix)
                yield replace(told, nullable=True, of_record=True)


def _fields_behind(one: SObjField, known: Mapping[str, Sequence[SObjField]]) -> Iterable[SObjField]:
    name = SObjField("Name", "Name")
    if not _leads_on(one):
        return [name]  # all that records of different objects have in common
    behind = known.get(one.references[0], ())
    if one.relationship in _PEOPLE:
        return [field for field in behind if field.name in _OF_PEOPLE] or [name]
    return behind or [name]


def _leads_on(one: SObjField) -> bool:
    return bool(one.relationship) and len(one.references) == 1
