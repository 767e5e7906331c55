"""This module does what is due later: a late balance transaction, the next attempt of a delivery."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_SLEEP = 60.0


class Agenda:
    """Things to do by time. `run` does them in the server's loop; a test may call `do_due` itself."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._items: list[tuple[float, bool, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._changed: asyncio.Event | None = None

    def __len__(self) -> int:
        return len(self._items)

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Do `act` in so many seconds."""
        self.at(self._clock() + seconds, act)

    def at(self, moment: float, act: Callable[[], None], *, first: bool = False) -> None:
        """Do `act` at a moment of this agenda's clock, `first` before the others of that moment."""
        heapq.heappush(self._items, (moment, not first, next(self._order), act))
        self.wake()

    def wake(self) -> None:
        """Look at the clock again: something was added, or the clock was moved."""
        if self._changed is not None:
            self._changed.set()

    def do_due(self) -> None:
        """Do everything that is due by now."""
        while self._items and self._items[0][0] <= self._clock():
            heapq.heappop(self._items)[3]()

    def clear(self) -> None:
        """Forget everything that was to be done."""
        self._items.clear()

    async def run(self) -> None:
        """Do what is due when it is due, until cancelled."""
        self._changed = asyncio.Event()
        while True:
            self._changed.clear()
            self.do_due()
            wait = self._items[0][0] - self._clock() if self._items else LONGEST_SLEEP
            try:
                await asyncio.wait_for(self._changed.wait(), timeout=min(max(wait, 0.0), LONGEST_SLEEP))
            except TimeoutError:
                continue
