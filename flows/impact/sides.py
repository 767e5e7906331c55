"""This module holds what the objects of both systems consisted of at some time beside what they are now."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors import schemas
from connectors.differences import Difference, between
from connectors.models import Connection
from connectors.schemas import Schema
from connectors.stripe.roots import named_for
from flows import fields, subjects
from flows.impact.lines import Uses
from flows.mapping.fields import SObjField

_SEGMENT = re.compile(r"[A-Za-z_]\w*")
# It begins where a word does: a long word would else be gone through from each of its letters.
_PATH = re.compile(r"(?<!\w)[A-Za-z_]\w*(?:\.\w+|\[\d+\])+")


@dataclass(frozen=True, slots=True)
class Side:
    """The objects of one system, by name; `differences` has those that are otherwise now."""

    connection: Connection
    then: Mapping[str, Schema]
    now: Mapping[str, Schema]
    differences: Mapping[str, list[Difference]] = field(default_factory=dict)

    @classmethod
    def of(cls, connection: Connection, found: Mapping[str, tuple[Schema, Schema]]) -> Side:
        """Return the side of `connection` with the objects in `found`, as they were and as they are."""
        changed = {
            name: told
            for name, (then, now) in found.items()
            if then.number != now.number and (told := between(then.content, now.content))
        }
        then, now = ({name: both[place] for name, both in found.items()} for place in (0, 1))
        return cls(connection, then, now, changed)

    def about(self, object_: str, *names: str) -> list[Difference]:
        """Return what is otherwise about fields of an object; an empty name is the object itself."""
        wanted = {name.lower() for name in names}
        return [one for one in self.differences.get(object_, ()) if one.field.lower() in wanted]

    def fields_now(self, object_: str) -> dict[str, SObjField]:
        """Return the fields of a Salesforce object by their names in small letters."""
        return _by_name(self.now.get(object_))

    def fields_then(self, object_: str) -> dict[str, SObjField]:
        """Return the fields that it had then, likewise."""
        return _by_name(self.then.get(object_))


def _by_name(schema: Schema | None) -> dict[str, SObjField]:
    return {} if schema is None else {one.name.lower(): one for one in fields.fields_in(schema)}


def salesforce(connection: Connection, uses: Uses, moment: datetime) -> Side:
    """Return the objects that a flow uses, with those that its look-ups by external id lead to."""
    found = schemas.then_and_now(connection=connection, objects=uses.names(), moment=moment)
    related = set(_related(found, uses)) - found.keys()
    if related:
        found |= schemas.then_and_now(connection=connection, objects=related, moment=moment)
    return Side.of(connection, found)


def _related(found: Mapping[str, tuple[Schema, Schema]], uses: Uses) -> Iterator[str]:
    for use in uses.all:
        relation, _ = use.relation
        for schema in found.get(use.object, ()) if relation else ():
            for told in schema.fields:
                if str(told.get("relationshipName", "")).lower() == relation.lower():
                    yield from told.get("referenceTo", ())


def stripe(connection: Connection, document: Mapping[str, Any], moment: datetime) -> Side:
    """Return the types of Stripe's objects that the events of a flow bring along."""
    names = stripe_objects(document)
    return Side.of(connection, schemas.then_and_now(connection=connection, objects=names, moment=moment))


def stripe_objects(document: Mapping[str, Any]) -> set[str]:
    """Return the types of the objects of a flow's events, and of what is expanded by its own name in them."""
    roots: dict[str, tuple[str, ...]] = {}
    for kind in filter(None, map(subjects.object_of, fields.types_in(document))):
        roots |= named_for(kind)
    return {*roots, *(path.rpartition(".")[2] for paths in roots.values() for path in paths)}


def paths_in(text: str) -> list[str]:
    """Return what looks like a path in a text, such as an expression or a question."""
    return _PATH.findall(text)


def moved(side: Side, path: str) -> Iterator[tuple[str, str, Difference]]:
    """
    Yield what is otherwise about what `path` reads, with the object and what stands before its field.

    Of `charge.invoice.number` that may be the charge, and the invoice that is expanded in it.
    """
    parts = list(_SEGMENT.finditer(path))
    for part in parts[:-1]:
        object_ = part[0]
        rest = path[part.end() :].lstrip("]")
        if object_ not in side.differences or not rest.startswith("."):
            continue
        for one in side.differences[object_]:
            if one.field and _is_within(rest[1:], one.field):
                yield object_, path[: part.end()], one


def _is_within(path: str, outer: str) -> bool:
    return path == outer or path.startswith((f"{outer}.", f"{outer}["))


def speaks(connection: Connection, names: Collection[str], side: Side) -> bool:
    """Tell whether a Stripe connection speaks the version of the API that its objects are described for."""
    versions = [side.now[name].version for name in names if name in side.now]
    return all(version.startswith(connection.api_version) for version in versions)
