"""This module counts how things stand: exact figures that stay cheap however many events there are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from flows import queries
from flows.dispatch import SWITCHED_OFF
from flows.models import DeadLetter, Event, Fate
from integrator.accounts.models import Environment

# Counting by fate reads one entry of an index for each event: milliseconds for thousands, a fraction of a
# second for millions. A count is given out again for ten times as long as it took, so that counting never
# takes more than a tenth of one core, and what took less than this is always counted anew.
CHEAP = 0.05  # seconds
PATIENCE = 10

MOST_IGNORED = 10_000
# An event may have waited in the queue for so long when its flow was switched off.
LONGEST_WAIT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Counts:
    """Events by fate, and what waits, at one moment."""

    at: datetime
    fates: dict[str, int]
    undispatched: int
    dead_letters: int


_lock = threading.Lock()
_known: dict[tuple[object, ...], tuple[float, Any]] = {}
T = TypeVar("T")


def counts(
    environments: Sequence[Environment], *, now: datetime, clock: Callable[[], float] = time.monotonic
) -> Counts:
    """Return the counts of `environments`, exact at `at`, which is `now` unless counting has become dear."""
    place = tuple(sorted(environment.pk for environment in environments))
    return patiently(place, lambda: _count(environments, now), clock)


def ignored_while_off(
    environment: Environment, *, since: datetime, clock: Callable[[], float] = time.monotonic
) -> int:
    """Return how many events were ignored since `since` because a flow is off; at most MOST_IGNORED + 1."""
    ignored = Event.objects.filter(
        connection__environment=environment, fate=Fate.IGNORED, fate_reason=SWITCHED_OFF
    )

    def count() -> int:
        first = queries.first_id(Event, "received_at", since - LONGEST_WAIT)
        found = ignored.filter(pk__gte=first, dispatched_at__gte=since).order_by()
        return found[: MOST_IGNORED + 1].count()

    return patiently(("ignored while off", environment.pk, since), count, clock)


def patiently(
    what: tuple[object, ...], count: Callable[[], T], clock: Callable[[], float] = time.monotonic
) -> T:
    """Return what `count` counts; what took long is given out again for ten times as long as it took."""
    with _lock:  # whoever asks while another counts gets that count, instead of counting beside it
        until, known = _known.get(what, (0.0, None))
        if known is not None and clock() < until:
            return cast("T", known)
        began = clock()
        found = count()
        took = clock() - began
        _known[what] = (clock() + took * PATIENCE if took > CHEAP else 0.0, found)
    return found


def _count(environments: Sequence[Environment], now: datetime) -> Counts:
    # Whatever is undispatched is queued: saying so leads SQLite to the one index that is worth using here.
    queued = Event.objects.filter(connection__environment__in=environments, fate=Fate.QUEUED)
    letters = DeadLetter.objects.unresolved().filter(event__connection__environment__in=environments)
    return Counts(
        at=now,
        fates=queries.events_by_fate(environments),
        undispatched=queued.filter(dispatched_at__isnull=True).count(),
        dead_letters=letters.count(),
    )
