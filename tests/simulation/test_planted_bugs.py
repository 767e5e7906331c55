"""This module tests the rigs: each planted bug has to be found, in no more worlds than it may need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.simulation import bugs, kernel, real_bugs
from tests.simulation.bugs import Bug
from tests.simulation.hunt import SEED, Play, first_broken
from tests.simulation.telling import KERNEL, REAL


def name_of(bug: Bug) -> str:
    return bug.name


def worlds(bug: Bug, telling: Mapping[str, int]) -> Iterator[int]:
    """Yield the seeds to look at: first the one that showed the bug before, then all that it may need."""
    if bug.name in telling:
        yield telling[bug.name]
    yield from range(SEED, SEED + bug.worlds)


def test_there_are_enough_of_them():
    assert len({bug.name for bug in (*bugs.KERNEL, *real_bugs.REAL)}) >= 15


@pytest.mark.parametrize("bug", bugs.KERNEL, ids=name_of)
def test_small_worlds_find_that(bug: Bug, tell: Callable[[str], None]) -> None:
    with bug.plant():
        seed = first_broken(kernel.play, worlds(bug, KERNEL), bug.way)

    assert seed is not None, f"{bug.worlds} worlds did not notice"
    kernel.play(seed, bug.way)  # without the bug the same world is clean
    tell(f"{bug.name}: found by the kernel's world {seed}")


@pytest.mark.parametrize("bug", real_bugs.REAL, ids=name_of)
def test_worlds_of_the_real_worker_find_that(
    bug: Bug, real_worker: Play, tell: Callable[[str], None]
) -> None:
    with bug.plant():
        seed = first_broken(real_worker, worlds(bug, REAL), bug.way)

    assert seed is not None, f"{bug.worlds} worlds did not notice"
    real_worker(seed, bug.way)  # without the bug the same world is clean
    tell(f"{bug.name}: found by the real worker's world {seed}")
