"""This module is the command that works without being rung for; `work` starts it while Redis is away."""

from __future__ import annotations

import signal
from typing import Any

import structlog
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError

from flows import drain
from integrator.processes import die_with_parent

log = structlog.get_logger(__name__)

PAUSE = 0.5  # seconds between two looks for something to do
SHARD = 0


class Command(BaseCommand):
    """Drain the lanes in this process until SIGTERM or SIGINT."""

    help = (
        "Work in this process alone, looking for something to do twice a second. It needs no doorbell: "
        "`work` starts it for as long as Redis cannot wake the pool. Beside a pool it is harmless."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Drain, and look again; a database that does not answer is waited for."""
        die_with_parent()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: drain.STOPPING.set())
        while not drain.STOPPING.is_set():
            try:
                drain.drain(SHARD)
            except (DatabaseError, InterfaceError) as failure:
                log.warning("drain.failed", error=type(failure).__name__)
            drain.STOPPING.wait(PAUSE)
