"""This module plays worlds for as long as one likes: python -m tests.simulation --minutes 10 --seed 1."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from itertools import count

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
os.environ.pop("DATABASE_URL", None)  # the database is in memory, whatever is configured

import django

django.setup()

from tests.simulation import hunt, kernel  # noqa: E402  # Django has to be ready before
from tests.simulation.installation import Installation  # noqa: E402  # as above
from tests.simulation.judging import Broken  # noqa: E402  # as above

_AT_ONCE = {"kernel": 500, "real": 20}  # worlds between two lines


def main(arguments: list[str]) -> int:
    """Play until the time is over or a world breaks a promise; return 1 in that case."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=None, help="of the first world; random without it")
    parser.add_argument("--rig", choices=[*_AT_ONCE, "both"], default="both")
    given = parser.parse_args(arguments)
    seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    print(f"The first seed is {seed}.", flush=True)
    rigs = list(_AT_ONCE) if given.rig == "both" else [given.rig]
    tallies = {rig: hunt.Tally() for rig in rigs}
    installation = Installation()
    plays = {"kernel": kernel.play, "real": hunt.with_real_worker(installation)}
    ends = time.monotonic() + given.minutes * 60
    with installation.in_place():
        for turn in count():
            rig = rigs[turn % len(rigs)]
            first = seed + turn * 1_000
            try:
                hunt.play_all(plays[rig], range(first, first + _AT_ONCE[rig]), tallies[rig])
            except Broken as broken:
                print(f"BROKEN ({rig}): {broken}")
                return 1
            print(f"{rig}: {tallies[rig]}", flush=True)
            if time.monotonic() > ends:
                return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
