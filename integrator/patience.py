"""
This module remembers for a while that Redis did not answer.

Whoever needs Redis goes on without it. One that is down refuses at once, but one that hangs costs everybody
who asks it the whole time that a call may take: so of all the threads of a process one in a while asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

ASK_AGAIN_AFTER = 5.0  # seconds for which Redis is left alone after a failure


class Away(Exception):
    """Redis did not answer a moment ago, and is not asked now."""


class Patience:
    """What a process knows of its Redis."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ask_at: float | None = None  # monotonic; nothing while it answers

    @contextmanager
    def asking(self, failures: type[Exception] = Exception) -> Iterator[None]:
        """
        Ask Redis something; of what is raised meanwhile, `failures` say that it did not answer.

        :raises Away: if it did not answer a moment ago, or another thread is finding out whether it does
        """
        if not self._may_ask():
            raise Away("Redis did not answer a moment ago.")
        ask_at = None
        try:
            yield
        except failures:
            ask_at = time.monotonic() + ASK_AGAIN_AFTER
            raise
        finally:
            self._ask_at = ask_at

    def forget(self) -> None:
        """Know nothing, so that Redis is asked."""
        self._ask_at = None

    def _may_ask(self) -> bool:
        if self._ask_at is None:
            return True
        with self._lock:
            if self._ask_at is None:
                return True
            if time.monotonic() < self._ask_at:
                return False
            self._ask_at = time.monotonic() + ASK_AGAIN_AFTER  # this one asks, and nobody else meanwhile
            return True


REDIS = Patience()
