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


def note(events: Iterable[tuple[int, str, Mapping[str, Any]]], *, now: datetime) -> None:
    """
    Note what events (connection, type, payload) tell of customers, once the caller's transaction is over.

    What is lost by a crash in between is found when the org is asked the next time.
    """
    told = [
        (connection, BusEvent.of(payload))
        for connection, type_, payload in events
        if type_.partition(".")[0] in FIELDS
    ]
    if told:
        transaction.on_commit(lambda: _note(told, now), robust=True)


def _note(told: list[tuple[int, BusEvent]], now: datetime) -> None:
    about = {(connection, event.name) for connection, event in told}
    rows = Directory.objects.filter(connection__in={connection for connection, _ in about})
    for directory in rows.filter(object__in={name for _, name in about}):
        mine = [event for place, event in told if place == directory.connection_id]
        gone = [
            id
            for event in mine
            if event.name == directory.object and event.is_deletion
            for id in event.record_ids
        ]
        try:
            keeping.forget(directory, gone)
        except vault.Unreadable as failure:  # the directory itself says so
            log.warning("directory.not_followed", directory=directory.pk, failure=str(failure))
    keeping.wake({connection for connection, _ in about}, {name for _, name in about}, now=now)
