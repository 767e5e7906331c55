"""This module looks at how arrivals are grouped, and at what happens when a commit does not succeed."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

import pytest
from django.db import OperationalError, connection

from flows import committer as committing
from flows import intake
from flows.committer import Committer, Full
from flows.intake import Arrival, Delivery, Kept
from flows.models import Event
from tests.builders import NOON, a_connection

pytestmark = pytest.mark.django_db(transaction=True)


class Disk:
    """Keeps arrivals as intake does, and lets a test hold or fail the groups."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.failures: list[Exception] = []
        self.free = threading.Event()
        self.free.set()

    def keep(self, arrivals: Sequence[Arrival]) -> Kept:
        self.groups.append([arrival.delivery.external_id for arrival in arrivals])
        self.free.wait(10)
        if self.failures:
            raise self.failures.pop(0)
        return intake.keep(arrivals)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def arrive() -> Callable[..., Arrival]:
    stripe = a_connection()
    return lambda number, body=b"{}": Arrival(stripe.pk, Delivery(f"evt_{number}", body), NOON)


def run(committer: Committer, scene: Callable[[], object]) -> object:
    """Play `scene` in an event loop with the committer running."""

    async def play() -> object:
        committer.start()
        while not committer.ready():
            await asyncio.sleep(0.01)
        try:
            return await asyncio.wait_for(scene(), 20)
        finally:
            await asyncio.to_thread(committer.stop)

    return asyncio.run(play())


def test_a_lone_arrival_is_committed_at_once(disk, arrive):
    committer = Committer(ring=lambda: None, keep=disk.keep)

    async def scene() -> None:
        await committer.offer(arrive(1))

    run(committer, scene)
    assert Event.objects.get().external_id == "evt_1"


def test_what_arrives_during_a_commit_forms_the_next_one(disk, arrive):
    committer = Committer(ring=lambda: None, keep=disk.keep)

    async def scene() -> None:
        disk.free.clear()
        waiting = [committer.offer(arrive(0))]
        while not disk.groups:
            await asyncio.sleep(0.01)
        waiting += [committer.offer(arrive(number)) for number in (1, 2, 3)]
        disk.free.set()
        await asyncio.gather(*waiting)

    run(committer, scene)
    assert disk.groups == [["evt_0"], ["evt_1", "evt_2", "evt_3"]]


def test_nothing_is_said_before_it_is_on_disk(disk, arrive):
    committer = Committer(ring=lambda: None, keep=disk.keep)

    async def scene() -> bool:
        disk.free.clear()
        promised = committer.offer(arrive(1))
        await asyncio.sleep(0.2)
        early = promised.done()
        disk.free.set()
        await promised
        return early

    assert run(committer, scene) is False


@pytest.mark.parametrize(
    "lost", [OperationalError("the server closed the connection"), OperationalError("disk full")]
)
def test_a_lost_connection_is_opened_again_and_the_group_tried_anew(disk, arrive, lost):
    committer = Committer(ring=lambda: None, keep=disk.keep)
    disk.failures = [lost, lost]

    async def scene() -> None:
        await committer.offer(arrive(1))

    run(committer, scene)
    assert Event.objects.count() == 1
    assert len(disk.groups) == 3


def test_bodies_are_sealed_once_and_before_the_database_is_asked(disk, arrive):
    asked: list[list[bytes]] = []

    def keep(arrivals: Sequence[Arrival]) -> Kept:
        asked.append([arrival.sealed for arrival in arrivals])
        return disk.keep(arrivals)

    committer = Committer(ring=lambda: None, keep=keep)
    disk.failures = [OperationalError("database is locked")]

    async def scene() -> None:
        await committer.offer(arrive(1, b'{"a": 1}'))

    run(committer, scene)
    assert asked[0] == asked[1] == [bytes(Event.objects.get().body)]


def test_a_lock_is_asked_for_again_and_again_and_waited_for_by_nobody(arrive, on_postgresql):
    """Were SQLite left to wait for it, it would ask ten times a second at last, and miss it many times."""
    if on_postgresql:
        pytest.skip("PostgreSQL locks rows, and lets whoever waits know")
    patience: list[int] = []

    def keep(arrivals: Sequence[Arrival]) -> Kept:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout")
            patience.append(cursor.fetchone()[0])
        return intake.keep(arrivals)

    committer = Committer(ring=lambda: None, keep=keep)

    async def scene() -> None:
        with a_locked_database():
            kept = committer.offer(arrive(1))
            while len(patience) < 20:
                await asyncio.sleep(0.01)
            assert not kept.done()
        await kept

    run(committer, scene)
    assert Event.objects.count() == 1
    assert set(patience) == {0}
    assert committing.ASK_AGAIN <= 0.005


@pytest.mark.parametrize(
    ("held", "kept"), [pytest.param(0.3, 1, id="soon"), pytest.param(60.0, 0, id="never")]
)
def test_an_orderly_stop_waits_a_little_for_a_lock(arrive, on_postgresql, held, kept):
    if on_postgresql:
        pytest.skip("PostgreSQL has no lock that would hold up every arrival")
    assert committing.LAST_PATIENCE <= 1.0
    committer = Committer(ring=lambda: None)
    locked, ended = threading.Event(), threading.Event()

    async def scene() -> None:
        waiting = asyncio.ensure_future(asyncio.to_thread(hold_a_lock, locked, ended, held))
        await asyncio.to_thread(locked.wait, 10)
        committer.offer(arrive(1)).add_done_callback(lambda future: future.exception())
        await asyncio.to_thread(committer.stop)
        ended.set()
        await waiting

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(committing, "LAST_PATIENCE", 8.0 if kept else 0.3)  # either way with time to spare
        run(committer, scene)
    assert Event.objects.count() == kept


