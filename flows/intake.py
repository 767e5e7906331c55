"""This module is the one door into the inbox: it keeps what arrived, raw and encrypted, once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import DataError, IntegrityError, ProgrammingError, connection, transaction

from connectors.stripe import webhooks
from flows import bulk
from flows.models import Event
from integrator import vault

# What a row can do wrong by itself. A lost connection, a lock or a full disk is nobody's fault and is raised.
_ROWS_OWN_FAULT = (DataError, IntegrityError, ProgrammingError, ValueError, OverflowError)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event as its sender delivered it, with as much of it as intake could read."""

    external_id: str
    body: bytes
    type: str = ""
    api_version: str = ""
    account: str = ""
    livemode: bool | None = None
    object_id: str = ""
    happened_at: datetime | None = None
    unreadable: str = ""
    origin: str = Event.Origin.LIVE.value


@dataclass(frozen=True, slots=True)
class Arrival:
    """A delivery with the connection that it came through and the time at which it came."""

    connection_id: int
    delivery: Delivery
    received_at: datetime
    sealed: bytes = b""  # the body as it is kept, if that was made ready before


@dataclass(frozen=True, slots=True)
class Kept:
    """How many arrivals were new, and the few that could not be kept at all, by their position."""

    new: int
    failed: dict[int, Exception] = field(default_factory=dict)


def unreadable(body: bytes, reason: str) -> Delivery:
    """Return the delivery of a body that says nothing we understand; equal bodies are one event."""
    return Delivery(
        external_id=f"unreadable:{hashlib.sha256(body).hexdigest()}", body=body, unreadable=reason[:200]
    )


def read(body: bytes, *, origin: str = Event.Origin.LIVE.value) -> Delivery:
    """Return what `body` says of itself as a delivery. It never raises, whatever the body."""
    found = webhooks.read(body)
    if isinstance(found, webhooks.Unreadable):
        return replace(unreadable(body, found.reason), origin=origin)
    return Delivery(
        external_id=found.id,
        body=body,
        type=found.type,
        api_version=found.api_version,
        account=found.account,
        livemode=found.livemode,
        object_id=found.object_id,
        happened_at=found.created,
        origin=origin,
    )


def receive(*, connection_id: int, deliveries: Sequence[Delivery], now: datetime) -> int:
    """
    Keep the raw `deliveries` and return how many were new.

    Stripe and Salesforce both deliver at least once. The unique constraint, not
    a look-up, is what makes the second delivery harmless.

    :raises django.db.Error: if a delivery could not be kept at all, not even as an unreadable one
    """
    kept = keep([Arrival(connection_id, delivery, now) for delivery in deliveries])
    for failure in kept.failed.values():
        raise failure
    return kept.new


def sealed(arrival: Arrival) -> Arrival:
    """Return `arrival` with its body encrypted, so that nobody waits for that while a database is locked."""
    return arrival if arrival.sealed else replace(arrival, sealed=_seal(arrival))


def keep(arrivals: Sequence[Arrival]) -> Kept:
    """
    Keep `arrivals` in one transaction and return how many were new.

    If the group fails for the fault of one of its rows, each row is tried by itself, so that one
    never fails its neighbours. A row that fails alone is kept as an unreadable event.

    :raises django.db.OperationalError: if the database is out of reach, locked or full
    """
    try:
        with transaction.atomic():
            return Kept(new=_insert(arrivals))
    except _ROWS_OWN_FAULT:
        return _one_by_one(arrivals)


def _one_by_one(arrivals: Sequence[Arrival]) -> Kept:
    new = 0
    failed: dict[int, Exception] = {}
    for position, arrival in enumerate(arrivals):
        try:
            new += _alone(arrival)
        except _ROWS_OWN_FAULT as failure:
            failed[position] = failure
    return Kept(new=new, failed=failed)


def _alone(arrival: Arrival) -> int:
    try:
        with transaction.atomic():
            return _insert([arrival])
    except _ROWS_OWN_FAULT as failure:
        # The name of the failure only: its message may quote the row.
        said = f"The row could not be stored ({type(failure).__name__})."
        raw = replace(unreadable(arrival.delivery.body, said), origin=arrival.delivery.origin)
    with transaction.atomic():
        return _insert([Arrival(arrival.connection_id, raw, arrival.received_at)])


def _insert(arrivals: Sequence[Arrival]) -> int:
    # Every process inserts in the same order, so that two of them cannot wait for each other's rows.
    ordered = sorted(arrivals, key=lambda arrival: (arrival.connection_id, arrival.delivery.external_id))
    rows = [_row(arrival) for arrival in ordered]
    if connection.vendor == "postgresql":
        columns, given = _defaults()
        return bulk.insert(Event, (*_GIVEN, *columns), [(*row, *given) for row in rows], conflict=_KNOWN)
    connection.ensure_connection()
    with connection.wrap_database_errors:
        cursor = connection.connection.cursor()
        cursor.executemany(_statement(), rows)
        return max(int(cursor.rowcount), 0)


def _row(arrival: Arrival) -> list[Any]:
    delivery = arrival.delivery
    return [
        arrival.connection_id,
        delivery.external_id,
        delivery.origin,
        delivery.type,
        delivery.api_version,
        delivery.account,
        delivery.livemode,
        delivery.object_id,
        _stamp(delivery.happened_at),
        _stamp(arrival.received_at),
        arrival.sealed or _seal(arrival),
        delivery.unreadable,
    ]


def _seal(arrival: Arrival) -> bytes:
    return vault.seal(arrival.delivery.body, owner=f"event:{arrival.connection_id}")


def _stamp(moment: datetime | None) -> datetime | str | None:
    """Return a time as the database takes it; SQLite gets Django's own form, at a fifth of its cost."""
    if moment is None or connection.vendor == "postgresql":
        return moment
    return str(moment.astimezone(connection.timezone).replace(tzinfo=None))


_GIVEN = (
    "connection_id",
    "external_id",
    "origin",
    "type",
    "api_version",
    "account",
    "livemode",
    "object_id",
    "happened_at",
    "received_at",
    "body",
    "unreadable",
)


_KNOWN = "(connection_id, external_id) DO NOTHING"


@lru_cache
def _defaults() -> tuple[tuple[str, ...], tuple[object, ...]]:
    """Return the columns that intake does not give, and the defaults of the model's fields for them."""
    others = [
        (str(column.column), column.get_default())
        for column in Event._meta.concrete_fields
        if not column.primary_key and column.column not in _GIVEN
    ]
    filled = [(name, value) for name, value in others if value is not None]
    return tuple(name for name, _ in filled), tuple(value for _, value in filled)


@lru_cache
def _statement() -> str:
    """Return the insert for SQLite, a row at a time; what intake does not give stands in it."""
    columns, given = _defaults()
    names = ", ".join((*_GIVEN, *columns))
    values = ", ".join((*("?" for _ in _GIVEN), *map(_literal, given)))
    table = Event._meta.db_table
    return f'INSERT INTO "{table}" ({names}) VALUES ({values}) ON CONFLICT {_KNOWN}'  # noqa: S608  # names and defaults of our own model


def _literal(value: object) -> str:
    return str(int(value)) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"
