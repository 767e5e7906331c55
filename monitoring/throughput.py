"""This module counts how much came in and was applied, minute by minute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Count
from django.db.models.functions import TruncMinute

from flows.models import Attempt, Event, Fate
from flows.queries import first_id
from integrator.accounts.models import Environment

MINUTE = timedelta(minutes=1)


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
    received = _by_minute(
        Event.objects.filter(
            connection__environment=environment,
            pk__gte=first_id(Event, "received_at", since),
            received_at__gte=since,
        ),
        "received_at",
    )
    applied = _by_minute(
        Attempt.objects.filter(
            run__pair__environment=environment,
            run__fate=Fate.APPLIED,
            outcome="done",
            pk__gte=first_id(Attempt, "finished_at", since),
            finished_at__gte=since,
        ),
        "finished_at",
    )
    return {minute: (received.get(minute, 0), applied.get(minute, 0)) for minute in {*received, *applied}}


def _by_minute(rows: Any, field: str) -> dict[datetime, int]:
    grouped = rows.annotate(minute=TruncMinute(field)).values("minute").annotate(rows=Count("pk")).order_by()
    return {group["minute"]: group["rows"] for group in grouped}
