"""
This module shares the rate of a connection out among the processes that use it right now.

A thread asks for this process's part again and again while it calls, and gives it back soon after: so that
who calls alone has the whole rate, and nobody has to be told how many others there are.
"""

from __future__ import annotations

import atexit
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, connection

from connectors.models import Connection, RateShare

log = structlog.get_logger(__name__)

TERM = timedelta(seconds=5)  # after which the part of a process that is gone is free
EVERY = 0.1  # seconds between two looks at what the others have, which mostly reads alone
# After so many seconds without a call a part is given back: while a worker maps and writes what it has read,
# and that takes as long as the calls, the others have the whole rate.
IDLE = 0.15


@dataclass(slots=True)
class _Held:
    part: float
    ends: float  # by our own clock, and no later than by the database's
    used_at: float  # when the last turn comes that was given out by it
    holder: str
    had: float = 0.0  # a larger part, by which turns were given out that come until:
    had_until: float = 0.0

    def using(self, now: float) -> float:
        """Return the part by which turns come now."""
        return max(self.part, self.had) if now < self.had_until else self.part


class Shares:
    """The parts of this process. One that was forked begins with none."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[int, _Held] = {}
        self._pid = 0
        # Whoever gives a part back and asks anew meanwhile has another name by then: so the new one stays.
        self._holders: dict[int, str] = {}
        self._thread: threading.Thread | None = None
        self._leaving = threading.Event()

    def part(self, connection_id: int) -> float | None:
        """
        Return the part that this process may use now, which may be nothing yet; from whatever thread.

        Returns None if it is not known, because nobody asked for one lately or the database is away.
        """
        now = self._clock()
        held = self._held.get(connection_id)
        if held is None or self._pid != os.getpid() or held.ends <= now:
            return None
        held.used_at = max(held.used_at, now)
        return held.part

    def turn_in(self, connection_id: int, seconds: float) -> None:
        """Keep the part at least until a turn has come that was given out by it; from whatever thread."""
        held = self._held.get(connection_id)
        if held is not None:
            held.used_at = max(held.used_at, self._clock() + seconds)

    def want(self, connection_id: int) -> None:
        """Ask for a part, if this process has none, and go on asking while it is used."""
        with self._lock:
            if self._pid != os.getpid():
                self._pid, self._held, self._holders, self._thread = os.getpid(), {}, {}, None
                self._leaving = threading.Event()
            holder = self._holders.setdefault(connection_id, f"{self._pid}:{secrets.token_hex(8)}")
        if self.part(connection_id) is None:
            self._ask(connection_id, self._clock(), holder)
        with self._lock:
            if self._held and not (self._thread and self._thread.is_alive()):
                self._thread = threading.Thread(target=self._keep, name="rate-shares", daemon=True)
                self._thread.start()

    def renew(self) -> bool:
        """Ask anew for what is in use, give the rest back, and tell whether anything is in use."""
        for connection_id, held in list(self._held.items()):
            if self._clock() - held.used_at <= IDLE and not self._leaving.is_set():
                self._ask(connection_id, held.used_at, held.holder)
            else:
                with self._lock:
                    self._held.pop(connection_id, None)
                    self._holders.pop(connection_id, None)
                self._give_back(connection_id, held.holder)
        return bool(self._held)

    def leave(self, *, patience: float) -> None:
        """Give back whatever this process has, in at most `patience` seconds. Who goes on asks anew."""
        with self._lock:
            thread = self._thread if self._pid == os.getpid() else None
        if thread is None or not thread.is_alive():
            return
        self._leaving.set()
        thread.join(timeout=patience)
        self._leaving.clear()

    def _ask(self, connection_id: int, used_at: float, holder: str) -> None:
        asked_at, known = self._clock(), self._held.get(connection_id)
        using = known.using(asked_at) if known is not None and known.ends > asked_at else 0.0
        given: dict[str, Any] = {
            "connection_id": connection_id,
            "holder": holder,
            "term": TERM,
            "using": using,
        }
        try:
            if self._is_settled(known, asked_at, given):
                return
            part = RateShare.objects.lease(**given)
        except (DatabaseError, InterfaceError, Connection.DoesNotExist) as failure:
            log.warning("rate_share.not_asked", connection=connection_id, error=type(failure).__name__)
            return
        held = _Held(part, asked_at + TERM.total_seconds(), used_at, holder)
        if known is not None:
            held.used_at = max(used_at, known.used_at)
            fell = part < known.part
            held.had, held.had_until = (using, held.used_at) if fell else (known.had, known.had_until)
        self._held[connection_id] = held

    def _is_settled(self, known: _Held | None, now: float, given: dict[str, Any]) -> bool:
        """Tell whether asking would change nothing, which costs one look and no commit."""
        if known is None or known.ends <= now:
            return False
        return RateShare.objects.is_settled(**given, part=known.part)

    def _give_back(self, connection_id: int, holder: str) -> None:
        try:
            RateShare.objects.give_back(holder=holder, connection_id=connection_id)
        except (DatabaseError, InterfaceError) as failure:  # it runs out by itself
            log.warning("rate_share.not_given_back", connection=connection_id, error=type(failure).__name__)

    def _keep(self) -> None:
        """Ask again and again, until nothing is in use any more."""
        try:
            while True:
                self._leaving.wait(EVERY)
                if self.renew():
                    continue
                with self._lock:
                    if not self._held:
                        self._thread = None
                        return
        finally:
            connection.close()


SHARES = Shares()
# The others need not wait for the end of its term when a process ends in order.
atexit.register(SHARES.leave, patience=1.0)
