"""This module ends what takes too long, with one timer for all of it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Protocol

LOOK_EVERY = 0.25  # seconds


class Timed(Protocol):
    """Something that may take only so long."""

    def done(self) -> bool:
        """Tell whether it is over."""

    def expire(self) -> None:
        """End it, since its time is up."""


class Deadlines:
    """
    The same number of seconds for each of many things, counted from when they are watched.

    Nearly all of them are over long before, so that a timer of the event loop for each would cost
    more than the thing itself. All methods belong to the event loop.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._watched: deque[tuple[float, Timed]] = deque()
        self._looking = False

    def watch(self, timed: Timed) -> None:
        """Expire `timed` if it is not done in time."""
        self._watched.append((time.monotonic() + self._seconds, timed))
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        now = time.monotonic()
        while self._watched and (self._watched[0][0] <= now or self._watched[0][1].done()):
            _, timed = self._watched.popleft()
            if not timed.done():
                timed.expire()
        self._looking = bool(self._watched)
        if self._looking:
            asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)
