"""This module is the command that runs the worker pool; `work` starts and watches it."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand
from django_q.cluster import Cluster

from flows import drain
from integrator.processes import collect_rarely, die_with_parent, forks_die_with_parent


class Command(BaseCommand):
    """Run the pool of processes that drain the lanes."""

    help = "Run the worker pool alone, without the supervisor that heals it (use `work` instead)."
    # They import every page, which takes 25 MB of each of its processes; `serve` makes them.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Start the cluster and wait; SIGTERM lets every drain end its batch first."""
        die_with_parent()
        forks_die_with_parent()
        cluster = Cluster()

        def stop(*_: object) -> None:
            drain.STOPPING.set()
            cluster.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        collect_rarely()  # before the forks, so that the pages of what is set aside stay shared with them
        cluster.start()
        if cluster.sentinel is not None:
            cluster.sentinel.join()
