"""This module tests that no world breaks a promise, whatever happens in it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from connectors.metering import METER
from connectors.tallies import TALLIES
from tests.simulation import kernel, orm
from tests.simulation.flow import RETRIED
from tests.simulation.hunt import SEED, Play, Tally, play_all

_TURNS = 4
_SMALL = 600  # worlds of the kernel in a turn
_REAL = 10  # worlds of the real worker in a turn
_RETRIED = 16  # worlds in which an org refuses payments until people retry them


@pytest.mark.parametrize("turn", range(_TURNS))
def test_small_worlds_keep_every_promise(turn: int, tell: Callable[[str], None]) -> None:
    tally, first = Tally(), SEED + turn * _SMALL

    play_all(kernel.play, range(first, first + _SMALL), tally)

    tell(f"kernel, seeds from {first}: {tally}")


@pytest.mark.parametrize("turn", range(_TURNS))
def test_worlds_of_the_real_worker_keep_every_promise(
    turn: int, real_worker: Play, tell: Callable[[str], None]
) -> None:
    tally, first = Tally(), SEED + turn * _REAL

    play_all(real_worker, range(first, first + _REAL), tally)

    tell(f"real worker, seeds from {first}: {tally}")


def test_worlds_in_which_people_retry_from_the_failed_step_keep_every_promise(
    real_worker: Play, tell: Callable[[str], None]
) -> None:
    tally = Tally()
    resumed = 0

    def play(seed: int, _: str | None = None) -> orm.Played:
        nonlocal resumed
        played = real_worker(seed, RETRIED)
        assert isinstance(played, orm.Played)
        resumed += played.resumed
        return played

    play_all(play, [*range(SEED, SEED + _RETRIED), secrets.randbelow(10**9)], tally)

    assert resumed >= _RETRIED // 4
    tell(f"real worker, {resumed} runs from their failed steps: {tally}")


def test_worlds_that_nobody_has_seen_keep_every_promise(
    real_worker: Play, tell: Callable[[str], None]
) -> None:
    first = secrets.randbelow(10**9)
    small, real = Tally(), Tally()

    play_all(kernel.play, range(first, first + 300), small)
    play_all(real_worker, range(first, first + 8), real)

    tell(f"kernel, new seeds from {first}: {small}")
    tell(f"real worker, new seeds from {first}: {real}")


@pytest.mark.parametrize("rig", ["kernel", "real"])
def test_a_seed_tells_a_world_completely(rig: str, real_worker: Play) -> None:
    play: Any = kernel.play if rig == "kernel" else real_worker
    seeds = range(SEED, SEED + 5)

    assert [play(seed) for seed in seeds] == [play(seed) for seed in seeds]
    assert play(SEED).digest != play(SEED + 1).digest


def test_a_seed_tells_a_world_however_slow_the_machine_is(
    real_worker: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = range(SEED, SEED + 3)
    played = [real_worker(seed) for seed in seeds]
    minutes = count(time.monotonic(), 60.0)

    with monkeypatch.context() as slow:
        slow.setattr(time, "monotonic", lambda: next(minutes))
        for counts in (METER, TALLIES):  # which took the clock when they were made
            slow.setattr(counts, "_ticks", lambda: next(minutes))
        again = [real_worker(seed) for seed in seeds]

    assert again == played
