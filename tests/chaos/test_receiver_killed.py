"""This module kills the receiver's process at random and looks for what it had acknowledged."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from django.db import connection

from flows.models import Event
from tests.receiving import an_endpoint, an_event, signed
from tests.stage import until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.chaos,
    pytest.mark.xdist_group("chaos of storms"),
]


def database_url() -> str:
    """Return the address of the database that this test uses, for another process."""
    if connection.vendor == "sqlite":
        return f"sqlite:///{connection.settings_dict['NAME']}"
    place = connection.settings_dict
    return f"postgres://{place['USER']}@{place['HOST']}:{place['PORT']}/{place['NAME']}"


@contextlib.contextmanager
def a_process() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["uvicorn", "tests.chaos.receiver_alone:application", "--log-level", "warning"]
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "--port", str(port)],
        env=os.environ | {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "tests.settings"},
    )
    try:
        yield process, port
    finally:
        process.kill()
        process.wait()


class Sender(threading.Thread):
    """
    Posts events one after the other and remembers those that were acknowledged.

    It is `cut_off` if it was still posting when nobody answered any more.
    """

    def __init__(self, port: int, path: str, numbers: Iterator[int]) -> None:
        super().__init__()
        self.acknowledged: list[str] = []
        self.answers: set[int] = set()
        self.cut_off = False
        self._port = port
        self._path = path
        self._numbers = numbers

    def run(self) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        with contextlib.closing(line):
            try:
                for number in self._numbers:
                    self._post(line, number)
            except (OSError, http.client.HTTPException):
                self.cut_off = True

    def _post(self, line: http.client.HTTPConnection, number: int) -> None:
        body = an_event(number)
        headers = {"Content-Type": "application/json", "Stripe-Signature": signed(body)}
        line.request("POST", self._path, body, headers)
        with line.getresponse() as answer:
            answer.read()
        self.answers.add(answer.status)
        if answer.status == 200:
            self.acknowledged.append(f"evt_{number}")
        elif answer.status == 503:  # it is still starting
            time.sleep(0.05)


def wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    pytest.fail("The receiver does not listen.")


@pytest.mark.parametrize("seed", range(3))
def test_what_was_acknowledged_is_on_disk_although_the_process_was_killed(seed):
    path = str(an_endpoint())

    with a_process() as (process, port):
        wait_until_it_listens(port)
        senders = [Sender(port, path, iter(range(n * 100_000, (n + 1) * 100_000))) for n in range(8)]
        for sender in senders:
            sender.start()
        until(
            lambda: sum(len(sender.acknowledged) for sender in senders) > 50,
            seconds=60,
            what="events pour in",
        )
        time.sleep(random.Random(seed).random())
        posting = [sender.is_alive() for sender in senders]
        process.send_signal(signal.SIGKILL)
        ended = process.wait()
        for sender in senders:
            sender.join()

    acknowledged = {event for sender in senders for event in sender.acknowledged}
    assert ended == -signal.SIGKILL
    assert posting == [True] * len(senders)
    assert [sender.cut_off for sender in senders] == posting
    assert len(acknowledged) > 50
    assert acknowledged <= set(Event.objects.values_list("external_id", flat=True))
    assert set.union(*(sender.answers for sender in senders)) <= {200, 503}
