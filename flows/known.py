"""
This module tells what the inbox knows of records: whether an event has told of a change, and what came last.

A record's stamp has whole seconds, and what an event leads to reads the record a moment later. So a change
that is told of and another one within the same second can look alike: unless the event was taken up after
that second was over, it is in doubt whether everything was seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from connectors.models import Connection
from connectors.salesforce.pubsub.events import CHANGES
from flows import payloads
from flows.models import Event, Fate, SweptObject
from flows.queries import first_id

SECOND = timedelta(seconds=1)
EARLY = timedelta(minutes=5)  # by so much an event may have come before the stamp, by clocks that differ
DELETING = timedelta(seconds=10)
LATE = timedelta(minutes=15)  # and so much later than its stamp a long transaction may have been committed

# What nobody wanted when it came may still be missing.
UNWANTED = ("no flow handles", "the flow is switched off")


class Row(NamedTuple):
    """A record as the org lists it."""

    id: str
    modified: datetime
    created: datetime | None
    deleted: bool

    @property
    def fingerprint(self) -> str:
        """Return what is the same for two listings of a record that did not change meanwhile."""
        return f"{self.modified.isoformat()}{' deleted' if self.deleted else ''}"


class Told(Enum):
    """Whether the inbox knows how a record is."""

    YES = "yes"
    DOUBTFUL = "doubtful"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the inbox knows of one record."""

    told: Told
    newest: str  # the type of the newest event about it, empty without one
    made: bool = False  # somebody was told that it was made


class _Heard(NamedTuple):
    type: str
    happened_at: datetime | None
    dispatched_at: datetime | None
    counts: bool


def types_of(object_: str) -> list[str]:
    """Return the types of event that tell of records of an object."""
    return [f"{object_}.{verb}" for verb in CHANGES.values()]


def change_of(object_: str, row: Row, seen: Seen, *, new_since: datetime) -> str:
    """
    Return the type of the event that says how a record is: the one that the bus would have brought.

    One that was made after `new_since`, which nobody was told, is new; the newest event says whether a record
    that is there was deleted before.
    """
    if row.deleted:
        return f"{object_}.deleted"
    if seen.newest == f"{object_}.deleted":
        return f"{object_}.undeleted"
    is_new = not seen.made and row.created is not None and row.created >= new_since
    return f"{object_}.{'created' if is_new else 'updated'}"


def of(connection: Connection, object_: str, rows: Sequence[Row]) -> dict[str, Seen]:
    """Return what the inbox knows of the records in `rows`, by id."""
    heard = _heard(connection, object_, [row.id for row in rows])
    lacking = [row for row in rows if _judge(row, heard.get(row.id, ())) is not Told.YES]
    for id, one in _in_company(connection, object_, lacking):
        heard.setdefault(id, []).append(one)
    return {row.id: _seen(row, heard.get(row.id, ())) for row in rows}


def changed(connection: Connection, object_: str, rows: Sequence[Row]) -> list[Row]:
    """Return those that are otherwise than a comparison before has found them, or that none has looked at."""
    known = SweptObject.objects.filter(
        connection=connection, object_type=object_, object_id__in=[row.id for row in rows]
    )
    before = dict(known.values_list("object_id", "fingerprint"))
    return [row for row in rows if before.get(row.id) != row.fingerprint]


def _heard(connection: Connection, object_: str, ids: Sequence[str]) -> dict[str, list[_Heard]]:
    about = Event.objects.filter(connection=connection, object_id__in=ids, type__in=types_of(object_))
    found: dict[str, list[_Heard]] = {}
    columns = ("object_id", "type", "happened_at", "dispatched_at", "fate", "fate_reason")
    for id, type_, happened_at, dispatched_at, fate, reason in about.order_by("id").values_list(*columns):
        told = _Heard(type_, happened_at, dispatched_at, counts=_counts(fate, reason))
        found.setdefault(id, []).append(told)
    return found


def _in_company(connection: Connection, object_: str, rows: Sequence[Row]) -> Iterator[tuple[str, _Heard]]:
    """Yield what events about several records tell of those in `rows`: only the first stands in a column."""
    if not rows:
        return
    wanted = {row.id for row in rows}
    first, last = min(row.modified for row in rows), max(row.modified for row in rows)
    events = Event.objects.filter(
        connection=connection,
        pk__gte=first_id(Event, "received_at", first - EARLY),
        type__in=types_of(object_),
        happened_at__gte=first,
        happened_at__lte=last + LATE,
        origin=Event.Origin.LIVE,
        purged_at=None,
    ).order_by("id")
    columns = events.values_list(
        "body", "object_id", "type", "happened_at", "dispatched_at", "fate", "fate_reason"
    )
    for body, named, type_, happened_at, dispatched_at, fate, reason in columns.iterator(chunk_size=500):
        one = _Heard(type_, happened_at, dispatched_at, counts=_counts(fate, reason))
        yield from ((id, one) for id in _others(body, connection.pk) if id in wanted and id != named)


def _others(body: bytes | memoryview, connection_id: int) -> Iterable[str]:
    try:
        named = payloads.open_body(body, connection_id=connection_id).get("record_ids")
    except payloads.Unreadable:
        return ()
    return [id for id in named if isinstance(id, str)] if isinstance(named, list) and len(named) > 1 else ()


def _counts(fate: str, reason: str) -> bool:
    return fate != Fate.REFUSED and not (fate == Fate.IGNORED and reason.startswith(UNWANTED))


def _seen(row: Row, heard: Sequence[_Heard]) -> Seen:
    made = any(one.counts and one.type.endswith(".created") for one in heard)
    return Seen(_judge(row, heard), heard[-1].type if heard else "", made)


def _judge(row: Row, heard: Sequence[_Heard]) -> Told:
    told = [one for one in heard if one.counts and _is_as_late(one, row)]
    if not told:
        return Told.NO
    over = row.modified + SECOND
    sure = any(
        (one.happened_at is not None and one.happened_at >= over)
        or one.dispatched_at is None
        or one.dispatched_at >= over
        for one in told
    )
    return Told.YES if sure or row.deleted else Told.DOUBTFUL


def _is_as_late(one: _Heard, row: Row) -> bool:
    is_deletion = one.type.endswith(".deleted")
    if one.happened_at is None or is_deletion is not row.deleted:
        return False
    # Of one deletion the record, the event and the list of deletions bear stamps that differ a little.
    return one.happened_at >= row.modified - (DELETING if row.deleted else timedelta(0))
