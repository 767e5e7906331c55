"""
This module runs what has to be done now and then: each duty in a thread, and with a database connection,
of its own, so that one that hangs or fails harms no other.

Several watching processes may run on several hosts. For each duty one of them acts, under a lease that the
database's clock ends; the others stand by.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import Error, connection
from django.utils import timezone

from flows import presence
from integrator import logs
from monitoring.models import FAILURE_LENGTH, Duty

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
RENEW_EVERY = 10.0  # seconds between two looks at the lease
LONGEST_PAUSE = 60.0  # seconds between two tries of a duty that fails
GRACE = 8.0  # seconds in which a duty that was begun may end


@dataclass(frozen=True, slots=True)
class Task:
    """Something to be done every `every` seconds. It gets the time and does a bounded piece of work."""

    name: str
    every: float
    run: Callable[[datetime], object]


class Watch:
    """The duties of one process."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        process = presence.this_process()
        self.holder = f"{process.host}:{process.pid}:{process.started_ticks}"[-120:]
        self._stopping = threading.Event()
        self._keepers = [_Keeper(task, self.holder, self._stopping) for task in tasks]

    def start(self) -> None:
        """Begin."""
        for keeper in self._keepers:
            keeper.thread.start()

    def stop(self) -> None:
        """Let what was begun end, then let another process take over at once."""
        self._stopping.set()
        deadline = time.monotonic() + GRACE
        for keeper in self._keepers:
            if keeper.thread.is_alive():
                keeper.thread.join(timeout=max(0.0, deadline - time.monotonic()))
        try:
            Duty.objects.give_back(holder=self.holder)
        except Error as failure:  # the leases end by themselves
            log.warning("watch.not_given_back", error=type(failure).__name__)
        connection.close()


class _Keeper:
    """One duty and its thread."""

    def __init__(self, task: Task, holder: str, stopping: threading.Event) -> None:
        self.task, self.holder = task, holder
        self.thread = threading.Thread(target=self._keep, name=task.name, daemon=True)
        self._stopping = stopping
        self._looked_at = float("-inf")
        self._mine = False
        self._failures = 0

    def _keep(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            pause = self._once()
            if pause >= RENEW_EVERY:
                connection.close()  # a server has room for so many, and most duties rest most of the time
        connection.close()

    def _once(self) -> float:
        """Do the duty if it is ours, and return how long to pause."""
        try:
            if not self._is_mine():
                return RENEW_EVERY
            with logs.bind(duty=self.task.name):
                self.task.run(timezone.now())
            if self._failures:
                self._note("")
        except Exception as failure:  # one that fails is tried again, and the others never notice
            return self._failed(failure)
        self._failures = 0
        return self.task.every

    def _is_mine(self) -> bool:
        if time.monotonic() - self._looked_at >= RENEW_EVERY:
            self._looked_at = time.monotonic()
            self._mine = Duty.objects.take(self.task.name, holder=self.holder, lease=LEASE)
        return self._mine

    def _failed(self, failure: Exception) -> float:
        self._failures += 1
        self._looked_at = float("-inf")
        log.warning("duty.failed", duty=self.task.name, error=type(failure).__name__, exc_info=failure)
        connection.close()  # it may be what is broken
        if not isinstance(failure, Error):
            self._note(type(failure).__name__)
        return min(LONGEST_PAUSE, self.task.every * float(2 ** min(self._failures, 6)))

    def _note(self, failure: str) -> None:
        """Say in the row how it went: only the sort of failure, since the row is shown to all workspaces."""
        try:
            failed_at = timezone.now() if failure else None
            Duty.objects.filter(name=self.task.name).update(
                failed_at=failed_at, failure=failure[:FAILURE_LENGTH]
            )
        except Error:
            connection.close()
