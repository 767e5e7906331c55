"""This module takes from events of an org that customers have changed there, or were deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from flows.bus_events import BusEvent
from flows.matching.objects import FIELDS
from flows.models import Directory
from flows.recognising import keeping
from integrator import vault

log = structlog.get_logger(__name__)

AT_ONCE = 200  # deletions; whoever looks at events has no time for more, and they are asked for soon anyway


def note(events: Iterable[tuple[int, str, Mapping[str, Any]]], *, now: datetime) -> None:
    """
    Note what events (connection, type, payload) tell of customers, once the caller's transaction is over.

    What is lost by a crash in between is found when the org is asked the next time.
    """
    told = [
        (connection, name, payload)
        for connection, type_, payload in events
        if (name := type_.partition(".")[0]) in FIELDS
    ]
    if told:
        transaction.on_commit(lambda: _note(told, now), robust=True)


def _note(told: list[tuple[int, str, Mapping[str, Any]]], now: datetime) -> None:
    # Where no flow recognises customers, this one statement is all that it costs.
    rows = Directory.objects.filter(
        connection__in={connection for connection, _, _ in told}, object__in={name for _, name, _ in told}
    )
    for directory in rows:
        place = (directory.connection_id, directory.object)
        events = [BusEvent.of(payload) for connection, name, payload in told if (connection, name) == place]
        if events:
            _follow(directory, events, now)


def _follow(directory: Directory, events: list[BusEvent], now: datetime) -> None:
    gone = [id for event in events if event.is_deletion for id in event.record_ids]
    try:
        keeping.forget(directory, gone[:AT_ONCE])
    except vault.Unreadable as failure:  # the directory itself says so
        log.warning("directory.not_followed", directory=directory.pk, failure=str(failure))
    if not all(event.is_deletion for event in events):
        keeping.wake(directory, at=now + keeping.LATER)
