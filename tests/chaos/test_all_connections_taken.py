"""
This module lets requests take all database connections of a web process, and asks it for more.

They take them as in life: each waits for a table that somebody has locked.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from tests.chaos.load import a_charge_event, arrives, post
from tests.chaos.visitor import Visitor
from tests.conftest import POSTGRESQL
from tests.stage import Stage, a_stage, until

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.xdist_group("chaos of pools"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(not POSTGRESQL, reason="with SQLite there is no pool"),
]
POOL = 12  # connections, as the settings say
TAKERS = 2 * POOL
BOUND = 9.0  # seconds: five for a connection, and time for a busy machine
SENDERS_BOUND = 14.0  # seconds: a webhook may wait for its address, then for its commit
SERVES = "SELECT {} FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
TAKEN = SERVES.format("count(*), count(*) FILTER (WHERE wait_event_type = 'Lock')")
END_IDLE_ONES = SERVES.format("pg_terminate_backend(pid)") + " AND state = 'idle'"


class Crowd:
    """Callers of REST who ask for runs again and again."""

    def __init__(self, stage: Stage) -> None:
        self.answers: Counter[int] = Counter()
        self.slowest = 0.0
        self._stage, self._over = stage, threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(TAKERS)]

    def _ask(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            self.answers[rest(self._stage, "runs/").status_code] += 1
            self.slowest = max(self.slowest, time.monotonic() - began)

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)


def rest(stage: Stage, path: str) -> requests.Response:
    head = {"Authorization": f"Bearer {stage.token}"}
    return requests.get(f"{stage.web}/api/v1/{path}", headers=head, timeout=60)


@contextlib.contextmanager
def all_taken(stage: Stage) -> Iterator[tuple[Crowd, psycopg.Connection[Any]]]:
    """Yield once no connection is left, with who takes them and a session beside them; then let all go on."""
    address = stage.env["DATABASE_URL"]
    with psycopg.connect(address) as locking, psycopg.connect(address, autocommit=True) as beside:
        locking.execute("LOCK TABLE flows_run IN ACCESS EXCLUSIVE MODE")
        with Crowd(stage) as crowd:
            try:
                until(lambda: taken(beside), seconds=60, what="all are taken", every=0.05)
                yield crowd, beside
            finally:
                locking.rollback()


def taken(beside: psycopg.Connection[Any]) -> bool:
    """Tell whether the pool has grown to its full size, and all but the few of webhooks and pages wait."""
    there, waiting = beside.execute(TAKEN).fetchall()[0]
    return bool(there - 1 == POOL and waiting >= POOL - 3)  # the one is of whoever has locked the table


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """An installation of whose processes the web process alone runs."""
    with a_stage(tmp_path_factory.mktemp("pools"), postgresql=True) as stage:
        assert stage.kill("work")
        yield stage


def test_whoever_asks_meanwhile_is_told_to_come_back_soon_and_then_is_served(stage: Stage, tmp_path: Path):
    visitor = Visitor(stage)
    assert visitor.page().status_code == 200

    with all_taken(stage) as (crowd, _), ThreadPoolExecutor(2) as asking:
        answer, page = [
            one.result() for one in (asking.submit(rest, stage, "flows/"), asking.submit(visitor.page))
        ]
        took = [one.elapsed.total_seconds() for one in (answer, page)]

    print(f"answered after {took} s; the crowd after at most {crowd.slowest:.1f} s: {dict(crowd.answers)}")
    assert (answer.status_code, page.status_code) == (503, 503)
    assert max(took) < BOUND
    assert all(1 <= int(one.headers["Retry-After"]) <= 60 for one in (answer, page))
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "try again" in answer.json()["detail"].lower()
    assert "try again" in page.text.lower()
    assert "Traceback" not in page.text
    assert set(crowd.answers) <= {200, 503}
    assert rest(stage, "runs/").status_code == 200
    assert visitor.page().status_code == 200


def test_webhooks_keep_their_connection_or_are_turned_away_until_there_is_one(stage: Stage):
    before, kept, refused = (
        json.dumps(a_charge_event(number, f"ch_pool_{number}", int(time.time()), 1999, "succeeded")).encode()
        for number in (1, 2, 3)
    )
    until(lambda: post(stage, before) == 200, seconds=60, what="webhooks come as usual")

    with all_taken(stage) as (_, beside):
        first = post(stage, kept)
        beside.execute(END_IDLE_ONES)  # those of webhooks too: whoever waits for one takes its place
        began = time.monotonic()
        second = post(stage, refused)
        took = time.monotonic() - began
    again = until(lambda: post(stage, refused) == 200, seconds=60, what="events are taken again")
    stage.spawn("work")
    arrives(stage, "ch_pool_after", seconds=90)
    until(stage.settled, seconds=60, what="everything came to rest")

    print(f"turned away after {took:.1f} s, taken {again:.1f} s after there was a connection")
    assert first == 200
    assert second == 503
    assert took < SENDERS_BOUND
    shown = sorted(event["external_id"] for event in stage.whole("events/"))
    assert shown == ["evt_ch_pool_after_1_0", "evt_chaos_1", "evt_chaos_2", "evt_chaos_3"]
    records = sorted(record["External_ID__c"] for record in stage.records())
    assert records == ["ch_pool_1", "ch_pool_2", "ch_pool_3", "ch_pool_after_0"]
