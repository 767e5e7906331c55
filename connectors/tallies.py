"""
This module counts in memory what is to be known of calls, and adds it now and then to rows of five minutes.

Counting costs an addition beside a call over the network. A process that is killed loses what it counted in
the last seconds: these figures are for finding what is unusual, and nothing is decided by a single one.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

import structlog
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, connection

from connectors.models import Tally

log = structlog.get_logger(__name__)

BIN_SECONDS = 300
EVERY = 20.0  # seconds between two writings while there is something to write
MOST_CODES = 40  # characters of a code
STEPS = 8  # buckets of times for each e-fold: two neighbours differ by an eighth

_ADD = """
INSERT INTO {table} (connection_id, starts_at, name, count) VALUES {rows}
ON CONFLICT (connection_id, starts_at, name) DO UPDATE SET count = {table}.count + excluded.count
"""
Key = tuple[int, int, str]  # connection, number of the five minutes since 1970, name


class Tallies:
    """What this process has counted and not yet written."""

    def __init__(
        self, *, clock: Callable[[], float] = time.time, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._ticks = clock, ticks
        self.forget()

    def forget(self) -> None:
        """Know nothing, as a process that has just begun."""
        self._lock = threading.Lock()
        self._counts: Counter[Key] = Counter()
        self._written_at = self._ticks()

    def timer(self, connection_id: int) -> Callable[[float], None]:
        """Return what is told of each answer of a connection, in seconds; from whatever thread."""

        def took(seconds: float) -> None:
            self.count(connection_id, f"ms:{round(math.log(max(seconds * 1000.0, 1.0)) * STEPS)}", 1)

        return took

    def calls(self, connection_id: int, requests: int, codes: Iterable[str]) -> None:
        """Count `requests` of a connection, of which those with `codes` failed, and write if that is due."""
        failed = Counter(f"code:{(code or 'unknown')[:MOST_CODES]}" for code in codes)
        self.count(connection_id, "calls", requests)
        for name, number in failed.items():
            self.count(connection_id, name, number)
        if failed:
            self.count(connection_id, "calls.failed", failed.total())
        self.write_due()

    def count(self, connection_id: int, name: str, number: int) -> None:
        """Count `number` more of `name` in these five minutes."""
        key = (connection_id, int(self._clock() // BIN_SECONDS), name)
        with self._lock:
            self._counts[key] += number

    def take(self) -> Counter[Key]:
        """Return what was counted, and begin anew."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
            self._written_at = self._ticks()
        return taken

    def write_due(self) -> None:
        """Write what was counted, unless that was done a moment ago."""
        if self._counts and self._ticks() - self._written_at >= EVERY:
            self.write()

    def write(self) -> None:
        """Write what was counted, never inside a transaction; where the database is away it is kept."""
        if connection.in_atomic_block:
            return
        taken = self.take()
        try:
            add(taken)
        except (IntegrityError, DataError) as failure:  # a connection that is gone, what no column takes
            log.warning("tallies.dropped", count=len(taken), error=type(failure).__name__)
        except (DatabaseError, InterfaceError) as failure:
            log.warning("tallies.not_written", error=type(failure).__name__)
            with self._lock:
                self._counts.update(taken)


def add(counts: Mapping[Key, int]) -> None:
    """Add `counts` to the rows, sorted, so that two who add to the same rows never wait for each other."""
    if not counts:
        return
    adapt = connection.ops.adapt_datetimefield_value
    rows = [
        (number, adapt(datetime.fromtimestamp(start * BIN_SECONDS, UTC)), name, counts[number, start, name])
        for number, start, name in sorted(counts)
    ]
    marks = ", ".join(["(%s, %s, %s, %s)"] * len(rows))
    with connection.cursor() as cursor:
        cursor.execute(
            _ADD.format(table=Tally._meta.db_table, rows=marks), [value for row in rows for value in row]
        )


TALLIES = Tallies()
# A worker that is forked begins with nothing: what its parent has counted the parent writes.
os.register_at_fork(after_in_child=TALLIES.forget)
