"""This module reads how things stand: counts that add up, and how far the work has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, F, Max, Min, Model, OuterRef
from django.db.models.expressions import Combinable

from connectors.models import Connection
from flows.lanes import LEASE, database_now
from flows.models import Event, Fate, Lane, Run, Worker
from flows.waiting import waiting_pairs
from integrator.accounts.models import Environment

# How far apart rows may be committed that were received at the same moment.
OUT_OF_ORDER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Progress:
    """What waits for a worker, and when one last took something up."""

    oldest_undispatched: datetime | None
    oldest_ready_lane: datetime | None
    last_claim_at: datetime | None
    at_work_at: datetime | None  # when one that holds lanes was last known to go on with them
    workers: int  # those that are alive

    @property
    def ready(self) -> bool:
        """Tell whether there is something to do now."""
        return self.oldest_ready_at is not None

    @property
    def moved_at(self) -> datetime | None:
        """Return when a worker last took something up or went on: a pass of many calls takes nothing up."""
        return max((at for at in (self.last_claim_at, self.at_work_at) if at is not None), default=None)

    @property
    def oldest_ready_at(self) -> datetime | None:
        """Return since when the longest waiting event or lane has waited for a worker."""
        waiting = [at for at in (self.oldest_undispatched, self.oldest_ready_lane) if at is not None]
        return min(waiting, default=None)


def progress() -> Progress:
    """
    Return how far the work has come. It costs a few index probes, however much is waiting.

    Lanes of pairs whose connections rest are not waiting for a worker, so they do not count.
    """
    now = database_now()
    undispatched = Event.objects.undispatched().values_list("received_at", flat=True)
    alive = Worker.objects.filter(expires_at__gt=now)
    holding = Worker.objects.filter(Exists(Lane.objects.filter(worker=OuterRef("pk"))))
    beat = holding.aggregate(last=Max("expires_at"))["last"]  # put off by each beat of a worker that moves
    return Progress(
        oldest_undispatched=undispatched.first(),
        oldest_ready_lane=_oldest_ready_lane(now),
        last_claim_at=Worker.objects.aggregate(last=Max("last_claim_at"))["last"],
        at_work_at=None if beat is None else beat - LEASE,
        workers=alive.count(),
    )


def _oldest_ready_lane(now: datetime) -> datetime | None:
    waiting = waiting_pairs(now, crashed=False)[:1] + waiting_pairs(now, crashed=True)[:1]
    return min((pair.since for pair in waiting), default=None)


def events_by_fate(environments: Iterable[Environment]) -> dict[str, int]:
    """Return how many events of `environments` have each fate; their sum is what was received."""
    # By connection and fate, because that is how the index is sorted: nothing else has to be read or sorted.
    connections = list(
        Connection.objects.filter(environment__in=list(environments)).values_list("pk", flat=True)
    )
    rows = Event.objects.filter(connection__in=connections).order_by()
    counted: Counter[str] = Counter()
    for _, fate, events in rows.values_list("connection_id", "fate").annotate(Count("id")):
        counted[fate] += events
    return {fate.value: counted[fate] for fate in Fate}


def runs_by_state(environments: Iterable[Environment]) -> dict[str, int]:
    """Return how many runs of `environments` are in each state, zeros included."""
    rows = Run.objects.filter(pair__environment__in=list(environments)).order_by()
    counted = dict(rows.values_list("state").annotate(Count("id")))
    return {state.value: counted.get(state.value, 0) for state in Run.State}


def first_id(model: type[Model], field: str, moment: datetime) -> int:
    """
    Return an id at or before the first row whose `field` is not before `moment`.

    Rows are added in the order of time, so that halving the ids replaces an index on the time.
    Rows that lie a little out of order are caught by a margin of a minute.
    """
    moment -= OUT_OF_ORDER
    low, high = ends(model)
    high += 1
    while low < high:
        middle = (low + high) // 2
        row = model._default_manager.filter(pk__gte=middle).order_by("pk").values_list("pk", field).first()
        if row is None or row[1] >= moment:
            high = middle
        else:
            low = row[0] + 1
    return low


def not_first(column: str) -> Combinable:
    """
    Return `column` in a form that SQLite does not begin a search with.

    It has no statistics and takes any index of a column that is asked for. Where nearly all rows have the
    value, those of a range of numbers are found sooner by their numbers.
    """
    return F(column) + 0


def ends(model: type[Model]) -> tuple[int, int]:
    """Return the lowest and the highest id of all rows, zeros if there is none."""
    # Two statements: of both in one, SQLite would read the whole table.
    every = model._default_manager.order_by()
    return every.aggregate(low=Min("pk"))["low"] or 0, every.aggregate(high=Max("pk"))["high"] or 0
