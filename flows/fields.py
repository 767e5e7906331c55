"""
This module says what a mapping can read and what it can fill: the fields of both sides, as they are here.

The source side is what the SDK says of Stripe's objects, with real values from the inbox; the target side is
what the org says of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors import schemas
from connectors.models import Connection
from connectors.schemas import Unavailable
from connectors.stripe import schema as stripe
from connectors.stripe.roots import named_for
from flows import handed, outputs, record_sources, seen, subjects
from flows.designing.starting import Start
from flows.engine.definition import FlowDocument
from flows.mapping.fields import SObjField, SrcField
from flows.models import Pair
from integrator.accounts.models import Environment
from integrator.kernel.paths import BadPath, compile_path

Place = Pair | Environment

EVENT: tuple[SrcField, ...] = (
    SrcField("event.id", "id", desc="The id of the event."),
    SrcField("event.type", "string", desc="The type of the event, such as charge.succeeded."),
    SrcField("event.created", "timestamp", desc="When it happened, by Stripe's clock."),
    SrcField("event.livemode", "boolean", desc="Whether it is about real money.", nullable=True),
    SrcField("event.account", "id", desc="The connected account, where one is named.", nullable=True),
    SrcField("event.api_version", "string", desc="The API version that made the event.", nullable=True),
)
PREVIOUS = SrcField(
    "previous", "map", desc="What has changed, with the values from before. Updates have it.", nullable=True
)


def types_in(document: Mapping[str, Any]) -> list[str]:
    """Return the types of Stripe's events that start the flow of `document`, which may be unfinished."""
    types = (document.get("trigger") or {}).get("types")
    return [one for one in types if isinstance(one, str)] if isinstance(types, list) else []


def source_fields(
    place: Place, event_types: Collection[str], *, now: datetime, values: bool = False
) -> list[SrcField]:
    """
    Return what events of `event_types` have to read, path by path: their objects, then the event itself.

    `values` adds samples from the inbox, for whoever may see the content of events; how often a path has a
    value is told to everybody. Keys of metadata, and what only events know of, stand behind the rest.
    """
    # Some names tell of no object.
    kinds = list(dict.fromkeys(filter(None, map(subjects.object_of, event_types))))
    roots: dict[str, tuple[str, ...]] = {}
    for kind in kinds:
        roots |= named_for(kind)
    connections = _connections(place, Connection.System.STRIPE)
    for connection in connections:
        schemas.remember(connection=connection, objects=_kinds(roots), now=now)
    found = seen.look([connection.pk for connection in connections], event_types)
    known = [
        # What only belongs to an event's object may be missing: a charge may be without a payment intent.
        field if root in kinds else replace(field, nullable=True)
        for root, expand in roots.items()
        for field in _of_root(root, expand)
    ]
    paths = {field.path for field in known}
    more = [
        SrcField(path, _type(path, one.type), desc=_origin(path), nullable=True)
        for path, one in sorted(found.paths.items())
        if path not in paths and path.partition(".")[0] in roots and _is_path(path)
    ]
    previous = [PREVIOUS] if any(".updated" in event_type for event_type in event_types) else []
    return [
        *(_with_sightings(field, found, values=values) for field in (*known, *more)),
        *EVENT,
        *previous,
    ]


def start_fields(
    place: Place, start: Start, *, now: datetime, values: bool = False, ask: bool = True
) -> list[SrcField]:
    """
    Return what there is to read of what starts a flow: an event of Stripe, a record, or a platform event.

    `values` is as for `source_fields`. Without `ask`, the org is not asked for what is not known of it.

    :raises RuntimeError: if the org would have to be asked, and this is inside a transaction
    """
    if start.is_sub_flow:
        given = [{"name": name, "type": kind} for name, kind in start.inputs]
        return [*handed.inputs_of(given), *EVENT]
    if not start.by_salesforce:
        return source_fields(place, start.types, now=now, values=values)
    connections = _connections(place, Connection.System.SALESFORCE)
    found = seen.look_at_bus([connection.pk for connection in connections], start.types)
    name = start.object or start.event
    own = _described(place, [name], now=now, ask=ask).get(name, ()) if name else ()
    behind = _described(place, record_sources.related(own), now=now, ask=ask) if start.object else {}
    return record_sources.of(start, own, found, known=behind, values=values)


def _described(
    place: Place, objects: Sequence[str], *, now: datetime, ask: bool
) -> Mapping[str, Sequence[SObjField]]:
    """Return the fields of those of `objects` that are known, or that the org tells."""
    try:
        org = _salesforce(place)
    except Unavailable:
        return {}
    if ask:
        told = schemas.of_many(connection=org, objects=objects, now=now)
        return {name: fields_in(one) for name, one in told.items() if isinstance(one, schemas.Schema)}
    kept = ((name, schemas.kept(connection=org, object=name)) for name in objects)
    return {name: fields_in(one) for name, one in kept if one is not None}


