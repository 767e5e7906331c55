"""Known endpoints are served whatever strangers ask for, and for a while whatever the database does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import pytest
from django.db import OperationalError

from flows import endpoints
from flows.endpoints import Endpoint, Endpoints, Secret, Unavailable

OURS = Endpoint(7, (Secret(1, b"whsec", None),))


class Database:
    """What `Endpoints` reads: it counts, and can be slow, away, or changed."""

    def __init__(self) -> None:
        self.rows = {"ours": OURS}
        self.readings = 0
        self.away = False
        self.answers = threading.Event()
        self.answers.set()

    def __call__(self) -> dict[str, Endpoint]:
        self.readings += 1
        self.answers.wait(60)
        if self.away:
            raise OperationalError("away")
        return dict(self.rows)


class Clock:
    """The clock of `Endpoints`, on which a test lets time pass: no busy machine makes it pass faster."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Keep what is known for minutes, and wait for readings that will end as long as they take."""
    for name, seconds in {"KEEP_FOR": 60.0, "LONGEST_KEPT": 600.0, "PATIENCE": 60.0}.items():
        monkeypatch.setattr(endpoints, name, seconds)
    made = Clock()
    monkeypatch.setattr(endpoints, "time", made)
    return made


@pytest.fixture
def database() -> Database:
    return Database()


def with_endpoints(database: Database, act: Callable[[Endpoints], Awaitable[None]]) -> None:
    async def run() -> None:
        known = Endpoints(load=database, show_use=lambda *_: None)
        try:
            await act(known)
        finally:
            database.answers.set()
            await asyncio.to_thread(known.close)

    asyncio.run(run())


def test_a_thousand_made_up_addresses_cost_one_reading(database):
    async def act(known: Endpoints) -> None:
        found = await asyncio.gather(*(known.get(f"stranger{n}") for n in range(1000)), known.get("ours"))
        assert found == [None] * 1000 + [OURS]

    begun = time.monotonic()
    with_endpoints(database, act)
    # A busy machine may take longer than the time after which a stranger's question is worth a reading.
    assert 1 <= database.readings <= 1 + (time.monotonic() - begun) // endpoints.ASK_AGAIN_AFTER


def test_a_new_endpoint_is_found_as_soon_as_somebody_asks_for_it(database, clock):
    async def act(known: Endpoints) -> None:
        await known.get("ours")
        database.rows["new"] = OURS
        clock.ahead += endpoints.ASK_AGAIN_AFTER + 0.01
        assert await known.get("new") == OURS

    with_endpoints(database, act)


@pytest.mark.parametrize("trouble", ["slow", "away"])
def test_a_known_endpoint_is_served_for_a_while_without_the_database(database, clock, trouble, monkeypatch):
    monkeypatch.setattr(endpoints, "PATIENCE", 0.1)  # the slow database does not answer however long it has

    async def act(known: Endpoints) -> None:
        await known.get("ours")
        database.away = trouble == "away"
        if trouble == "slow":
            database.answers.clear()
        clock.ahead += endpoints.KEEP_FOR
        assert known.remembered("ours") is None
        assert await asyncio.wait_for(known.get("ours"), 60) == OURS
        clock.ahead += endpoints.LONGEST_KEPT
        with pytest.raises((Unavailable, TimeoutError)):
            await asyncio.wait_for(known.get("ours"), 0.2)

    with_endpoints(database, act)


def test_whether_a_stranger_exists_is_not_guessed_while_the_database_is_away(database, clock):
    async def act(known: Endpoints) -> None:
        await known.get("ours")
        database.away = True
        clock.ahead += endpoints.ASK_AGAIN_AFTER + 0.01
        for _ in range(50):
            with pytest.raises(Unavailable):
                await known.get("stranger")

    begun = time.monotonic()
    with_endpoints(database, act)
    assert database.readings <= 3 + (time.monotonic() - begun) // endpoints.ASK_AGAIN_AFTER


def test_what_has_just_been_rolled_is_not_answered_from_memory(database, clock):
    async def act(known: Endpoints) -> None:
        await known.get("ours")
        database.away = True
        clock.ahead += endpoints.ASK_AGAIN_AFTER + 0.01
        with pytest.raises(Unavailable):
            await known.get("ours", anew=True)

    with_endpoints(database, act)


def test_an_endpoint_that_is_gone_is_served_no_longer(database, clock):
    async def act(known: Endpoints) -> None:
        await known.get("ours")
        database.rows.clear()
        clock.ahead += endpoints.KEEP_FOR
        assert await known.get("ours") is None

    with_endpoints(database, act)


def test_a_reading_that_ends_at_this_very_moment_is_learnt_at_once(database, monkeypatch):
    async def act(known: Endpoints) -> None:
        loop = asyncio.get_running_loop()
        reading = loop.create_future()
        with monkeypatch.context() as patch:
            patch.setattr(loop, "run_in_executor", lambda *_: reading)
            first = asyncio.create_task(known.get("ours"))
            await asyncio.sleep(0)
            reading.set_result(database.rows)
            assert await known.get("stranger") is None  # before any callback of the reading has run
        assert await first == OURS

    with_endpoints(database, act)
