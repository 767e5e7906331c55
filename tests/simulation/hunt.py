"""This module plays many worlds: as the suite does, in a time that is given, or until one of them breaks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.simulation import kernel, orm
from tests.simulation.installation import Installation
from tests.simulation.judging import Broken

SEED = int(os.environ.get("SIMULATION_SEED", "20261124"))

Play = Callable[..., "kernel.Played | orm.Played"]  # of a seed, and of a way that the flow goes


@dataclass(slots=True)
class Tally:
    """What was played, and how fast."""

    worlds: int = 0
    runs: int = 0
    cpu: float = 0.0  # seconds of one core

    def __str__(self) -> str:
        cpu = max(self.cpu, 1e-9)
        return (
            f"{self.worlds} worlds with {self.runs} runs in {self.cpu:.1f} s of one core: "
            f"{self.worlds / cpu:.0f} worlds/s, {self.runs / cpu:.0f} runs/s"
        )


def play_all(play: Play, seeds: Iterable[int], tally: Tally) -> None:
    """
    Play a world for each of `seeds` and add them to `tally`.

    :raises Broken: at the first that broke a promise; its message says how to play it again
    """
    for seed in seeds:
        began = time.process_time()
        try:
            played = play(seed)
        except Broken as broken:
            raise Broken(f"{broken}\nPlay it again: SIMULATION_SEED={seed} pytest tests/simulation") from None
        tally.worlds += 1
        tally.runs += played.runs
        tally.cpu += time.process_time() - began


def first_broken(play: Play, seeds: Iterable[int], way: str | None) -> int | None:
    """Return the first of `seeds` whose world breaks a promise, or None; see `play` for the `way`."""
    for seed in seeds:
        try:
            play(seed, way)
        except Broken:
            return seed
    return None


def with_real_worker(installation: Installation) -> Play:
    """Return what plays worlds of the real worker."""
    return lambda seed, way=None: orm.play(seed, installation, way)
