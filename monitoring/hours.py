"""
This module counts the hours: what each connection received, and which fate it has now.

The present hour and the one before are counted every minute, if anything happened; hours whose events may
still change their fate every quarter of an hour; every hour of the last days once a day. An hour costs one
scan of its own rows in the inbox, found by halving the ids.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Min, Sum
from django.db.models.functions import TruncHour

from flows.models import Change, Event
from flows.narrowing import CAME
from flows.queries import first_id
from integrator.accounts.models import Environment
from monitoring.conservation import HOUR, Equation, Span, Tally, add_up, equation, first_hour, hour_of
from monitoring.models import COUNTED, ConservationHour

UNSETTLED_EVERY = timedelta(minutes=15)
CHECKED_EVERY = timedelta(days=1)
CHECKED_FOR = timedelta(days=7)  # well below the time after which events are purged
KEPT_FOR = timedelta(days=400)
AT_ONCE = 24  # older hours that are counted in one pass
LATE = timedelta(minutes=2)  # how much later than received an event may be committed
# Counting takes at most this share of one core, however many events an hour has.
SHARE = 50


class Counter:
    """The counting of one process: it knows whether anything happened since, and what counting takes."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: tuple[int | None, int | None] | None = None
        self._hour: datetime | None = None
        self._not_before = 0.0

    def count_due(self, *, now: datetime) -> int:
        """Count whatever is due at `now`, and return how many hours that were."""
        begun = self._clock()
        if begun < self._not_before:
            return 0
        counted = self._count_present(now) + count_older(now=now)
        self._not_before = begun + (self._clock() - begun) * SHARE
        return counted

    def _count_present(self, now: datetime) -> int:
        seen = (_newest(Event), _newest(Change))
        present = hour_of(now)
        if seen == self._seen and present == self._hour:
            return 0
        counted = count(since=_start(present), until=now + LATE, now=now)
        self._seen, self._hour = seen, present
        return counted


def _newest(model: type[Event | Change]) -> int | None:
    newest: int | None = model._default_manager.aggregate(newest=Max("pk"))["newest"]
    return newest


def _start(present: datetime) -> datetime:
    """Return from where on to count: two hours back, or where counting ended when nobody counted since."""
    last = ConservationHour.objects.aggregate(last=Max("hour"))["last"]
    earliest = present - CHECKED_FOR
    if last is None:
        first = Event.objects.aggregate(first=Min("received_at"))["first"] if Event.objects.exists() else None
        last = first or present
    return max(earliest, min(hour_of(last), present - HOUR))


def count_older(*, now: datetime) -> int:
    """Count anew the hours before the last two that are due for it, the longest uncounted first."""
    settled = hour_of(now) - HOUR
    rows = ConservationHour.objects.filter(hour__lt=settled, hour__gte=now - CHECKED_FOR)
    restless = rows.unsettled().filter(counted_at__lt=now - UNSETTLED_EVERY)
    checked = rows.filter(counted_at__lt=now - CHECKED_EVERY)
    due = (restless | checked).order_by().values("hour").annotate(oldest=Min("counted_at"))
    hours = [row["hour"] for row in due.order_by("oldest")[:AT_ONCE]]
    for hour in hours:
        count(since=hour, until=hour + HOUR, now=now)
    return len(hours)


def count(*, since: datetime, until: datetime, now: datetime) -> int:
    """Count the events received from the hour `since` until `until`, and return how many hours changed."""
    sums = add_up(_tallies(since, until))
    with transaction.atomic():
        within = ConservationHour.objects.filter(hour__gte=since, hour__lt=until)
        known = {(row.connection_id, row.hour): row for row in within}
        rows = []
        for key in {*sums, *known}:
            found, before = sums.get(key), known.get(key)
            row = before or ConservationHour(connection_id=key[0], hour=key[1])
            received = found.received if found else 0
            row.received = max(row.received, received)
            row.delivered = max(row.delivered, found.delivered if found else 0)
            row.found = found.found if found else 0  # as the fates: what is ignored was not missed
            for fate in COUNTED:
                setattr(row, fate, found.fates.get(fate, 0) if found else 0)
            row.counted_at = now
            rows.append(row)
        _save(rows)
    return len(rows)


def _tallies(since: datetime, until: datetime) -> Iterator[Tally]:
    # A row that is committed late has a higher id than its time suggests.
    last = first_id(Event, "received_at", until + 2 * LATE)
    rows = Event.objects.filter(
        pk__gte=first_id(Event, "received_at", since), pk__lt=last, received_at__gte=since,
        received_at__lt=until,
    )  # fmt: skip
    grouped = rows.order_by().annotate(hour=TruncHour("received_at"))
    for connection, hour, fate, origin, events in grouped.values_list(
        "connection_id", "hour", "fate", "origin"
    ).annotate(events=Count("pk")):
        yield Tally(connection, hour, fate, origin, events)


def _save(rows: Iterable[ConservationHour]) -> None:
    ConservationHour.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["connection", "hour"],
        update_fields=["received", "delivered", "found", "counted_at", *COUNTED],
        batch_size=200,
    )


def forget(*, now: datetime) -> int:
    """Remove the hours that nobody asks for any more, and return how many there were."""
    removed, _ = ConservationHour.objects.filter(hour__lt=now - KEPT_FOR).delete()
    return removed


# What pages and programs ask


def of_environment(environment: Environment, *, since: datetime) -> Equation:
    """Return the equation of everything that `environment` has received in the hours from `since` on."""
    rows = ConservationHour.objects.filter(connection__environment=environment, hour__gte=since)
    return _equation(rows.aggregate(**_TOTALS), Span(first_hour(since)))


def of_connections(environment: Environment, *, since: datetime) -> list[tuple[str, str, Equation]]:
    """Return the id, the name and the equation of each connection of `environment` that received anything."""
    rows = ConservationHour.objects.filter(connection__environment=environment, hour__gte=since).order_by()
    each = rows.values("connection__public_id", "connection__name").annotate(**_TOTALS)
    return [
        (id_, name, _equation(row, Span(first_hour(since), connection=id_)))
        for row in each.order_by("connection__name")
        for id_, name in [(row["connection__public_id"], row["connection__name"])]
    ]


_TOTALS = {f"{name}_total": Sum(name, default=0) for name in ("received", "found", *COUNTED)}


def _equation(totals: Mapping[str, Any], span: Span) -> Equation:
    fates = {fate: totals[f"{fate}_total"] for fate in COUNTED}
    return equation(totals["received_total"], fates, span=span, found=totals["found_total"])


def found_in(hour: ConservationHour, *, most: int) -> list[str]:
    """Return the ids of the events of `hour` that webhooks missed, at most `most`."""
    rows = Event.objects.filter(
        CAME["found"][1],
        connection=hour.connection_id,
        pk__gte=first_id(Event, "received_at", hour.hour),
        received_at__gte=hour.hour,
        received_at__lt=hour.hour + HOUR,
    )
    last = first_id(Event, "received_at", hour.hour + HOUR + 2 * LATE)
    return list(rows.filter(pk__lt=last).order_by("id").values_list("external_id", flat=True)[:most])
