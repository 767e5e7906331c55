"""
This module is the installation that the real worker plays on: SQLite in memory, with a clock of ours.

Migrations run once; each world begins from a copy of the rows. The database's own clock is replaced, so that
leases run out in simulated time, and so are the clocks and the sleeping of the modules that a worker uses.
"""

from __future__ import annotations

import gc
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from types import ModuleType
from typing import Any
from unittest.mock import patch

from django.core.management import call_command
from django.db import connection, connections
from django.utils import timezone

from connectors import gateway, registry
from connectors.base import Connector
from connectors.metering import METER
from connectors.tallies import TALLIES
from flows import context, holds, lanes, payloads, presence, queue, routes, runner
from flows.models import Deployment, FlowVersion, Pair
from flows.plans import compiled
from flows.routes import ROUTES, kept_by
from tests.builders import a_flow, a_pair
from tests.simulation import flow
from tests.simulation.dice import Dice
from tests.simulation.hub import START, Hub

_TIMED: tuple[ModuleType, ...] = (context, gateway, lanes, routes, runner)
_COUNTS = (METER, TALLIES)
_BOOT = "the one boot of this host"


class Clock:
    """What the modules of a worker take for `time`."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def monotonic(self) -> float:
        """Return simulated seconds."""
        return self._hub.seconds

    def sleep(self, seconds: float) -> None:
        """Let the others go on for so long."""
        self._hub.sleep(seconds)


class Installation:
    """A database in memory, and the ways to begin anew on it."""

    def __init__(self, *, migrated: sqlite3.Connection | None = None) -> None:
        """Copy the tables of a database that is `migrated`, or make them."""
        self._rows = sqlite3.connect(":memory:")
        self._memory = connections.create_connection("default")
        self._memory.settings_dict = {**self._memory.settings_dict, "NAME": ":memory:"}
        with self.in_place():
            self._fill(migrated)
            connection.connection.backup(self._rows)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the database in memory into the place of the one that is configured."""
        before = connections["default"]
        connections["default"] = self._memory
        try:
            yield
        finally:
            connections["default"] = before

    def _fill(self, migrated: sqlite3.Connection | None) -> None:
        if migrated is None:
            call_command("migrate", verbosity=0)
        else:
            connection.ensure_connection()
            migrated.backup(connection.connection)
        with patch.object(timezone, "now", lambda: START):
            pair = a_pair()
            self.versions = {through: _a_version(pair, through) for through in (*flow.WAYS, flow.RETRIED)}
        self.pair = pair

    def begin(self, through: str) -> None:
        """Forget what an earlier world left, and let one of the flows be live."""
        self._rows.backup(connection.connection)
        version = self.versions[through]
        Deployment.objects.create(
            flow=version.flow, version=version, pair=self.pair, deployed_at=START, deployed_by="ada"
        )
        gateway.forget_all()
        ROUTES.forget()
        # A process reads these once: in no world, so that the second is like the first.
        compiled(version.pk, version.content_hash)
        kept_by(version.pk, version.content_hash)


def _a_version(pair: Pair, through: str) -> FlowVersion:
    slug = f"payments-{through or 'plain'}"
    return FlowVersion.objects.create(
        flow=a_flow(pair.integration, slug=slug),
        number=1,
        document=flow.document(through),
        content_hash=slug,
        published_at=START,
        published_by="ada",
    )


@contextmanager
def surroundings(hub: Hub, dice: Dice, systems: dict[str, Connector], processes: Any) -> Iterator[None]:
    """
    Put simulated time and the simulated systems around the modules of a worker.

    `processes` says who we are (`this`) and who is alive (`is_alive`).
    """
    connection.connection.create_function("strftime", 2, lambda *_: _as_sqlite_says(hub))
    clock = Clock(hub)
    patches = [
        patch.object(timezone, "now", hub.now),
        patch.object(registry, "load", lambda: systems),
        patch.object(context, "_DICE", dice),
        patch.object(holds, "_DICE", dice),
        patch.object(presence, "this_process", processes.this),
        patch.object(presence, "is_alive", processes.is_alive),
        patch.object(presence, "host", lambda: "host"),
        patch.object(presence, "boot_id", lambda: _BOOT),
        patch.object(payloads, "KEPT", payloads.Kept()),
        patch.object(queue, "ring", lambda **_: True),
        # The actors share one thread: whoever waits for another's lock would wait for ever.
        patch.object(ROUTES, "_lock", nullcontext()),
        # They write when seconds have passed: by a real clock, a slow machine would play another world.
        *(patch.object(counts, "_clock", lambda: hub.now().timestamp()) for counts in _COUNTS),
        *(patch.object(counts, "_ticks", clock.monotonic) for counts in _COUNTS),
        *(patch.object(module, "time", clock) for module in _TIMED),
    ]
    for one in patches:
        one.start()
    _forget_counts()
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        gc.enable()  # a pass that was left in its middle may have kept it off
        for one in reversed(patches):
            one.stop()
        _forget_counts()


def _forget_counts() -> None:
    for counts in _COUNTS:
        counts.forget()


def _as_sqlite_says(hub: Hub) -> str:
    """Return the time as strftime('%Y-%m-%d %H:%M:%f', 'now') does: with milliseconds."""
    return (hub.now() + timedelta(microseconds=500)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def a_process(number: int) -> presence.Process:
    """Return a process of the one host."""
    return presence.Process("host", _BOOT, number, "1")
