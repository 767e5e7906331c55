"""
This module notices when an event id comes a second time with another content.

The first one is kept and counts. That Stripe delivers an event twice is usual, and the copies differ in how
many deliveries are pending; a copy of another type or with other data is not usual, and a person should know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.models import Connection
from connectors.stripe import webhooks
from connectors.tallies import TALLIES
from flows import payloads
from flows.intake import Arrival
from flows.models import Event, Notice
from integrator.kernel import canonical

MOST = 20  # of one group, since whoever waits for a commit waits for this too

_TOLD = ("type", "data")


def look(arrivals: Sequence[Arrival]) -> int:
    """Compare those of `arrivals` that were here before with what was kept, and tell of those that differ."""
    different = [arrival for arrival, body in _repeated(arrivals) if _differ(arrival, body)]
    if different:
        Notice.objects.give(_notices(different))
    return len(different)


def _repeated(arrivals: Sequence[Arrival]) -> Iterator[tuple[Arrival, bytes]]:
    """Yield up to `MOST` arrivals that were not kept, each with the sealed body that was."""
    names = {arrival.delivery.external_id for arrival in arrivals}
    connections = {arrival.connection_id for arrival in arrivals}
    rows = Event.objects.filter(connection__in=connections, external_id__in=names)
    kept = {
        (connection, name): (pk, received_at)
        for pk, connection, name, received_at in rows.values_list(
            "pk", "connection_id", "external_id", "received_at"
        )
    }
    again: list[tuple[int, Arrival]] = []
    for arrival in arrivals:
        pk, received_at = kept.get((arrival.connection_id, arrival.delivery.external_id), (0, None))
        # What was received at the very moment of the row is what the row was made of.
        if pk and received_at != arrival.received_at:
            again.append((pk, arrival))
    _count([arrival for _, arrival in again])
    looked_at = again[:MOST]
    bodies = dict(Event.objects.filter(pk__in=[pk for pk, _ in looked_at]).values_list("pk", "body"))
    for pk, arrival in looked_at:
        if bodies.get(pk):
            yield arrival, bytes(bodies[pk])


def _count(again: Sequence[Arrival]) -> None:
    for connection, number in Counter(arrival.connection_id for arrival in again).items():
        TALLIES.count(connection, "repeated", number)
    TALLIES.write_due()


def _differ(arrival: Arrival, sealed: bytes) -> bool:
    came = webhooks.payload(arrival.delivery.body)
    try:
        kept = payloads.open_body(sealed, connection_id=arrival.connection_id)
    except payloads.Unreadable:
        return False
    if isinstance(came, webhooks.Unreadable) or came.get("object") != kept.get("object"):
        return False  # a snapshot and its thin twin are two forms of one event
    if came.get("api_version") != kept.get("api_version"):
        return False  # two endpoints, each with its own version: the same event in two shapes
    return _content(came) != _content(kept)


def _content(event: Mapping[str, Any]) -> bytes:
    return canonical.dumps({name: event.get(name) for name in _TOLD})


def _notices(arrivals: Sequence[Arrival]) -> list[Notice]:
    connections = Connection.objects.in_bulk({arrival.connection_id for arrival in arrivals})
    return [_notice(connections[arrival.connection_id], arrival) for arrival in arrivals]


def _notice(connection: Connection, arrival: Arrival) -> Notice:
    name = arrival.delivery.external_id
    return Notice.of(
        environment_id=connection.environment_id,
        key=f"other_body:{connection.pk}:{name}",
        kind="other_body",
        severity=Notice.Severity.CRITICAL,
        title=f"Event {name} came twice with different content",
        text=f"{connection.name} received event {name} a second time, correctly signed but with another type "
        "or other data. The first one was kept and counts. Compare it with Stripe's own. If Stripe did not "
        "send both, somebody knows the signing secret: exchange it.",
        now=arrival.received_at,
    )
