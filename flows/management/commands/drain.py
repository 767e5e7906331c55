"""
This module is the command that works without being rung for.

`work` starts it as its only worker, and beside its pool while Redis is away.
"""

from __future__ import annotations

import signal
import time
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError

from flows import drain
from integrator.processes import collect_rarely, die_with_parent

log = structlog.get_logger(__name__)

PAUSE = 0.5  # seconds between two looks for something to do
SHARD = 0


class Command(BaseCommand):
    """Drain the lanes in this process until SIGTERM or SIGINT."""

    help = (
        "Work in this process alone, looking for something to do twice a second. It needs no doorbell: "
        "`work` starts it if it is to have one worker, and while Redis cannot wake the pool. "
        "Beside a pool it is harmless."
    )
    # They import every page, which takes 40 MB; `serve` makes them.
    requires_system_checks: list[str] = []
    is_stopping = False

    def handle(self, *args: Any, **options: Any) -> None:
        """
        Drain, and look again; whatever goes wrong in one turn is over with it.

        A turn that does not end is ended by the kernel, as the pool ends its jobs; `work` starts it anew.
        """
        die_with_parent()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        collect_rarely()
        while not self.is_stopping:
            signal.alarm(settings.LONGEST_TURN)
            try:
                drain.drain(SHARD, lambda: self.is_stopping)
            except Exception as failure:  # lanes and runs are given back by the next turn
                told = not isinstance(failure, DatabaseError | InterfaceError)
                log.warning("drain.failed", error=type(failure).__name__, exc_info=told)
            signal.alarm(0)
            time.sleep(PAUSE)

    def _stop(self, *_: object) -> None:
        """Let the turn end early; a flag, since setting an event could wait for its own waiter."""
        self.is_stopping = True
