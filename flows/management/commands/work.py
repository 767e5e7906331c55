"""This module is the command that runs the workers under a supervisor that heals them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.core.checks import Tags
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from flows import queue, watchdog
from integrator.processes import Child, Supervisor, die_with_parent

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Restarts:
    """How often the pool was started anew since anything has moved."""

    count: int = 0
    moved_at: datetime | None = None

    def in_vain(self, moved_at: datetime | None) -> int:
        """Return the count, which begins anew when something has moved since the last look."""
        if moved_at != self.moved_at:
            self.count, self.moved_at = 0, moved_at
        return self.count


class Command(BaseCommand):
    """Run the workers: the pool, the sweep that rings for it, the watchdog that restarts it, and `watch`."""

    help = (
        "Run the workers with their supervisor. It judges the pool by its progress and starts it anew, "
        "with the whole process group, when work is ready and nothing is claimed. It runs `watch` as well, "
        "and `drain` while Redis cannot wake the pool. A single worker is `drain` and has no pool."
    )
    # The other checks import every page, which takes 40 MB while this process lives; `serve` makes them.
    requires_system_checks = [Tags.models]

    def handle(self, *args: Any, **options: Any) -> None:
        """Supervise until SIGTERM or SIGINT; then let every drain end its batch."""
        die_with_parent()
        manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
        drain = Child(name="drain", argv=[*manage, "drain"], wanted=settings.LONE_WORKER)
        pool = Child(name="pool", argv=[*manage, "pool"], wanted=not settings.LONE_WORKER)
        watch = Child(name="watch", argv=[*manage, "watch"])
        self.workers = drain if settings.LONE_WORKER else pool
        self.spare = drain
        self.started_at: tuple[int, datetime] = (0, timezone.now())
        self.restarts = Restarts()
        # What waited for a rested connection has been ready for long, but only now may be taken up.
        self.idle_at = timezone.now()
        self.supervisor = Supervisor([pool, watch, drain], tick=self.tick)
        self.supervisor.run()

    def tick(self) -> None:
        """Sweep and judge, once a second; a database that does not answer is waited for."""
        now = timezone.now()
        if self.workers.starts != self.started_at[0]:
            self.started_at = (self.workers.starts, now)
        try:
            state = watchdog.sweep()
        except (DatabaseError, InterfaceError) as failure:
            log.warning("sweep.failed", error=str(failure))
            connection.close()
            return
        away = (state.ready or self.spare.wanted) and not queue.can_ring()
        self.spare.wanted = away or settings.LONE_WORKER
        if not state.ready:
            self.idle_at = now
        since = max(self.started_at[1], self.idle_at)
        in_vain = self.restarts.in_vain(state.moved_at)
        reason = watchdog.stuck(state, now=now, pool_started_at=since, restarts=in_vain)
        if reason:
            self.restarts.count += 1
            self.supervisor.restart(self.workers.name, reason=reason)
