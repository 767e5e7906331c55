"""This module tells what has changed about an object since the flows that use it were published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from connectors import schemas
from connectors.differences import Difference
from connectors.models import Connection
from flows import subjects
from flows.mapping.spec import written_field
from flows.models import Deployment
from flows.steps import soql


@dataclass(frozen=True, slots=True)
class Drift:
    """A live flow that uses an object, and what has changed about it since the flow was published."""

    deployment: Deployment
    differences: Sequence[Difference]
    fields: frozenset[str]  # of the object, that the flow names

    @property
    def breaking(self) -> list[Difference]:
        """Return the differences that the flow may fail by: those about what it uses, or about everything."""
        return [one for one in self.differences if one.breaks and self.touches(one)]

    def touches(self, difference: Difference) -> bool:
        """Tell whether the flow uses what has changed; a field that is needed now concerns every writer."""
        changed = difference.field
        used = any(name == changed or name.startswith((f"{changed}.", f"{changed}[")) for name in self.fields)
        return used or not changed or difference.kind == "required"


def of(*, connection: Connection, object: str) -> list[Drift]:
    """Return the live flows that use an object through a connection, those with something to mend first."""
    live = Deployment.objects.filter(
        Q(pair__stripe=connection) | Q(pair__salesforce=connection), ended_at__isnull=True
    ).select_related("flow__integration", "version")
    users = [
        (deployment, fields)
        for deployment in live
        if (fields := uses(deployment.version.document, connection.system).get(object)) is not None
    ]
    moments = {deployment.version.published_at for deployment, _ in users}
    told = schemas.since_each(connection=connection, object=object, moments=moments)
    found = [Drift(deployment, told[deployment.version.published_at], fields) for deployment, fields in users]
    return sorted(found, key=lambda one: (not one.breaking, not one.differences, one.deployment.flow.name))


def used_objects(connection: Connection) -> dict[str, int]:
    """Return how many live flows use each object through a connection."""
    live = Deployment.objects.filter(
        Q(pair__stripe=connection) | Q(pair__salesforce=connection), ended_at__isnull=True
    )
    counts: dict[str, int] = {}
    for document in live.values_list("version__document", flat=True):
        for name in uses(document, connection.system):
            counts[name] = counts.get(name, 0) + 1
    return counts


def uses(document: Mapping[str, Any], system: str) -> dict[str, frozenset[str]]:
    """Return the objects of a system that a flow document names, each with the fields that it names of it."""
    found: dict[str, set[str]] = {}
    if system == Connection.System.STRIPE:
        for kind in document.get("trigger", {}).get("types", ()):
            found.setdefault(subjects.object_of(kind), set())
        for path in _texts(document.get("steps", ())):
            root, dot, rest = path.partition(".")
            if dot and root in found:
                found[root].add(rest)
        return {name: frozenset(fields) for name, fields in found.items()}
    if root := started_by(document):
        found[root] = set(_read_of(root, document))
    for step in _steps(document.get("steps", ())):
        for name, fields in _named(step.get("settings", {})):
            found.setdefault(name, set()).update(fields)
    return {name: frozenset(fields) for name, fields in found.items()}


def started_by(document: Mapping[str, Any]) -> str:
    """Return the object or the platform event of Salesforce that starts a flow; empty where Stripe does."""
    trigger = document.get("trigger") or {}
    name = trigger.get("object") or trigger.get("event")
    return name if isinstance(name, str) else ""


def _read_of(root: str, document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the fields that a flow names of what starts it; those of related records belong to others."""
    trigger = document.get("trigger") or {}
    yield from (name for name in trigger.get("fields") or () if isinstance(name, str))
    for path in _texts([trigger.get("when"), document.get("steps", ())]):
        name, dot, rest = path.partition(".")
        if dot and name == root and rest.isidentifier():
            yield rest


def _named(settings: Mapping[str, Any]) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield the objects that a step names: its own, those of parents, the event it publishes, a query's."""
    for name in (settings.get("object"), settings.get("target")):
        if isinstance(name, str):
            yield name, _fields(settings)
    for parent in settings.get("parents", ()):
        if isinstance(parent, Mapping) and isinstance(parent.get("object"), str):
            yield parent["object"], _fields(parent)
    if isinstance(event := settings.get("event"), str):
        yield event, map(str, settings.get("values", ()))
    if isinstance(text := settings.get("soql"), str) and (name := soql.object_of(text)):
        yield name, iter(soql.selected(text))


def _steps(steps: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for step in steps:
        yield step
        for branch in step.get("exits", {}).values():
            yield from _steps(branch)


def _fields(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the fields that a step's settings name of its object."""
    for line in (*settings.get("lines", ()), *settings.get("by", ()), *settings.get("where", ())):
        if isinstance(line, Mapping) and isinstance(line.get("field"), str):
            yield written_field(line["field"])
    named = (*settings.get("fields", ()), *settings.get("shows", ()))
    for name in (settings.get("external_id"), settings.get("order_by") or None, *named):
        if isinstance(name, str):
            yield written_field(name)


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
