"""This module kills who hears a topic and cuts the streams, and looks for what happened meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from connectors.models import Topic
from flows.models import Event
from tests.chaos.test_receiver_killed import database_url
from tests.journeys.an_org import AnOrg, an_org
from tests.journeys.bridge import serving_both
from tests.stage import until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.chaos,
    pytest.mark.xdist_group("chaos of storms"),
]

KILLS = 2
PATIENCE = 120.0  # this machine may be busy with others; what is promised is judged below
PROMISED = 30.0  # seconds until another hears
WHOLE = 3.0  # seconds for which a stream lasts
CUTS = 2


def a_listener() -> subprocess.Popen[bytes]:
    """Start `manage.py listen` on the database of this test."""
    environment = {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "tests.settings"}
    return subprocess.Popen([sys.executable, "-m", "django", "listen"], env=os.environ | environment)


@contextmanager
def two_listeners() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes = [a_listener(), a_listener()]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def holder() -> tuple[str, int]:
    """Return who hears the topic now: the name of the lease, and the process; nobody has no name."""
    topic = Topic.objects.get()
    held = topic.lease_until is not None and topic.lease_owner
    return (topic.lease_owner, int(topic.listener.rpartition(":")[2])) if held else ("", 0)


def hears(org: AnOrg) -> bool:
    return bool(holder()[0]) and len(org.service.look("pubsub")["streams"]) > 0


class Office(threading.Thread):
    """People who make records without a pause, over a line that breaks every few seconds."""

    def __init__(self, org: AnOrg) -> None:
        super().__init__(daemon=True)
        self.made: list[str] = []
        self.cut = 0  # streams that were heard, and ended
        self._org = org
        self._over = threading.Event()

    def run(self) -> None:
        whole_until = time.monotonic() + WHOLE
        while not self._over.wait(0.05):
            self.made.append(self._org.create(f"No. {len(self.made)}"))
            if time.monotonic() > whole_until:
                status = ("UNAVAILABLE", "OK")[self.cut % 2]
                self.cut += self._org.service.turn("pubsub/cut", status=status)["cut"]
                whole_until = time.monotonic() + WHOLE

    def close(self) -> None:
        self._over.set()
        self.join()


def test_whoever_is_killed_and_whatever_is_cut_nothing_is_lost_or_kept_twice() -> None:
    with serving_both() as services, an_org(*services) as org, two_listeners() as processes:
        until(lambda: hears(org), seconds=PATIENCE, what="somebody listens")
        office = Office(org)
        office.start()
        for _ in range(KILLS):
            took = kill_whoever_hears(processes, org, office)
            assert took < PROMISED
        until(lambda: office.cut >= CUTS, seconds=PATIENCE, what="streams break")
        office.close()

        until(lambda: Event.objects.count() >= len(office.made), seconds=PATIENCE, what="everything is kept")
        told = sorted(Event.objects.values_list("type", "object_id"))
        assert told == sorted(("Account.created", id) for id in office.made)


def kill_whoever_hears(processes: list[subprocess.Popen[bytes]], org: AnOrg, office: Office) -> float:
    """
    Kill the process that hears, start another in its place, and return after how long somebody heard.

    Something happens in the org before that is done with, so that there is something to miss.
    """
    owner, pid = holder()
    victim = next(process for process in processes if process.pid == pid)
    psutil.Process(pid).kill()
    assert victim.wait() == -signal.SIGKILL
    begun, made = time.monotonic(), len(office.made)
    until(lambda: len(office.made) > made, seconds=PATIENCE, every=0.01, what="somebody makes a record")
    processes[processes.index(victim)] = a_listener()

    def another() -> bool:
        found, by = holder()
        return bool(found) and found != owner and by != pid and hears(org)

    until(another, seconds=PATIENCE, what="another listens", found=lambda: list(Topic.objects.values()))
    return time.monotonic() - begun
