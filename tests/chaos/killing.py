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


def alive(stage: Stage, kind: str) -> list[psutil.Process]:
    """Return the processes of a kind that may be killed; one that is only starting proves little."""
    if kind == "serve" and not stage.answers(f"{stage.web}/healthz"):
        return []
    return stage.parts(kind)


def kill(stage: Stage, kind: str, victim: psutil.Process) -> None:
    """Kill a process of a kind, and start it again where nobody else would."""
    with contextlib.suppress(psutil.NoSuchProcess):
        victim.kill()
    if kind in COMMANDS:
        stage.processes[kind].wait()
        stage.spawn(kind)


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
                if not (victims := self._found(kind)):
                    return
                kill(self._stage, kind, self._dice.choice(victims))
                self.killed[kind] += 1

    def _found(self, kind: str) -> list[psutil.Process]:
        """
        Return the processes of a kind as soon as there are any; none if the block ended before.

        Those that had to be waited for may run as long as they took to start: where starting takes long,
        nothing would ever be served otherwise, and so nothing could be lost.
        """
        began = ready = time.monotonic()
        while not (found := alive(self._stage, kind)) or time.monotonic() < ready + (ready - began):
            if not found:
                ready = time.monotonic()
            if self._stop.wait(0.2):
                return []
        return found
