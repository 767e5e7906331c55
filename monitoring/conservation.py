"""
This module adds up what was received and what became of it, hour by hour. It is pure.

received = applied + ignored + superseded + echo + queued + waiting + refused + dead + discarded
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many events of one connection and hour have one fate and came in one way."""

    connection_id: int
    hour: datetime
    fate: str
    origin: str
    events: int


@dataclass(slots=True)
class Sum:
    """What one connection received in one hour, and what became of it."""

    received: int = 0
    delivered: int = 0  # brought by a webhook
    found: int = 0  # missed by webhooks and brought by the walk of Stripe's list
    fates: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def take(self, tally: Tally) -> None:
        """Add one tally."""
        self.received += tally.events
        self.fates[tally.fate] += tally.events
        self.delivered += tally.events if tally.origin == "live" else 0
        # Stripe lists events of every type, also those that the webhooks do not ask for: no flow wants them.
        self.found += tally.events if tally.origin == "walk" and tally.fate != "ignored" else 0


def add_up(tallies: Iterable[Tally]) -> dict[tuple[int, datetime], Sum]:
    """Return the sums by connection and hour."""
    sums: dict[tuple[int, datetime], Sum] = defaultdict(Sum)
    for tally in tallies:
        sums[tally.connection_id, tally.hour].take(tally)
    return dict(sums)


def hour_of(at: datetime) -> datetime:
    """Return the beginning of the hour of `at`."""
    return at.replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the equation, zero terms included."""

    fate: str
    events: int


@dataclass(frozen=True, slots=True)
class Equation:
    """Everything that was received in some hours, and what became of it."""

    received: int
    terms: Sequence[Term]
    found: int = 0

    @property
    def accounted(self) -> int:
        """The sum of the terms."""
        return sum(term.events for term in self.terms)

    @property
    def holds(self) -> bool:
        """Whether both sides are the same."""
        return self.received == self.accounted

    @property
    def shown(self) -> Sequence[Term]:
        """The terms that are not zero; all of them would be hard to read."""
        return [term for term in self.terms if term.events]


def equation(received: int, fates: Mapping[str, int], *, found: int = 0) -> Equation:
    """Return the equation of `received` and the events by fate."""
    return Equation(received, [Term(fate, events) for fate, events in fates.items()], found)
