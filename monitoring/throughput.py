"""This module says whether it flows: what came in and was applied by the minute, how fast, and what waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Count, F, Min, Model, QuerySet
from django.db.models.functions import TruncMinute

from flows.finding import Place
from flows.models import Attempt, Event, Fate, Run
from flows.queries import ends, first_id, not_first
from integrator.accounts.models import Environment

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NEWEST = 500  # runs by which latency is told


@dataclass(frozen=True, slots=True)
class Minute:
    """How many events came in during one minute, and how many were applied."""

    at: datetime
    received: int
    applied: int


def last_hour(environment: Environment, *, now: datetime) -> list[Minute]:
    """
    Return the last sixty minutes, the present one last.

    A minute that is over does not change any more, so that only the last two are counted anew.
    """
    present = now.replace(second=0, microsecond=0)
    minutes = [present - MINUTE * back for back in range(59, -1, -1)]
    keys = {minute: f"minute:{environment.pk}:{minute:%Y%m%d%H%M}" for minute in minutes[:-2]}
    known: dict[str, tuple[int, int]] = cache.get_many(keys.values())
    unknown = [minute for minute in minutes if keys.get(minute) not in known]
    counted = _count_minutes(environment, since=unknown[0])
    fresh = {minute: counted.get(minute, (0, 0)) for minute in unknown}
    cache.set_many({keys[minute]: fresh[minute] for minute in unknown if minute in keys}, timeout=7200)
    told = {minute: known[key] for minute, key in keys.items() if key in known} | fresh
    return [Minute(minute, *told[minute]) for minute in minutes]


def _count_minutes(environment: Environment, *, since: datetime) -> dict[datetime, tuple[int, int]]:
    place = Place.of(environment)
    events = _since(Event, "received_at", since, connection_id=place.connections)
    received = _by_minute(events, "received_at")
    applied = _by_minute(_applied(place, since), "finished_at")
    return {minute: (received.get(minute, 0), applied.get(minute, 0)) for minute in {*received, *applied}}


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
    taken = sorted(finished - received for received, finished in pairs)
    if not taken:
        return None
    return taken[len(taken) // 2], taken[min(len(taken) - 1, len(taken) * 95 // 100)]


def waiting_since(environment: Environment) -> datetime | None:
    """Return when the oldest event was received that is queued or retried now."""
    place = Place.of(environment)
    # The lowest number and not the first row, for which SQLite would sort all rows of a connection. And of a
    # sum, or PostgreSQL, if its statistics are of a busier moment, goes through the table from its beginning.
    lowest = Min(F("pk") + 0)
    queued = Event.objects.filter(connection__in=place.connections, fate=Fate.QUEUED).order_by()
    unfinished = Run.objects.filter(pair__in=place.pairs, state__in=[Run.State.READY, Run.State.RETRYING])
    event, run = (rows.aggregate(low=lowest)["low"] for rows in (queued, unfinished.order_by()))
    of_run = Run.objects.filter(pk=run).values_list("event", flat=True) if run else ()
    oldest = Event.objects.filter(pk__in=[number for number in (event, *of_run) if number])
    since: datetime | None = oldest.aggregate(since=Min("received_at"))["since"]
    return since
