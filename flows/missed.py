"""This module is what a person may do about missed events, and what is told of looking for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from connectors.models import Connection, Cursor
from flows import streams, sweeps, walk
from flows.models import Event, Fate
from flows.queries import first_id
from integrator.accounts import audit
from integrator.kernel.refusals import Unacceptable

DAY = timedelta(days=1)
LONGEST_WALK = 24 * 60  # minutes between two walks
MOST_DAYS = 365
LAST_HOUR = 23
FIRST = datetime(2010, 1, 1, tzinfo=UTC)  # there was no Stripe before


@dataclass(frozen=True, slots=True)
class Sweep:
    """How the comparison of one type of object stands."""

    object_type: str
    under_way: bool
    compared: int
    found: int
    last: datetime | None  # when the last one began that is through
    failure: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How looking for missed events stands at one connection."""

    walk_only: bool
    walk_minutes: int
    sweep_days: int
    sweep_hour: int
    last_walk: datetime | None
    next_walk: datetime | None  # none while the connection is not read
    reached: datetime | None
    failure: str
    asked_since: datetime | None  # a catch-up that is under way
    asked_failure: str
    recovered: int  # events that the walk found in the last 24 hours
    found_changed: int  # objects that sweeps found changed in the last 24 hours
    sweeps: Sequence[Sweep]


def standing(connection: Connection, *, now: datetime) -> Standing:
    """Return how looking for missed events stands at `connection`."""
    cursors = {cursor.stream: cursor for cursor in Cursor.objects.filter(connection=connection)}
    regular, asked = cursors.get(walk.STREAM), cursors.get(walk.ASKED)
    read = streams.readable(now).filter(pk=connection.pk).exists()
    due = walk.next_at(regular, connection) if regular else connection.created_at
    under_way = asked is not None and bool(asked.state)
    return Standing(
        walk_only=bool(connection.settings.get("walk_only")),
        walk_minutes=int(connection.settings.get("walk_minutes", walk.EVERY / timedelta(minutes=1))),
        sweep_days=sweeps.days(connection),
        sweep_hour=sweeps.hour(connection),
        last_walk=regular.checked_at if regular else None,
        next_walk=max(due, now) if read else None,
        reached=regular.reached_at if regular else None,
        failure=regular.failure if regular else "",
        asked_since=asked.reached_at if asked and under_way else None,
        asked_failure=asked.failure if asked and under_way else "",
        recovered=recovered(connection, since=now - DAY),
        found_changed=recovered(connection, since=now - DAY, origin=Event.Origin.SWEEP),
        sweeps=[
            _sweep(cursors.get(f"{sweeps.STREAM}{kind}"), kind) for kind in sweeps.object_types(connection)
        ],
    )


def recovered(connection: Connection, *, since: datetime, origin: str = Event.Origin.WALK) -> int:
    """
    Return how many events came in since then by `origin`; by the walk those whose delivery was missed.

    Stripe lists events of every type, also those that the webhooks do not ask for. They are ignored, and no
    delivery of them was missed.
    """
    rows = Event.objects.filter(connection=connection, pk__gte=first_id(Event, "received_at", since))
    wanted = rows.exclude(origin="live").exclude(fate=Fate.IGNORED)
    return wanted.filter(origin=origin, received_at__gte=since).count()


def catch_up(*, connection: Connection, since: datetime | None, actor: str, now: datetime) -> None:
    """
    Have the list of events read from `since` on, or from where the last walk ended, as soon as possible.

    :raises Unacceptable: if that is in the future, or longer ago than Stripe lists events
    """
    _check_stripe(connection)
    if since is not None and since > now:
        raise Unacceptable("That time has not come yet.", field="since")
    if since is not None and since < now - walk.REACH:
        raise Unacceptable(
            "Stripe lists the events of 30 days only. Compare the objects instead.", field="since"
        )
    with transaction.atomic():
        if since is None:
            walk.hurry(connection)
        else:
            walk.look(connection, since=since, now=now)
        details = {} if since is None else {"since": since.isoformat()}
        _audit(connection, actor, "events.catch_up", now, **details)


def compare(*, connection: Connection, since: datetime | None, actor: str, now: datetime) -> list[str]:
    """
    Have the objects that live flows are about compared as soon as possible, and return their types.

    `since` is when the oldest of them was created; without it the connection's setting counts.

    :raises Unacceptable: if no live flow is about objects that can be listed, or the time cannot be
    """
    _check_stripe(connection)
    if since is not None and since > now:
        raise Unacceptable("That time has not come yet.", field="since")
    if since is not None and since < FIRST:
        raise Unacceptable("Stripe has no objects of that time.", field="since")
    with transaction.atomic():
        types = sweeps.look(connection, since=since, now=now)
        if not types:
            raise Unacceptable("No live flow is about objects that Stripe lists.", field="since")
        _audit(connection, actor, "events.compared", now, objects=types)
    return types


def configure(*, connection: Connection, actor: str, now: datetime, **given: Any) -> None:
    """
    Set `walk_only`, `walk_minutes`, `sweep_days` or `sweep_hour` of a connection.

    :raises Unacceptable: if a value cannot be taken
    """
    _check_stripe(connection)
    for name, value in given.items():
        _check_setting(name, value)
    with transaction.atomic():
        if connection.configure(**given):
            _audit(connection, actor, "events.looking_changed", now, **given)


def _check_setting(name: str, value: Any) -> None:
    whole = type(value) is int
    if name == "walk_only" and type(value) is not bool:
        raise Unacceptable("This is on or off.", field=name)
    if name == "walk_minutes" and not (whole and 1 <= value <= LONGEST_WALK):
        raise Unacceptable("The list is read every 1 to 1440 minutes.", field=name)
    if name == "sweep_days" and not (whole and 0 <= value <= MOST_DAYS):
        raise Unacceptable("Objects of 0 to 365 days are compared; 0: none.", field=name)
    if name == "sweep_hour" and not (whole and 0 <= value <= LAST_HOUR):
        raise Unacceptable("The hours of a day are 0 to 23.", field=name)


def _check_stripe(connection: Connection) -> None:
    if connection.system != Connection.System.STRIPE:
        raise Unacceptable("Only Stripe lists its events.", field="connection")


def _sweep(cursor: Cursor | None, kind: str) -> Sweep:
    state = cursor.state if cursor else {}
    return Sweep(
        object_type=kind,
        under_way=bool(state) and not state.get("over"),
        compared=int(state.get("compared", 0)),
        found=int(state.get("found", 0)),
        last=cursor.reached_at if cursor else None,
        failure=cursor.failure if cursor else "",
    )


def _audit(connection: Connection, actor: str, action: str, now: datetime, **details: Any) -> None:
    audit.record(
        workspace=connection.environment.workspace,
        actor=actor,
        action=action,
        target=f"{connection.environment.slug}/{connection.name}",
        details={"connection": connection.public_id, **details},
        now=now,
    )
