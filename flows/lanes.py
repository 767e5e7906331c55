"""
This module leases lanes to workers, so that what belongs to one object is handled by one of them at a time.

A worker holds its lanes under one heartbeat row with an epoch. Whoever was thought dead finds out: the row's
epoch has risen, its lanes are somebody else's, and its closing transaction leaves them alone. All times are
the database's.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Exists, F, Min, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from connectors.metering import METER
from connectors.tallies import TALLIES
from flows import bulk, presence
from flows.models import Lane, LateTarget, Run, TargetLease, Worker
from flows.models.lanes import CONFIRM_AFTER
from flows.statements import Given, Select, Update
from flows.waiting import WaitingPair, lock_fair_shares, lock_suspects, waiting_pairs

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
CALL_DEADLINE = timedelta(seconds=12)  # the longest that one call outward may take
HEARTBEAT = timedelta(seconds=5)
FORGOTTEN = timedelta(hours=1)  # after which the row of a worker that nobody heard of is deleted

# A run that crashed its worker this often while it was the only one in the batch is the culprit.
CRASHES_ALONE = 3


def database_now() -> datetime:
    """Return the database's time, on which all workers agree however their own clocks go."""
    if connection.vendor == "sqlite":
        return timezone.now()  # one host, one clock
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row: tuple[datetime] = cursor.fetchone()
    return row[0]


class WorkerLease:
    """
    The right of this process to hold lanes.

    `moved` says that the drain loop is alive; the heartbeat renews the lease only while that was less than
    a call's deadline ago, so that a hanging worker loses its lanes even though its threads still run.
    """

    def __init__(self, name: str = "") -> None:
        self.process = presence.this_process()
        self.name = name or f"{self.process.host}:{self.process.pid}:{self.process.started_ticks}"
        self.id = 0
        self.epoch = 0
        self.claims = 0  # how often this worker has claimed
        self.holding = False  # whether a pass began and has not ended in order
        self.shaken = False  # whether it was the database that broke it off
        self.leases_targets = False  # whether records are leased that no lane of ours owns
        self.last_pass_at = 0.0  # monotonic
        self.last_pass_runs = 0
        self._moved_at: float | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.register()

    def register(self) -> None:
        """Write the heartbeat row, with a higher epoch than before if there is one."""
        values = {
            "host": self.process.host[:100],
            "boot_id": self.process.boot_id[:40],
            "pid": self.process.pid,
            "started_ticks": self.process.started_ticks[:40],
        }
        with transaction.atomic():
            row, new = Worker.objects.select_for_update().get_or_create(
                name=self.name[:100], defaults={**values, "started_at": Now(), "expires_at": Now() + LEASE}
            )
            if not new:
                Worker.objects.filter(id=row.id).update(epoch=F("epoch") + 1, expires_at=Now() + LEASE)
                row.refresh_from_db(fields=["epoch"])
        self.id, self.epoch = row.id, row.epoch

    def moved(self) -> None:
        """Say that the drain loop is alive."""
        self._moved_at = time.monotonic()

    def rest(self) -> None:
        """Say that the drain loop has ended; lanes that it still holds are lost with the lease."""
        self._moved_at = None

    def recover(self) -> None:
        """
        Give back what an earlier pass left behind when it broke off.

        Their crash stays counted, unless it was the database that went away: that is no fault of a run.
        """
        if not self.holding:
            return
        with transaction.atomic():
            left = Lane.objects.filter(worker=self.id, epoch=self.epoch).locked()
            _broke_off(self.id, list(left.values_list("id", flat=True)), crashed=not self.shaken)
        self.holding = self.shaken = False

    def renew(self) -> bool:
        """Extend the lease and tell whether it is still ours."""
        return bool(self._row().update(expires_at=Now() + LEASE))

    def holds(self) -> bool:
        """Tell whether the lease is ours for as long as a call may take."""
        return bool(_STILL_HELD.values(worker=self.id, epoch=self.epoch)) or self.renew()

    def keep_alive(self) -> None:
        """Start the thread that renews the lease."""
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End in order: give all lanes back, no crash counted, and remove the row."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=HEARTBEAT.total_seconds())
        METER.write()
        TALLIES.write()
        _end(self.id, self.epoch, crashed=False, forget=True)

    def mark_claim(self) -> None:
        """Renew the lease within a claim's transaction, with a new epoch if it had run out."""
        if not _CLAIMED_NOW.run(worker=self.id, epoch=self.epoch):
            self.register()
            _CLAIMED_NOW.run(worker=self.id, epoch=self.epoch)

    def _row(self) -> QuerySet[Worker]:
        return Worker.objects.filter(id=self.id, epoch=self.epoch)

    def is_moving(self) -> bool:
        """Tell whether the drain loop rests and holds nothing, or moved less than a call's deadline ago."""
        if self._moved_at is None:
            return not self.holding
        return time.monotonic() - self._moved_at < CALL_DEADLINE.total_seconds()

    def _beat(self) -> None:
        while not self._stopping.wait(HEARTBEAT.total_seconds()):
            try:
                if self.is_moving():
                    self.renew()
                METER.write()  # not in the drain, where it would be a statement more for each lone event
                TALLIES.write_due()
            except (DatabaseError, InterfaceError) as failure:
                log.warning("heartbeat.failed", error=type(failure).__name__)
                connection.close()
        connection.close()


