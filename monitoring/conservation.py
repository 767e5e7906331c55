"""
This module adds up what was received and what became of it, hour by hour. It is pure.

received = applied + ignored + superseded + echo + queued + waiting + refused + dead + discarded
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

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


def first_hour(since: datetime) -> datetime:
    """Return the beginning of the first hour that begins at `since` or later."""
    begun = hour_of(since)
    return begun if begun == since else begun + HOUR


@dataclass(frozen=True, slots=True)
class Span:
    """Which events an equation counts: those received in some hours, of one connection or of all."""

    since: datetime
    until: datetime | None = None
    connection: str = ""  # its public id

    @property
    def query(self) -> str:
        """Return what the address of the list of exactly these events says."""
        told = {"connection": self.connection, "since": _written(self.since), "until": _written(self.until)}
        return urlencode({name: value for name, value in told.items() if value}, safe=":")


def _written(hour: datetime | None) -> str:
    return f"{hour.astimezone(UTC):%Y-%m-%dT%H:%M}" if hour else ""


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
    span: Span
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


def equation(received: int, fates: Mapping[str, int], *, span: Span, found: int = 0) -> Equation:
    """Return the equation of what was `received` in `span` and of the events by fate."""
    return Equation(received, [Term(fate, events) for fate, events in fates.items()], span, found)
