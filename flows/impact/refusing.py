"""This module says what an org would have against a record that is about to be saved. It is pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from flows.mapping.fields import SObjField
from flows.mapping.trying import complaint

Fields = Mapping[str, SObjField]  # by their names in small letters
Params = Mapping[str, Any]


class Refusal(NamedTuple):
    """One thing that an org refuses: a field of an object, and why; `on_creation` alone, or always."""

    object: str
    field: str  # in small letters; of a look-up by external id with the field at its other end
    text: str
    on_creation: bool = False


def refusals(action: str, request: Params, objects: Mapping[str, Fields]) -> Iterator[Refusal]:
    """
    Yield what is wrong with a request of `action`, where `objects` are those that the org has.

    Of an object that is not among them nothing is known; one without fields is gone.
    """
    object_ = str(request.get("object", ""))
    fields = objects.get(object_)
    if fields is None:
        return
    if not fields:
        yield Refusal(object_, "", "The object is gone")
        return
    values = request.get("values") or {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _of_relation(object_, str(name), value, fields, objects)
        else:
            yield from _of_value(object_, str(name), value, fields, action)
    yield from _of_key(object_, request, fields)
    if action != "update":
        there = {str(name).lower() for name in (*values, request.get("external_id_field") or "")}
        there |= {_lookup(fields, str(name)) for name, value in values.items() if isinstance(value, Mapping)}
        for name, field in fields.items():
            if field.required and name not in there:
                yield Refusal(object_, name, "No record can be created without it", on_creation=True)


def _lookup(fields: Fields, relation: str) -> str:
    wanted = relation.lower()
    return next((name for name, one in fields.items() if one.relationship.lower() == wanted), "")


def _of_value(object_: str, name: str, value: Any, fields: Fields, action: str) -> Iterator[Refusal]:
    field = fields.get(name.lower())
    if field is None:
        yield Refusal(object_, name.lower(), "There is no such field")
    elif action == "update" and not field.updateable:
        yield Refusal(object_, name.lower(), "It may not be changed")
    elif action != "update" and not field.createable:
        yield Refusal(object_, name.lower(), "It may not be set")
    elif text := complaint(value, field):
        yield Refusal(object_, name.lower(), text)


def _of_relation(
    object_: str, name: str, value: Params, fields: Fields, objects: Mapping[str, Fields]
) -> Iterator[Refusal]:
    lookup = fields.get(_lookup(fields, name))
    for inner in value:
        told = f"{name}.{inner}".lower()
        if lookup is None:
            yield Refusal(object_, told, "There is no such relation")
            continue
        ends = [objects[one] for one in lookup.references if one in objects]
        if ends and not any(str(inner).lower() in end for end in ends):
            yield Refusal(object_, told, "There is no such field at its other end")


def _of_key(object_: str, request: Params, fields: Fields) -> Iterator[Refusal]:
    name = str(request.get("external_id_field") or "")
    if not name:
        return
    field = fields.get(name.lower())
    if field is None:
        yield Refusal(object_, name.lower(), "There is no such field")
    elif not (field.external_id or field.id_lookup):
        yield Refusal(object_, name.lower(), "No record is found by it")
    elif text := complaint(request.get("external_id"), field):
        yield Refusal(object_, name.lower(), text)