def _worker() -> QuerySet[Worker]:
    return Worker.objects.filter(id=Given("worker"), epoch=Given("epoch"))


_STILL_HELD = Select(lambda: _worker().filter(expires_at__gt=Now() + CALL_DEADLINE).values_list("id"))
_CLAIMED_NOW = Update(_worker, last_claim_at=Now(), expires_at=Now() + LEASE)


def this_worker() -> WorkerLease:
    """Return the lease of this process, registering it and its heartbeat at the first call."""
    return _lease_of(os.getpid())


@lru_cache(maxsize=1)  # a forked process has another pid, and so a lease of its own
def _lease_of(pid: int) -> WorkerLease:
    lease = WorkerLease()
    lease.keep_alive()
    return lease


# Claims


@dataclass(frozen=True, slots=True)
class Claim:
    """Lanes that are ours until they are released, and the one due run of each."""

    lanes: list[int] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)


def claim(worker: WorkerLease, limit: int, *, now: datetime) -> Claim:
    """
    Lease up to `limit` lanes that have a run due at `now`, one run each: its oldest.

    Pairs whose connections rest are passed over, workspaces get equal shares, the oldest goes first. A
    connection that has rested is tried with a single run: if it is still down, only that one meets it.
    Lanes that a crashed worker held are claimed apart from the healthy, in groups that halve with each
    crash until one run stands alone; every second claim looks for them first, so that neither kind starves.
    """
    worker.claims += 1
    kinds = (False, True) if worker.claims % 2 else (True, False)
    for crashed in kinds:
        pairs = waiting_pairs(now, crashed=crashed)
        if pairs:
            found = _claim(worker, limit, pairs, crashed, now)
            if found.lanes:
                return found
    return Claim()


def _claim(
    worker: WorkerLease, limit: int, pairs: Sequence[WaitingPair], crashed: bool, now: datetime
) -> Claim:
    with transaction.atomic():
        lanes = (lock_suspects if crashed else lock_fair_shares)(limit, pairs, now)
        if not lanes:
            return Claim()
        worker.mark_claim()
        _LEASED.run(lanes=lanes, worker=worker.id, epoch=worker.epoch)
        oldest: dict[int, int] = dict(_OLDEST_DUE.rows(lanes=lanes, now=now))
        idle = [lane for lane in lanes if lane not in oldest]
        if idle:  # what was due has ended in another way
            Lane.objects.release(idle)
        runs = sorted(oldest.values())
        if crashed and len(runs) == 1:
            Run.objects.filter(id=runs[0]).update(crashes_alone=F("crashes_alone") + 1)
        return Claim([lane for lane in lanes if lane in oldest], runs)


def _oldest_due() -> QuerySet[Run, Any]:
    due = Run.objects.due(Given("now")).filter(bulk.among("lane_id", Given("lanes", "bigint")))
    return due.order_by().values_list("lane").annotate(Min("id"))


_LEASED = Update(
    lambda: Lane.objects.filter(bulk.among("id", Given("lanes", "bigint"))),
    worker=Given("worker"),
    epoch=Given("epoch"),
    crashes=F("crashes") + 1,
)
_OLDEST_DUE = Select(_oldest_due)


