"""This module is the one door into the inbox: it keeps what arrived, raw and encrypted, once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any

import msgspec
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


def sealed(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Return `arrivals` with their bodies encrypted: nobody waits for that while a database is locked."""
    bodies = vault.seal_many((one.delivery.body, _owner(one)) for one in arrivals)
    return [
        Arrival(one.connection_id, one.delivery, one.received_at, body)
        for one, body in zip(arrivals, bodies, strict=True)
    ]


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
    connection.ensure_connection()
    with connection.wrap_database_errors:
        done = _on_postgresql(rows) if connection.vendor == "postgresql" else _on_sqlite(rows)
    return max(done, 0)


def _on_postgresql(rows: Sequence[list[Any]]) -> int:
    """
    Insert `rows` as one parameter of JSON, which costs a fifth of what an array for each column does.

    What is sealed has neither quotes nor backslashes, so that PostgreSQL reads it as the bytes that it is
    (https://www.postgresql.org/docs/current/datatype-binary.html).
    """
    for row in rows:
        row[_BODY] = row[_BODY].decode("ascii")
    named = [dict(zip(_GIVEN, row, strict=True)) for row in rows]
    cursor = bulk.postgresql_cursor()
    cursor.execute(_statement_for_json(), [_JSON.encode(named).decode()])
    return int(cursor.rowcount)


def _on_sqlite(rows: Sequence[list[Any]]) -> int:
    """
    Insert `rows` by a few statements of many rows each.

    Python gives up its one lock around each statement, with `executemany` around each row, and then waits
    until the thread that reads requests gives it back.
    """
    zone = connection.timezone  # asked for once: to reach it costs more than to write a time
    for row in rows:
        row[_HAPPENED_AT] = _as_text(row[_HAPPENED_AT], zone)
        row[_RECEIVED_AT] = _as_text(row[_RECEIVED_AT], zone)
    cursor = connection.connection.cursor()
    new = 0
    for start, size in _portions(len(rows)):
        cursor.execute(_statement(size), [value for row in rows[start : start + size] for value in row])
        new += int(cursor.rowcount)
    return new


def _portions(number: int) -> Iterator[tuple[int, int]]:
    """Cut `number` rows into portions of a few sizes, whose statements stay prepared: starts and sizes."""
    start = 0
    for size in _PORTIONS:
        while number - start >= size:
            yield start, size
            start += size


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
        delivery.happened_at,
        arrival.received_at,
        arrival.sealed or _seal(arrival),
        delivery.unreadable,
    ]


def _seal(arrival: Arrival) -> bytes:
    return vault.seal(arrival.delivery.body, owner=_owner(arrival))


def _owner(arrival: Arrival) -> str:
    return f"event:{arrival.connection_id}"


def _as_text(moment: datetime | None, zone: tzinfo | None) -> str | None:
    """Return a time as SQLite gets it: in Django's own form, at a fifth of its cost."""
    return None if moment is None else str(moment.astimezone(zone).replace(tzinfo=None))


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
_HAPPENED_AT, _RECEIVED_AT, _BODY = (_GIVEN.index(name) for name in ("happened_at", "received_at", "body"))
_JSON = msgspec.json.Encoder()
_PORTIONS = (64, 16, 4, 1)  # rows in one statement of SQLite

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
def _statement(number: int) -> str:
    """Return the insert for SQLite of so many rows; what intake does not give stands in it."""
    rows = ", ".join([f"({_filled(['?'] * len(_GIVEN))})"] * number)
    return f"{_insert_into()} VALUES {rows} ON CONFLICT {_KNOWN}"


@lru_cache
def _statement_for_json() -> str:
    """Return the insert for PostgreSQL of rows in JSON, each with its values by the names of columns."""
    table = Event._meta.db_table
    rows = f'json_populate_recordset(NULL::"{table}", %s::json)'
    return f"{_insert_into()} SELECT {_filled(_GIVEN)} FROM {rows} ON CONFLICT {_KNOWN}"  # noqa: S608  # names and defaults of our own model


def _insert_into() -> str:
    columns, _ = _defaults()
    return f'INSERT INTO "{Event._meta.db_table}" ({", ".join((*_GIVEN, *columns))})'


def _filled(given: Sequence[str]) -> str:
    """Return what stands for a row's values: what is `given` for those of a delivery, and the defaults."""
    _, defaults = _defaults()
    return ", ".join((*given, *map(_literal, defaults)))


def _literal(value: object) -> str:
    if isinstance(value, int):
        return str(value).upper()  # a truth value too, as TRUE or FALSE
    return "'" + str(value).replace("'", "''") + "'"
