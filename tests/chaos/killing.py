"""This module kills processes of a stage one after the other, as a power cut or a careless hand would."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence

import psutil

from tests.stage import Stage

KINDS = ("serve", "work", "pool", "sentinel", "worker", "watch")
LAST_ROUND = 60.0  # seconds
COMMANDS = ("serve", "work")  # whose manager starts them again; the others are started by `work`


def kill(stage: Stage, kind: str, dice: random.Random) -> bool:
    """Kill one process of a kind, if there is one, and start it again where nobody else would."""
    victims = stage.parts(kind)
    if not victims or (kind == "serve" and not stage.answers(f"{stage.web}/healthz")):
        return False  # one that is only starting proves little, and would never come up
    victim = dice.choice(victims)
    with contextlib.suppress(psutil.NoSuchProcess):
        victim.kill()
    if kind in COMMANDS:
        stage.processes[kind].wait()
        stage.spawn(kind)
    return True


class Killer:
    """
    Kills processes at random moments while its block runs; each kind in its turn, in a random order.

    The block ends when every kind has had its turn, or a minute later. `killed` counts them by kind.
    """

    def __init__(
        self, stage: Stage, dice: random.Random, *, kinds: Sequence[str] = KINDS, pause: float = 2.0
    ) -> None:
        """`pause` is the time between two kills on the average, in seconds."""
        self.killed: Counter[str] = Counter()
        self._stage, self._dice, self._kinds, self._pause = stage, dice, kinds, pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._kill)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        ends = time.monotonic() + LAST_ROUND
        while not failed and len(self.killed) < len(self._kinds) and time.monotonic() < ends:
            time.sleep(0.1)
        self._stop.set()
        self._thread.join()

    def _kill(self) -> None:
        while True:
            for kind in self._dice.sample(self._kinds, len(self._kinds)):
                if self._stop.wait(self._pause * self._dice.uniform(0.5, 1.5)):
                    return
                while not kill(self._stage, kind, self._dice):
                    if self._stop.wait(0.2):
                        return
                self.killed[kind] += 1
