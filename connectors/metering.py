"""
This module counts the calls of this process, by connection, cause and hour, and writes them now and then.

Counting is an addition in memory beside a call over the network. What is counted is written in one statement,
by whoever has a moment: the heartbeat of a worker, the watching process every few seconds, a web process at
the end of a request.
A process that is killed loses what it counted since; the org's own count, which it sends with every answer,
does not depend on it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import structlog
from django.db import DatabaseError, IntegrityError, InterfaceError, connection

log = structlog.get_logger(__name__)

EVERY = 5.0  # seconds between two writings while calls go on
NOBODY = 0  # the cause of what no flow asks for
HOUR = 3600

_ADD = """
INSERT INTO connectors_callhour (connection_id, cause, hour, kind, calls, carried) VALUES {rows}
ON CONFLICT (connection_id, cause, hour, kind) DO UPDATE SET
    calls = connectors_callhour.calls + excluded.calls,
    carried = connectors_callhour.carried + excluded.carried
"""


class _Key(NamedTuple):
    connection: int
    cause: int
    hour: int  # since 1970
    kind: str


class Meter:
    """The counts of this process that are not written yet."""

    def __init__(
        self, *, clock: Callable[[], float] = time.time, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._ticks = clock, ticks
        self._lock = threading.Lock()
        self._counts: dict[_Key, tuple[int, int]] = {}
        self._written_at = ticks()

    def count(self, connection_id: int, cause: int, kind: str, *, calls: int = 0, carried: int = 0) -> None:
        """Add to what was counted in this hour; from whatever thread."""
        key = _Key(connection_id, cause, int(self._clock() // HOUR), kind)
        with self._lock:
            self._put(key, calls, carried)

    def write_due(self) -> None:
        """Write what was counted, unless that was done a moment ago."""
        if self._counts and self._ticks() - self._written_at >= EVERY:
            self.write()

    def write(self) -> None:
        """Write what was counted. Where the database is away it is kept, and written the next time."""
        with self._lock:
            taken, self._counts = self._counts, {}
            self._written_at = self._ticks()
        if not taken:
            return
        try:
            _add(taken)
        except IntegrityError:
            log.warning("calls.dropped", count=len(taken))  # a connection that is gone
        except (DatabaseError, InterfaceError) as failure:
            log.warning("calls.not_written", error=type(failure).__name__)
            with self._lock:
                for key, (calls, carried) in taken.items():
                    self._put(key, calls, carried)

    def of_a_request(self, **of_the_signal: object) -> None:
        """Write what was counted during a request, which hardly ever is anything."""
        if self._counts:
            self.write()

    def forget(self) -> None:
        """Know nothing, as a process that has just begun."""
        self._lock = threading.Lock()
        self._counts = {}
        self._written_at = self._ticks()

    def _put(self, key: _Key, calls: int, carried: int) -> None:
        before = self._counts.get(key, (0, 0))
        self._counts[key] = (before[0] + calls, before[1] + carried)


def _add(counts: dict[_Key, tuple[int, int]]) -> None:
    """Add `counts` to the rows, sorted, so that two who add to the same rows never wait for each other."""
    rows = [
        (key.connection, key.cause, datetime.fromtimestamp(key.hour * HOUR, UTC), key.kind, *counts[key])
        for key in sorted(counts)
    ]
    marks = ", ".join(["(%s, %s, %s, %s, %s, %s)"] * len(rows))
    with connection.cursor() as cursor:
        adapt = connection.ops.adapt_datetimefield_value
        values = [value for row in rows for value in (*row[:2], adapt(row[2]), *row[3:])]
        cursor.execute(_ADD.format(rows=marks), values)


METER = Meter()
# A worker that is forked begins with nothing: what its parent has counted the parent writes.
os.register_at_fork(after_in_child=METER.forget)