def test_a_connection_that_the_server_ended_is_replaced(arrive, on_postgresql):
    if not on_postgresql:
        pytest.skip("SQLite has no server that could end a connection")
    pids: list[int] = []

    def keep(arrivals: Sequence[Arrival]) -> Kept:
        pids.append(connection.connection.info.backend_pid)
        return intake.keep(arrivals)

    committer = Committer(ring=lambda: None, keep=keep)

    async def scene() -> None:
        await committer.offer(arrive(1))
        await asyncio.to_thread(end_connection, pids[0])
        await committer.offer(arrive(2))

    run(committer, scene)
    assert Event.objects.count() == 2
    assert len(set(pids)) == 2


def test_a_bug_fails_its_group_and_the_next_one_is_kept(disk, arrive):
    committer = Committer(ring=lambda: None, keep=disk.keep)
    disk.failures = [ZeroDivisionError()]

    async def scene() -> None:
        with pytest.raises(ZeroDivisionError):
            await committer.offer(arrive(1))
        await committer.offer(arrive(2))

    run(committer, scene)
    assert Event.objects.get().external_id == "evt_2"


def test_a_doorbell_that_fails_does_not_end_the_thread(disk, arrive):
    def ring() -> None:
        raise ZeroDivisionError

    committer = Committer(ring=ring, keep=disk.keep)

    async def scene() -> None:
        await committer.offer(arrive(1))
        await committer.offer(arrive(2))

    run(committer, scene)
    assert Event.objects.count() == 2


def test_only_the_arrival_that_cannot_be_kept_fails(disk, arrive):
    committer = Committer(ring=lambda: None, keep=disk.keep)
    homeless = Arrival(10**9, Delivery("evt_2", b"{}"), NOON)

    async def scene() -> list[object]:
        waiting = [committer.offer(arrive(1)), committer.offer(homeless), committer.offer(arrive(3))]
        return await asyncio.gather(*waiting, return_exceptions=True)

    first, second, third = run(committer, scene)
    assert (first, third) == (None, None)
    assert isinstance(second, Exception)


def test_an_arrival_that_nobody_waits_for_is_dropped(disk, arrive):
    committer = Committer(ring=lambda: None, keep=disk.keep)

    async def scene() -> None:
        disk.free.clear()
        first = committer.offer(arrive(1))
        while not disk.groups:
            await asyncio.sleep(0.01)
        committer.offer(arrive(2)).cancel()
        disk.free.set()
        await first
        await committer.offer(arrive(3))

    run(committer, scene)
    assert sorted(Event.objects.values_list("external_id", flat=True)) == ["evt_1", "evt_3"]


@pytest.mark.parametrize("limits", [{"longest_queue": 2}, {"most_bytes": 20}])
def test_the_queue_has_an_end(disk, arrive, limits):
    committer = Committer(ring=lambda: None, keep=disk.keep, **limits)

    async def scene() -> None:
        disk.free.clear()
        held = [committer.offer(arrive(0))]
        while not disk.groups:
            await asyncio.sleep(0.01)
        held += [committer.offer(arrive(number, b"x" * 10)) for number in (1, 2)]
        with pytest.raises(Full):
            committer.offer(arrive(3))
        disk.free.set()
        await asyncio.gather(*held)
        await committer.offer(arrive(4))

    run(committer, scene)
    assert Event.objects.count() == 4


def test_one_ring_serves_several_groups_but_none_is_left_out(disk, arrive, monkeypatch):
    monkeypatch.setattr(committing, "RING_EVERY", 1.0)  # so that 30 commits take less on any machine
    rings: list[int] = []
    committer = Committer(ring=lambda: rings.append(Event.objects.count()), keep=disk.keep)

    async def scene() -> None:
        for number in range(30):
            await committer.offer(arrive(number))
        while rings[-1] < 30:
            await asyncio.sleep(0.01)

    run(committer, scene)
    assert len(rings) < 30


def test_duplicates_ring_nothing(disk, arrive):
    rings: list[str] = []
    committer = Committer(ring=lambda: rings.append("ring"), keep=disk.keep)

    async def scene() -> None:
        await committer.offer(arrive(1))
        await asyncio.sleep(0.1)
        await committer.offer(arrive(1))
        await asyncio.sleep(0.1)

    run(committer, scene)
    assert rings == ["ring"]


def test_every_commit_is_durable(arrive, on_postgresql):
    settings: list[object] = []

    def keep(arrivals: Sequence[Arrival]) -> Kept:
        with connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit" if on_postgresql else "PRAGMA synchronous")
            settings.append(cursor.fetchone()[0])
        return intake.keep(arrivals)

    committer = Committer(ring=lambda: None, keep=keep)

    async def scene() -> None:
        await committer.offer(arrive(1))

    run(committer, scene)
    assert settings == ["on" if on_postgresql else 2]  # 2 is FULL


def test_an_orderly_stop_commits_what_is_waiting(disk, arrive):
    committer = Committer(ring=lambda: None, keep=disk.keep)

    async def scene() -> None:
        for number in range(committing.LARGEST_GROUP + 5):
            committer.offer(arrive(number))

    run(committer, scene)
    assert Event.objects.count() == committing.LARGEST_GROUP + 5


@contextmanager
def a_locked_database() -> Iterator[None]:
    """Hold SQLite's one lock, as a worker does that writes."""
    path = connection.settings_dict["NAME"]
    with closing(sqlite3.connect(path, isolation_level=None, uri=True, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def hold_a_lock(locked: threading.Event, ended: threading.Event, seconds: float) -> None:
    with a_locked_database():
        locked.set()
        ended.wait(seconds)


def end_connection(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 1000)", [pid])
    connection.close()
