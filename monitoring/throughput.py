"""This module says whether it flows: what came in and was applied by the minute, how fast, and what waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Count, F, Min, Model, Q, QuerySet
from django.db.models.functions import TruncMinute

from flows.finding import Place
from flows.models import Attempt, DeadLetter, Event, Fate, Run
from flows.queries import ends, first_id, not_first
from integrator.accounts.models import Environment

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NEWEST = 500  # runs by which latency is told
SAMPLE = 300  # runs of a minute by which its latency is told, about
UNFINISHED = (Run.State.READY, Run.State.RETRYING)  # queued or tried again, in no person's hands


@dataclass(frozen=True, slots=True)
class Minute:
    """
    What came in during one minute, what was applied and what became a dead letter.

    `half` and `nearly_all` (95 %) of what was applied was applied within so many seconds of being received.
    """

    at: datetime
    received: int = 0
    applied: int = 0
    dead: int = 0
    half: float | None = None
    nearly_all: float | None = None


def last_hour(environment: Environment, *, now: datetime) -> list[Minute]:
    """
    Return the last sixty minutes, the present one last.

    A minute that is over does not change any more, so that only the last two are counted anew.
    """
    present = now.replace(second=0, microsecond=0)
    minutes = [present - MINUTE * back for back in range(59, -1, -1)]
    keys = {minute: f"flowed:{environment.pk}:{minute:%Y%m%d%H%M}" for minute in minutes[:-2]}
    known: dict[str, list[Any]] = cache.get_many(keys.values())
    unknown = [minute for minute in minutes if keys.get(minute) not in known]
    counted = _count_minutes(environment, since=unknown[0])
    fresh = {minute: counted.get(minute, Minute(minute)) for minute in unknown}
    told = {keys[minute]: _told(fresh[minute]) for minute in unknown if minute in keys}
    cache.set_many(told, timeout=7200)
    return [
        fresh[minute] if minute in fresh else Minute(minute, *known[keys[minute]])  # as `_told` wrote it
        for minute in minutes
    ]


def _told(minute: Minute) -> list[Any]:
    return [minute.received, minute.applied, minute.dead, minute.half, minute.nearly_all]


def _count_minutes(environment: Environment, *, since: datetime) -> dict[datetime, Minute]:
    place = Place.of(environment)
    events = _since(Event, "received_at", since, connection_id=place.connections)
    letters = _since(DeadLetter, "created_at", since, event__connection_id=place.connections)
    ended = _applied(place, since)
    received, dead = _by_minute(events, "received_at"), _by_minute(letters, "created_at")
    applied = _by_minute(ended, "finished_at")
    took = _took(ended, applied)
    return {
        minute: Minute(
            minute, received.get(minute, 0), applied.get(minute, 0), dead.get(minute, 0),
            *_percentiles(took.get(minute, ())),
        )
        for minute in {*received, *applied, *dead}
    }  # fmt: skip


def _took(ended: QuerySet[Any], applied: Mapping[datetime, int]) -> dict[datetime, list[float]]:
    """Return how many seconds it took what was applied in each minute; of many, an even part of them."""
    for minute, number in applied.items():
        if number > SAMPLE:
            stride = number // SAMPLE | 1  # an odd one, since runs of two flows may well alternate
            within = Q(finished_at__gte=minute, finished_at__lt=minute + MINUTE)
            rest = f"rest{stride}"
            ended = ended.alias(**{rest: F("pk") % stride}).exclude(within, **{f"{rest}__gt": 0})
    took: dict[datetime, list[float]] = {}
    for finished, received in ended.order_by().values_list("finished_at", "run__event__received_at"):
        minute = finished.replace(second=0, microsecond=0)
        took.setdefault(minute, []).append(max(0.0, (finished - received).total_seconds()))
    return took


def _percentiles(took: Iterable[float]) -> tuple[float | None, float | None]:
    """Return p50 and p95."""
    ordered = sorted(took)
    if not ordered:
        return None, None
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]


def _applied(place: Place, since: datetime) -> QuerySet[Any]:
    """Return the attempts at `place` that ended well since then, in no order."""
    ended = _since(Attempt, "finished_at", since, run__pair_id=place.pairs)
    return ended.filter(run__fate=Fate.APPLIED, outcome="done")


def _since(model: type[Model], field: str, moment: datetime, **among: Sequence[int]) -> QuerySet[Any]:
    """Return the rows since a moment, by the time in `field`, that have one of some numbers in a column."""
    ((column, numbers),) = among.items()
    return model._default_manager.alias(of=not_first(column)).filter(
        of__in=numbers,
        # With both bounds, or SQLite takes what lies between for a large part of the table.
        pk__range=(first_id(model, field, moment), ends(model)[1]),
        **{f"{field}__gte": moment},
    )


def _by_minute(rows: Any, field: str) -> dict[datetime, int]:
    grouped = rows.annotate(minute=TruncMinute(field)).values("minute").annotate(rows=Count("pk")).order_by()
    return {group["minute"]: group["rows"] for group in grouped}


def latencies(environment: Environment, *, now: datetime) -> tuple[timedelta, timedelta] | None:
    """Return p50 and p95 from received to applied, over the newest 500 runs applied within the hour."""
    newest = _applied(Place.of(environment), now - HOUR).order_by("-id")
    pairs = newest.values_list("run__event__received_at", "finished_at")[:NEWEST]
    half, nearly_all = _percentiles((finished - received).total_seconds() for received, finished in pairs)
    if half is None or nearly_all is None:
        return None
    return timedelta(seconds=half), timedelta(seconds=nearly_all)


def waiting_since(environment: Environment) -> datetime | None:
    """Return when the oldest event was received that is queued or retried now."""
    place = Place.of(environment)
    # The lowest number and not the first row, for which SQLite would sort all rows of a connection. And of a
    # sum, or PostgreSQL, if its statistics are of a busier moment, goes through the table from its beginning.
    lowest = Min(F("pk") + 0)
    queued = Event.objects.filter(connection__in=place.connections, fate=Fate.QUEUED).order_by()
    unfinished = Run.objects.filter(pair__in=place.pairs, state__in=UNFINISHED)
    event, run = (rows.aggregate(low=lowest)["low"] for rows in (queued, unfinished.order_by()))
    of_run = Run.objects.filter(pk=run).values_list("event", flat=True) if run else ()
    oldest = Event.objects.filter(pk__in=[number for number in (event, *of_run) if number])
    since: datetime | None = oldest.aggregate(since=Min("received_at"))["since"]
    return since
