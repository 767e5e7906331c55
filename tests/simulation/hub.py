"""
This module runs the actors of a world in simulated time, one at a time and in an order of the dice.

An actor is a greenlet: a plain call stack that can be left at any depth and taken up again. Whatever it
does between two pauses happens at once for all others.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from greenlet import GreenletExit, getcurrent, greenlet

from tests.simulation.dice import Dice, Faults

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
_SHORT = 0.05  # seconds between two steps of an actor that is not disturbed
_MOMENT = 0.3  # seconds until a bell is heard
_LONGEST_STALL = 2_400.0  # seconds; longer than a late write is possible


class Killed(BaseException):
    """The process is gone; nothing of it goes on."""


class TooLong(AssertionError):
    """The world did not come to rest."""


def moment(seconds: float) -> datetime:
    """Return the time that is `seconds` after the start of the world."""
    return START + timedelta(seconds=seconds)


def seconds_of(when: datetime) -> float:
    """Return how many seconds after the start of the world `when` is."""
    return (when - START).total_seconds()


class Hub:
    """The clock of a world, and who is on."""

    def __init__(self, dice: Dice, faults: Faults, *, mishaps: float = float("inf")) -> None:
        """Processes die or stall `mishaps` times at most."""
        self.dice = dice
        self.faults = faults
        self.seconds = 0.0
        self.steps = 0
        self.mishaps = mishaps
        self.stalled = 0  # actors that stand still and will go on where they are
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []
        self._actors: list[greenlet] = []
        self._mortal: set[greenlet] = set()
        self._main = getcurrent()
        self._digest = hashlib.blake2b(digest_size=8)

    # For whoever sets the world up

    def at(self, delay: float, act: Callable[[], object]) -> None:
        """Have `act` called in `delay` seconds. It must not pause."""
        self.steps += 1
        heapq.heappush(self._agenda, (self.seconds + delay, self.steps, act))

    def start(self, body: Callable[[], None], *, mortal: bool = True) -> None:
        """Begin an actor, who may pause and sleep, and, if `mortal`, die or stall."""
        actor = greenlet(body, self._main)
        if mortal:
            self._mortal.add(actor)
        self._actors.append(actor)
        self.at(self.dice.random() * _SHORT, actor.switch)

    def run(self, *, until: Callable[[], bool], latest: float) -> None:
        """
        Let the actors act until `until()` holds.

        :raises TooLong: if it does not hold `latest` seconds after the start of the world
        """
        while not until():
            if not self._agenda or self.seconds > latest:
                raise TooLong(f"Not at rest after {self.seconds:.0f} simulated seconds")
            when, _, act = heapq.heappop(self._agenda)
            self.seconds = max(self.seconds, when)
            act()

    def run_for(self, seconds: float) -> None:
        """Let the actors act for `seconds`."""
        end = self.seconds + seconds
        while self._agenda and self._agenda[0][0] <= end:
            when, _, act = heapq.heappop(self._agenda)
            self.seconds = max(self.seconds, when)
            act()
        self.seconds = end

    def close(self) -> None:
        """End all actors where they are."""
        self._agenda.clear()
        for actor in self._actors:
            if not actor.dead:
                actor.throw(GreenletExit)

    def digest(self) -> str:
        """Return what tells this course of events from any other."""
        return f"{self._digest.hexdigest()}-{self.dice.getrandbits(32):08x}"

    # For the actors

    def now(self) -> datetime:
        """Return the time."""
        return moment(self.seconds)

    def note(self, what: str) -> None:
        """Write `what` down as a part of the course of events."""
        self._digest.update(what.encode())

    def sleep(self, seconds: float) -> None:
        """Let the others go on for so long."""
        self.at(seconds, getcurrent().switch)
        self._main.switch()

    def leave(self) -> None:
        """Let the others go on until something on the agenda takes this actor up again."""
        self._main.switch()

    def step(self, what: str, *, longest: float = _LONGEST_STALL, peril: float = 1.0) -> None:
        """
        Come to a point at which anything may happen: others go on, this process stalls or dies.

        It stalls for `longest` seconds at most. `peril` says how much likelier than elsewhere it is here.

        :raises Killed: if it dies
        """
        dice, faults = self.dice, self.faults
        self._digest.update(what.encode())
        if faults.crash and dice.random() < faults.crash * peril:
            self.die(what)
        wait = dice.random() * _SHORT
        if faults.stall and self.mishaps > 0 and dice.random() < faults.stall * peril:
            self.mishaps -= 1
            self.stalled += 1
            self.sleep(min(longest, dice.choice((20.0, 60.0, 900.0, _LONGEST_STALL)) * dice.random()))
            self.stalled -= 1
        self.sleep(wait)

    def die(self, what: str) -> None:
        """
        End the process here, unless enough have died in this world.

        :raises Killed: if it dies
        """
        if self.mishaps > 0:
            self.mishaps -= 1
            raise Killed(what)

    def may_die(self) -> bool:
        """Tell whether the one who is on is an actor that may die here."""
        return getcurrent() in self._mortal


class Bell:
    """What an actor sleeps beside until it rings."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._wake: Callable[[], object] | None = None

    def wait(self, seconds: float) -> None:
        """Sleep until the bell rings, and for `seconds` at most."""
        me = getcurrent()

        def wake() -> None:
            if self._wake is wake:
                self._wake = None
                me.switch()

        self._wake = wake
        self._hub.at(seconds, wake)
        self._hub.leave()

    def ring(self) -> None:
        """Wake whoever sleeps, after a moment."""
        if self._wake is not None:
            self._hub.at(self._hub.dice.random() * _MOMENT, self._wake)
