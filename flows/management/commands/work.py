"""This module is the command that runs the workers under a supervisor that heals them."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from flows import queue, watchdog
from integrator.processes import Child, Supervisor, die_with_parent

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    """Run the workers: the pool, the sweep that rings for it, the watchdog that restarts it, and `watch`."""

    help = (
        "Run the workers with their supervisor. It judges the pool by its progress and starts it anew, "
        "with the whole process group, when work is ready and nothing is claimed. It runs `watch` as well, "
        "and `drain` while Redis cannot wake the pool."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Supervise until SIGTERM or SIGINT; then let every drain end its batch."""
        die_with_parent()
        manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
        self.pool = Child(name="pool", argv=[*manage, "pool"])
        watch = Child(name="watch", argv=[*manage, "watch"])
        self.spare = Child(name="drain", argv=[*manage, "drain"], wanted=False)
        self.pool_started_at: tuple[int, datetime] = (0, timezone.now())
        # What waited for a rested connection has been ready for long, but only now may be taken up.
        self.idle_at = timezone.now()
        self.supervisor = Supervisor([self.pool, watch, self.spare], tick=self.tick)
        self.supervisor.run()

    def tick(self) -> None:
        """Sweep and judge, once a second; a database that does not answer is waited for."""
        now = timezone.now()
        if self.pool.starts != self.pool_started_at[0]:
            self.pool_started_at = (self.pool.starts, now)
        try:
            state = watchdog.sweep()
        except (DatabaseError, InterfaceError) as failure:
            log.warning("sweep.failed", error=str(failure))
            connection.close()
            return
        self.spare.wanted = (state.ready or self.spare.wanted) and not queue.can_ring()
        if not state.ready:
            self.idle_at = now
        since = max(self.pool_started_at[1], self.idle_at)
        reason = watchdog.stuck(state, now=now, pool_started_at=since)
        if reason:
            self.supervisor.restart("pool", reason=reason)
