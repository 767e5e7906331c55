"""This module measures how many runs and worlds of the simulation one core plays in a second (W)."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.tables import Table

SEED = 20_261_201
MINUTES = 0.25
RIGS = {"kernel": "the kernel's model", "real": "the real worker with its database"}
TOLD = re.compile(r"(?P<worlds>\d+) worlds/s, (?P<runs>\d+) runs/s$", re.MULTILINE)
COLUMNS = {"worlds": ("worlds/s", ",.0f"), "runs": ("runs in them/s", ",.0f")}


def report(asked: Asked) -> Measured:
    """Play worlds of each kind in processes of their own, with other seeds in each round."""
    table = Table("simulation, on one core", COLUMNS)
    for number in range(asked.rounds):
        for rig, words in RIGS.items():
            table.add(words, _played(rig, SEED + 1_000_000 * number))
    figures = {f"W.{rig}": table.figure(words, "runs") for rig, words in RIGS.items()}
    return Measured([table], figures)


def _played(rig: str, seed: int) -> dict[str, float]:
    """
    Return how many worlds and runs were played in a second of processor time.

    :raises CalledProcessError: if a world broke a promise, with what it printed
    """
    command = [sys.executable, "-m", "tests.simulation", "--rig", rig, "--seed", str(seed)]
    done = subprocess.run(
        [*command, "--minutes", str(MINUTES)], capture_output=True, text=True, check=True, timeout=600
    )
    *_, last = TOLD.finditer(done.stdout)
    return {name: float(value) for name, value in last.groupdict().items()}
