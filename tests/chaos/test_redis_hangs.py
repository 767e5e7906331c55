"""This module lets Redis take every connection and answer nothing, under real processes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.load import arrives
from tests.chaos.visitor import Visitor
from tests.conftest import POSTGRESQL
from tests.stage import a_stage

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.xdist_group("chaos of redis"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(not POSTGRESQL, reason="belongs to the run on PostgreSQL"),
]


@contextlib.contextmanager
def a_silent_redis() -> Iterator[tuple[str, list[socket.socket]]]:
    """Yield the address of a server that says nothing, and the connections that it took."""
    taken: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                taken.append(listening.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"redis://127.0.0.1:{listening.getsockname()[1]}/0", taken
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for one in taken:
                one.close()


def test_while_redis_hangs_payments_arrive_and_pages_stay_live(tmp_path: Path):
    with a_silent_redis() as (address, taken), a_stage(tmp_path, postgresql=True, redis_url=address) as stage:
        visitor = Visitor(stage)
        first = arrives(stage, "ch_first", seconds=90)
        page = visitor.page()
        with visitor.live() as socket:
            later = arrives(stage, "ch_later", seconds=90)
            told = socket.recv(timeout=30)

        print(
            f"payments took {first:.1f} and {later:.1f} s while Redis hung; it was asked {len(taken)} times"
        )
        assert taken
        assert page.status_code == 200
        assert page.elapsed.total_seconds() < 4
        assert told
