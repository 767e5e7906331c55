"""This module lets time run out for some of many things."""

from __future__ import annotations

import asyncio

import pytest

from flows import deadlines
from flows.deadlines import Deadlines


class Thing:
    def __init__(self, *, over: bool = False) -> None:
        self.over = over
        self.expired = False

    def done(self) -> bool:
        return self.over

    def expire(self) -> None:
        self.expired = True
        self.over = True


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "LOOK_EVERY", 0.01)


def watch(watching: Deadlines, things: list[Thing], *, wait: float) -> None:
    async def scene() -> None:
        for thing in things:
            watching.watch(thing)
        await asyncio.sleep(wait)

    asyncio.run(scene())


def test_what_is_not_done_in_time_expires_and_what_is_done_does_not():
    slow, quick, slow_too = Thing(), Thing(over=True), Thing()

    watch(Deadlines(0.05), [slow, quick, slow_too], wait=0.15)

    assert (slow.expired, quick.expired, slow_too.expired) == (True, False, True)


def test_nothing_expires_early():
    thing = Thing()

    watch(Deadlines(5), [thing], wait=0.1)

    assert not thing.expired


def test_what_is_watched_after_a_quiet_time_expires_too():
    watching, late = Deadlines(0.03), Thing()

    async def scene() -> None:
        watching.watch(Thing(over=True))
        await asyncio.sleep(0.1)
        watching.watch(late)
        await asyncio.sleep(0.1)

    asyncio.run(scene())
    assert late.expired