def target_fields(place: Place, object_name: str, *, now: datetime) -> list[SObjField]:
    """
    Return the fields of a Salesforce object, as the integration user sees them; none if it is gone.

    :raises Unavailable: if nothing is known of the object, and asking did not help
    :raises RuntimeError: if the org would have to be asked, and this is inside a transaction
    """
    return fields_in(target_schema(place, object_name, now=now))


def target_schema(place: Place, object_name: str, *, now: datetime) -> schemas.Schema:
    """
    Return what is known of a Salesforce object: the fields, how old that is, and why it is not newer.

    :raises Unavailable: as `target_fields`
    :raises RuntimeError: as `target_fields`
    """
    return schemas.of(connection=_salesforce(place), object=object_name, now=now)


def known_target_fields(place: Place, object_name: str) -> list[SObjField]:
    """
    Return the fields of a Salesforce object as far as they are known, without asking anybody.

    :raises Unavailable: if it has never been read
    """
    return fields_in(known_target_schema(place, object_name))


def known_target_schema(place: Place, object_name: str) -> schemas.Schema:
    """
    Return what is known of a Salesforce object, without asking anybody.

    :raises Unavailable: if it has never been read
    """
    connection = _salesforce(place)
    known = schemas.kept(connection=connection, object=object_name)
    if known is None:
        raise Unavailable(f"{object_name} of {connection.name} has not been read yet.")
    return known


def fields_in(schema: schemas.Schema) -> list[SObjField]:
    """Return the fields in what is known of a Salesforce object."""
    return [SObjField.from_describe(told) for told in schema.fields]


def step_fields(
    document: FlowDocument,
    step_id: str,
    *,
    place: Place | None = None,
    sources: Sequence[SrcField] = (),
    described: dict[str, Sequence[SObjField]] | None = None,
) -> list[SrcField]:
    """
    Return what a step can read of the steps before it, as roots such as `steps.find_account.record.Name`.

    With a `place` the types of Salesforce fields are those of its org, as far as they are known already.
    `sources` are the fields of the events: a for-each takes what its elements consist of from there. Who asks
    about many steps hands in `described`, which remembers objects by their names from one to the next.

    :raises LookupError: if the document has no such step
    """
    known = {} if described is None else described

    def describe(object_name: str) -> Sequence[SObjField]:
        if object_name not in known:
            known[object_name] = _known_fields(place, object_name)
        return known[object_name]

    return outputs.step_fields(document, step_id, sources=sources, describe=describe)


def _known_fields(place: Place | None, object_name: str) -> Sequence[SObjField]:
    if place is None:
        return ()
    try:
        return known_target_fields(place, object_name)
    except Unavailable:
        return ()


def _of_root(root: str, expand: tuple[str, ...]) -> Iterable[SrcField]:
    try:
        fields = stripe.fields_of(root, expand)
    except stripe.NoSuchObject:
        return [SrcField(root, "object", desc="Stripe's SDK does not say what is in it.")]
    whole = SrcField(root, "object", desc=stripe.text_of(root))
    return [whole, *(outputs.of_stripe(field, root) for field in fields)]


def _kinds(roots: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the types of the roots, and of what is expanded in them under the name of its own type."""
    expanded = {path.rpartition(".")[2] for paths in roots.values() for path in paths}
    return [*roots, *sorted((expanded & set(stripe.objects())) - roots.keys())]


def _with_sightings(field: SrcField, found: seen.Sightings, *, values: bool) -> SrcField:
    one = found.paths.get(field.path)
    samples = tuple(one.samples) if values and one is not None else ()
    return replace(field, seen=found.share(field.path), samples=samples)


def _type(path: str, seen_type: str) -> str:
    """Return the type of what only events know; a value of metadata is always a text."""
    return "string" if _is_metadata(path) else seen_type


def _origin(path: str) -> str:
    return "Set by you as metadata." if _is_metadata(path) else "Seen in events."


def _is_metadata(path: str) -> bool:
    return ".metadata." in path or ".metadata[" in path


def _is_path(path: str) -> bool:
    """Tell whether a mapping line may read it: it may be too long or too deep."""
    try:
        compile_path(path)
    except BadPath:
        return False
    return True


def _connections(place: Place, system: str) -> list[Connection]:
    if isinstance(place, Pair):
        return [place.stripe if system == Connection.System.STRIPE else place.salesforce]
    return list(place.connections.filter(system=system).order_by("id"))


def _salesforce(place: Place) -> Connection:
    for connection in _connections(place, Connection.System.SALESFORCE):
        return connection
    raise Unavailable(f"{place} has no connection to Salesforce.")
