"""
This module commits arrivals in groups, without a timer.

One thread and one database connection of a process do all the commits. What arrives during a commit
forms the next group; a lone arrival is committed at once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from flows import doubles, intake
from flows.deadlines import Deadlines
from flows.intake import Arrival, Kept

log = structlog.get_logger(__name__)

LARGEST_GROUP = 200  # rows: a larger group saves nothing more, and the first in it would wait longer
LARGEST_GROUP_BYTES = 8 << 20
COMMIT_WITHIN = 5.0  # seconds; Stripe tries again later, so a late answer helps nobody
RETRY_AFTER = 0.05  # seconds between two tries while the database is away
# SQLite itself waits longer and longer for its one lock, up to 100 ms, while workers that come and go take it
# again and again. Who asks often gets it between two of their transactions: a sender waits, they do not.
ASK_AGAIN = 0.002  # seconds between two tries while the database is locked
LAST_PATIENCE = 1.0  # seconds for which an orderly stop waits for a lock
PROBE_AFTER = 0.5  # seconds between two looks at a database that was away
RING_EVERY = 0.05  # seconds: under load one ring serves several groups; a ring reads the database

# SQLite's SQLITE_BUSY and SQLITE_LOCKED; PostgreSQL's lock and serialisation failures and its time limits
# (https://www.sqlite.org/rescode.html, https://www.postgresql.org/docs/current/errcodes-appendix.html).
_SQLITE_LOCKS = frozenset({5, 6})
_POSTGRESQL_LOCKS = frozenset({"55P03", "40P01", "40001", "57014"})

# Durable, whatever the server's default, and never waiting longer than the sender does.
_SESSION = {
    "postgresql": "SET synchronous_commit = on; SET lock_timeout = '2s'; SET statement_timeout = '4s'",
    "sqlite": "PRAGMA busy_timeout = 1000",
}


class Full(Exception):
    """The database cannot keep up: too many arrivals, or too many bytes, wait for a commit."""


class Late(Exception):
    """The arrival was not committed in the time that its sender waits; it may be yet."""


@dataclass(slots=True)
class _Waiting:
    arrival: Arrival
    future: asyncio.Future[None]

    def done(self) -> bool:
        return self.future.done()

    def expire(self) -> None:
        self.future.set_exception(Late())


class Committer:
    """
    The committing thread of a process.

    `offer` is called in the event loop and returns a future that is done once the arrival is on
    disk. An arrival that nobody waits for any more, since it was `Late` or its request was
    cancelled, is dropped: whoever sent it sends it again.
    """

    def __init__(
        self,
        *,
        ring: Callable[[], object],
        keep: Callable[[Sequence[Arrival]], Kept] = intake.keep,
        look: Callable[[Sequence[Arrival]], object] = doubles.look,
        longest_queue: int = 5_000,
        most_bytes: int = 64 << 20,
        within: float = COMMIT_WITHIN,
    ) -> None:
        self._ring = ring
        self._keep = keep
        self._look_at_doubles = look
        self._longest_queue = longest_queue
        self._most_bytes = most_bytes
        self._deadlines = Deadlines(within)
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._migrated = False
        self._well = False
        self._ring_due = False
        self._rung_at = 0.0
        self.groups = 0
        self.new = 0

    # For the event loop

    def start(self) -> None:
        """Start the thread; must be called in the event loop that will offer arrivals."""
        self._loop = asyncio.get_running_loop()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Commit what is waiting, then end the thread and close its connection."""
        self._stopping.set()
        with self._changed:
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def ready(self) -> bool:
        """Tell whether the database can be reached, is migrated, and the thread lives."""
        return self._well  # which the thread takes back, however it ends

    def offer(self, arrival: Arrival) -> asyncio.Future[None]:
        """
        Return a future that is done when `arrival` is committed.

        It fails with `Late` if that takes too long, and with the failure of its row if it cannot be.

        :raises Full: if too much is waiting already
        """
        assert self._loop is not None
        size = len(arrival.delivery.body)
        waiting = _Waiting(arrival, self._loop.create_future())
        with self._changed:
            if len(self._waiting) >= self._longest_queue or self._bytes + size > self._most_bytes:
                raise Full
            self._waiting.append(waiting)
            self._bytes += size
            self._changed.notify()
        self._deadlines.watch(waiting)
        return waiting.future

    # In the thread

    def _run(self) -> None:
        try:
            while not (self._stopping.is_set() and not self._waiting):
                try:
                    self._turn()
                except Exception:  # a bug of ours; whoever waits is answered 503, and the thread goes on
                    log.exception("committer.failed")
                    self._well = False
                    self._stopping.wait(PROBE_AFTER)
        finally:
            self._well = False
            connection.close()

    def _turn(self) -> None:
        if not self._well:
            self._look()
        group = self._next_group()
        if group:
            self._commit(group)
        self._ring_if_due()

    def _look(self) -> None:
        """Find out whether the database is there and migrated."""
        try:
            self._connect()
            if not self._migrated:
                executor = MigrationExecutor(connection)
                self._migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
            self._well = self._migrated
        except DatabaseError as failure:
            self._fall_ill(failure)

    def _connect(self) -> None:
        if connection.connection is None:
            connection.connect()
            with connection.cursor() as cursor:
                cursor.execute(_SESSION[connection.vendor])
            if connection.vendor == "postgresql":
                # Django switches prepared statements off for the sake of poolers between transactions; this
                # connection has settings of its own and cannot be pooled like that anyway.
                session: Any = connection.connection
                session.prepare_threshold = 1
        elif not self._well and not connection.is_usable():
            connection.close()
            self._connect()

    def _next_group(self) -> list[_Waiting]:
        """Return what is waiting, or nothing when there is something else to do."""
        with self._changed:
            if not self._waiting and not self._stopping.is_set():
                self._changed.wait(self._patience())
            group: list[_Waiting] = []
            size = 0
            while self._waiting and len(group) < LARGEST_GROUP and size < LARGEST_GROUP_BYTES:
                waiting = self._waiting.popleft()
                size += len(waiting.arrival.delivery.body)
                group.append(waiting)
            self._bytes -= size
        return group

    def _patience(self) -> float | None:
        if not self._well:
            return PROBE_AFTER
        if self._ring_due:
            return max(0.0, self._rung_at + RING_EVERY - time.monotonic())
        return None

    def _commit(self, group: list[_Waiting]) -> None:
        began = time.monotonic()
        while group := [waiting for waiting in group if not waiting.done()]:
            try:
                _seal(group)  # before the lock is asked for
                self._connect()
                with _asking_for_the_lock_ourselves():
                    kept = self._keep([waiting.arrival for waiting in group])
            except (OperationalError, InterfaceError) as failure:
                if self._try_again(failure, began):
                    continue
                return self._settle(group, dict.fromkeys(range(len(group)), failure))
            except Exception as failure:  # a bug of ours: the thread must outlive it, the sender tries again
                log.exception("committer.failed")
                return self._settle(group, dict.fromkeys(range(len(group)), failure))
            self._well = self._migrated
            self.groups += 1
            self.new += kept.new
            self._ring_due = self._ring_due or kept.new > 0
            self._settle(group, kept.failed)
            if kept.new < len(group):
                self._compare(group)
            return None
        return None

    def _try_again(self, failure: Exception, began: float) -> bool:
        """Wait a moment after a try that `began`, and tell whether there is to be another."""
        if _is_lock(failure):
            time.sleep(ASK_AGAIN)
            return not self._stopping.is_set() or time.monotonic() < began + LAST_PATIENCE
        self._fall_ill(failure)
        return not self._stopping.wait(RETRY_AFTER)

    def _compare(self, group: list[_Waiting]) -> None:
        """Look at what came twice, once everybody has their answer; nothing depends on it."""
        try:
            self._look_at_doubles([waiting.arrival for waiting in group])
        except Exception as failure:  # whatever it is, the next group must not wait for it
            log.warning("committer.not_compared", error=type(failure).__name__)

    def _fall_ill(self, failure: Exception) -> None:
        if self._well:
            log.error("committer.database_away", error=f"{type(failure).__name__}: {failure}"[:300])
        self._well = False
        connection.close()

    def _settle(self, group: list[_Waiting], failed: dict[int, Exception]) -> None:
        """Tell the event loop, once for the whole group."""
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(_tell, group, failed)
        except RuntimeError:  # the loop is closed: nobody waits any more
            log.warning("committer.nobody_waits", arrivals=len(group))

    def _ring_if_due(self) -> None:
        if self._ring_due and time.monotonic() >= self._rung_at + RING_EVERY:
            self._ring()
            self._rung_at = time.monotonic()
            self._ring_due = False


def _seal(group: list[_Waiting]) -> None:
    """Encrypt what is not encrypted yet: after a failure a group is tried again, and was sealed before."""
    plain = [waiting for waiting in group if not waiting.arrival.sealed]
    for waiting, arrival in zip(plain, intake.sealed([one.arrival for one in plain]), strict=True):
        waiting.arrival = arrival


def _tell(group: list[_Waiting], failed: dict[int, Exception]) -> None:
    for position, waiting in enumerate(group):
        if waiting.done():
            continue
        failure = failed.get(position)
        if failure is None:
            waiting.future.set_result(None)
        else:
            waiting.future.set_exception(failure)


@contextmanager
def _asking_for_the_lock_ourselves() -> Iterator[None]:
    """Have SQLite say at once that it is locked."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 0")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(_SESSION["sqlite"])


def _is_lock(failure: Exception) -> bool:
    """Tell whether somebody else holds a lock, so that waiting is all there is to do."""
    cause = failure.__cause__
    if getattr(cause, "sqlstate", None) in _POSTGRESQL_LOCKS:
        return True
    return (getattr(cause, "sqlite_errorcode", 0) & 0xFF) in _SQLITE_LOCKS
