"""This module tests that no world breaks a promise, whatever happens in it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from tests.simulation import kernel
from tests.simulation.hunt import SEED, Play, Tally, play_all

_TURNS = 4
_SMALL = 600  # worlds of the kernel in a turn
_REAL = 10  # worlds of the real worker in a turn


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
