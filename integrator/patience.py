"""
This module remembers for a while that Redis did not answer.

Whoever needs Redis goes on without it. One that is down refuses at once, but one that hangs costs everybody
who asks it the whole time that a call may take: so of all the threads of a process one in a while asks. That
it is away is logged once by each process, and once that it is back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger(__name__)

ASK_AGAIN_AFTER = 5.0  # seconds for which Redis is left alone after a failure


class Away(Exception):
    """Redis did not answer a moment ago, and is not asked now."""


class Patience:
    """What a process knows of its Redis."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ask_at: float | None = None  # monotonic; nothing while it answers
        self._away_since: float | None = None  # the same, of the first failure

    @contextmanager
    def asking(self, failures: type[Exception] = Exception) -> Iterator[None]:
        """
        Ask Redis something; of what is raised meanwhile, `failures` say that it did not answer.

        :raises Away: if it did not answer a moment ago, or another thread is finding out whether it does
        """
        if not self._may_ask():
            raise Away("Redis did not answer a moment ago.")
        try:
            yield
        except failures as failure:
            self.missed(failure)
            raise
        except Exception:
            self._answered()
            raise
        else:
            self._answered()

    def missed(self, failure: BaseException) -> None:
        """Leave Redis alone for a while, as it did not answer."""
        with self._lock:
            now = time.monotonic()
            is_first = self._away_since is None
            self._away_since = now if self._away_since is None else self._away_since
            self._ask_at = now + ASK_AGAIN_AFTER
        if is_first:
            log.warning("redis.away", error=type(failure).__name__)

    def forget(self) -> None:
        """Know nothing, so that Redis is asked."""
        self._ask_at = None

    def _answered(self) -> None:
        if self._ask_at is None and self._away_since is None:
            return
        with self._lock:
            since, self._ask_at, self._away_since = self._away_since, None, None
        if since is not None:
            log.info("redis.back", seconds=round(time.monotonic() - since))

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
