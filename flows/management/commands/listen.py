"""This module is the command that listens to the event buses of the orgs."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from flows.listening import PATIENCE, Listener
from flows.polling import Poller
from integrator.processes import die_with_parent


class Command(BaseCommand):
    """Listen until SIGTERM or SIGINT."""

    help = (
        "Listen to Salesforce: platform events and changes of records, for the topics that somebody chose "
        "on a connection's page. Several may run; each topic is heard by one of them. Objects that somebody "
        "chose to be polled are asked for here as well."
    )
    requires_system_checks: list[str] = []  # they would import every page; `serve` makes them

    def handle(self, *args: Any, **options: Any) -> None:
        """Hear topics and poll objects; a stop lets them go, so that another listener has them at once."""
        die_with_parent()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        poller = threading.Thread(target=Poller().run, args=(stop,), name="poller", daemon=True)
        poller.start()
        Listener().run(stop)
        poller.join(PATIENCE)
