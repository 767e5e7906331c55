"""This module says what a run knows at its beginning that an event of an org has started."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flows.bus_events import BusEvent
from flows.engine.item import Event, Source


def named(event: BusEvent, id: str, record_id: str, happened_at: datetime) -> Event:
    """Return `event`, known as `id`, as the paths of a flow see it; `record_id` is the run's own record."""
    return Event(
        id=id,
        type=event.type,
        created=int(happened_at.timestamp()),
        record_id=record_id,
        changed=event.changed,
        ours=event.is_ours,
    )


def told(event: BusEvent, record_id: str) -> dict[str, Any]:
    """
    Return what `event` itself has to read, by the name of its object or its own.

    A change tells only a part of its record, which is read instead; of a deletion it is all that is left.
    """
    if not event.is_of_records:
        return {event.name: dict(event.values)}
    return {event.name: event.left_of(record_id)} if event.is_deletion else {}


def source_of(event: BusEvent, id: str, happened_at: datetime) -> Source:
    """Return how new that is. What can never be read again is not in doubt: its own time is the truth."""
    final = event.is_deletion or not event.is_of_records
    return Source(id, happened_at, happened_at, gone=final)