# Returns


def release(worker: WorkerLease, lanes: Iterable[int]) -> None:
    """Give back lanes whose runs were not begun; those that are no longer ours are left alone."""
    with transaction.atomic():
        _give_back(lock(worker, lanes), crashed=False)


def _give_back(ids: Sequence[int], *, crashed: bool) -> None:
    """Give back locked lanes; of an orderly end nothing is held against a run that stood alone either."""
    Lane.objects.filter(id__in=ids).give_back(crashed=crashed)
    if not crashed:
        alone = Run.objects.filter(lane__in=ids, crashes_alone__gt=0)
        alone.update(crashes_alone=F("crashes_alone") - 1)


def _broke_off(worker: int, lanes: Sequence[int], *, crashed: bool) -> None:
    """Give back what a pass held that was never closed: what it wrote to may be written late."""
    _give_back(lanes, crashed=crashed)
    Lane.objects.unsettled(lanes)
    may_land_late(TargetLease.objects.filter(worker=worker))


def may_land_late(leases: QuerySet[TargetLease]) -> None:
    """End `leases` whose worker is lost, and note that a last call of it may still write their records."""
    ended = list(leases)
    if not ended:
        return
    at = database_now() + CONFIRM_AFTER
    bulk.insert(
        LateTarget,
        ("connection_id", "target", "confirm_at"),
        [(lease.connection_id, lease.target, at) for lease in ended],
        conflict="(connection_id, target) DO UPDATE SET confirm_at = excluded.confirm_at",
        order_by=("connection_id", "target"),
    )
    TargetLease.objects.filter(id__in=[lease.id for lease in ended]).delete()


def lock(worker: WorkerLease, lanes: Iterable[int]) -> list[int]:
    """Lock those of `lanes` that are still ours, for the rest of the caller's transaction."""
    return _HELD.values(lanes=list(lanes), worker=worker.id, epoch=worker.epoch)


def _held() -> QuerySet[Lane, Any]:
    ours = Lane.objects.filter(
        bulk.among("id", Given("lanes", "bigint")), worker=Given("worker"), epoch=Given("epoch")
    )
    return ours.locked().values_list("id")


_HELD = Select(_held)


def expire() -> int:
    """
    Give back the lanes of dead workers and return how many there were.

    A worker is dead when its lease has run out, or sooner when its process on this host is gone: then
    only its last call may still be under way, so the lanes wait for a call's deadline. A host that was
    started anew ended everything in order; no crash is counted.
    """
    now = database_now()
    ended = 0
    for row in Worker.objects.annotate(holds=Exists(Lane.objects.filter(worker=OuterRef("pk")))):
        death = _death(row, now)
        if death and (row.holds or death.forget):
            ended += _end(row.id, row.epoch, crashed=death.crashed, forget=death.forget)
    return ended


@dataclass(frozen=True, slots=True)
class _Death:
    crashed: bool
    forget: bool


def _death(row: Worker, now: datetime) -> _Death | None:
    late = row.expires_at < now
    if row.host != presence.host():
        return _Death(crashed=True, forget=row.expires_at < now - FORGOTTEN) if late else None
    if row.boot_id != presence.boot_id():
        return _Death(crashed=False, forget=True)
    process = presence.Process(row.host, row.boot_id, row.pid, row.started_ticks)
    if not presence.is_alive(process):
        last_call_is_over = row.expires_at - LEASE + HEARTBEAT + CALL_DEADLINE < now
        return _Death(crashed=True, forget=True) if last_call_is_over else None
    return _Death(crashed=True, forget=False) if late else None


def _end(worker: int, epoch: int, *, crashed: bool, forget: bool) -> int:
    """End one lease unless its epoch has risen meanwhile, and return 1 if it was us who ended it."""
    with transaction.atomic():
        if not Worker.objects.filter(id=worker, epoch=epoch).update(epoch=F("epoch") + 1):
            return 0
        lanes = list(Lane.objects.filter(worker=worker).locked().values_list("id", flat=True))
        _broke_off(worker, lanes, crashed=crashed)
        if forget:
            Worker.objects.filter(id=worker).delete()
        return 1
