"""This module tells what the API calls of a connection were spent on, by the hours that are counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.core.cache import cache
from django.db.models import F, Min, Sum
from django.db.models.functions import TruncDay

from connectors.budgets import Allowance, allowance_of
from connectors.metering import NOBODY
from connectors.models import CallHour, Connection
from monitoring.forecasting import DAY, HOUR, WEEK, Forecast, forecast
from monitoring.planning import Measured

# Logins are no calls of the API, and runs are no calls at all.
CALLS = (CallHour.Kind.READ, CallHour.Kind.WRITE)
LOOKED_BACK = timedelta(days=29)  # four weeks before each hour of the next day
KEPT = timedelta(days=90)
STATES = ("reached", "short", "low", "enough")  # the worst first
LITTLE = 10.0  # percent of our calls
SHOWN_DAYS = 14


@dataclass(frozen=True, slots=True)
class Hours:
    """How many calls each hour had, and since which whole hour they are counted; None: never yet."""

    calls: Mapping[datetime, int]
    since: datetime | None

    def kept(self) -> list[Any]:
        """Return it as the cache takes it: JSON, with moments in seconds since 1970."""
        since = None if self.since is None else self.since.timestamp()
        return [since, [[hour.timestamp(), calls] for hour, calls in self.calls.items()]]

    @classmethod
    def of_kept(cls, kept: list[Any]) -> Hours:
        """Return what was kept."""
        since, calls = kept
        begun = None if since is None else datetime.fromtimestamp(since, UTC)
        return cls({datetime.fromtimestamp(hour, UTC): number for hour, number in calls}, begun)

    def of_day(self, now: datetime) -> int:
        """Return how many calls the last 24 hours had, the present hour and the 23 before it."""
        return sum(calls for hour, calls in self.calls.items() if hour > now - DAY)

    def busiest(self) -> tuple[datetime, int] | None:
        """Return the hour with most calls of the last seven days that are counted."""
        newest = max(self.calls, default=None)
        recent = {hour: calls for hour, calls in self.calls.items() if newest and hour > newest - WEEK}
        return max(recent.items(), key=lambda item: item[1], default=None)


def hours_of(connection: Connection, *, now: datetime, anew: bool = False) -> Hours:
    """Return the calls of the last four weeks, hour by hour, as of a minute ago unless counted `anew`."""
    key = f"call-hours:{connection.pk}:{now:%d%H}"  # live pages ask often
    known = None if anew else cache.get(key)
    if known is None:
        counted = _count(connection, now)
        cache.set(key, counted.kept(), timeout=60)
        return counted
    return Hours.of_kept(known)


def _count(connection: Connection, now: datetime) -> Hours:
    rows = CallHour.objects.filter(connection=connection, hour__gt=_hour_of(now) - LOOKED_BACK)
    summed = rows.filter(kind__in=CALLS).order_by().values_list("hour").annotate(Sum("calls"))
    first = rows.aggregate(first=Min("hour"))["first"]
    # The first hour was counted from somewhere in it.
    since = None if first is None else min(first + HOUR, _hour_of(now))
    return Hours({hour.astimezone(UTC): calls for hour, calls in summed}, since)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an org allows and has told, and what will be used of it."""

    connection: Connection
    allowance: Allowance
    forecast: Forecast
    counted: int  # calls of the last 24 hours that we have made
    is_old: bool  # the org told it so long ago that what is used by now is reckoned

    @property
    def others(self) -> int:
        """Return how many of the calls that are used were not ours, as far as ours are counted."""
        return max(0, self.allowance.used - self.counted)

    @property
    def is_reached(self) -> bool:
        """Tell whether the calls that are ours are used up already."""
        return self.allowance.left == 0

    @property
    def is_short(self) -> bool:
        """Tell whether they are used up, or will be within a day."""
        return self.forecast.reached_at is not None

    @property
    def state(self) -> str:
        """Return how it stands: `reached`, `short`, `low` (only a tenth is left) or `enough`."""
        if self.is_reached:
            return "reached"
        if self.is_short:
            return "short"
        return "low" if self.allowance.left_percent < LITTLE else "enough"


def outlook_of(connection: Connection, *, now: datetime, anew: bool = False) -> Outlook | None:
    """Return what will be used of an org's calls, counted `anew` or not; None if it has told no limit."""
    allowance = allowance_of(connection)
    if allowance is None:
        return None
    hours = hours_of(connection, now=now, anew=anew)
    is_old = allowance.is_stale(now)
    if is_old:
        allowance = replace(allowance, used=_used_by_now(allowance, hours, now))
    coming = forecast(used=allowance.used, ours=allowance.ours, hours=hours.calls, since=hours.since, now=now)
    return Outlook(connection, allowance, coming, hours.of_day(now), is_old)


def _used_by_now(allowance: Allowance, hours: Hours, now: datetime) -> int:
    """Return what is used by now of what the org told long ago: since then, calls of ours have come back."""
    told = allowance.told_at or now
    came = sum(calls for hour, calls in hours.calls.items() if told < hour <= now)
    gone = sum(calls for hour, calls in hours.calls.items() if told - DAY < hour <= now - DAY)
    return max(hours.of_day(now), allowance.used + came - gone)


def measured(connection: Connection, *, now: datetime) -> dict[int, Measured]:
    """Return what each cause did on an average day of the last seven, or of those that are counted."""
    present = _hour_of(now)
    rows = CallHour.objects.filter(connection=connection, hour__gte=present - WEEK)
    first = rows.aggregate(first=Min("hour"))["first"]
    if first is None:
        return {}
    days = max(now - first, HOUR) / DAY
    found: dict[int, dict[str, _Summed]] = defaultdict(dict)
    by_kind = rows.order_by().values_list("cause", "kind")
    summed = by_kind.annotate(Sum("calls"), Sum("carried"), squares=Sum(F("carried") * F("carried")))
    for cause, kind, *of_kind in summed:
        found[cause][kind] = _Summed(*of_kind)
    return {cause: _measured(kinds, days) for cause, kinds in found.items()}


class _Summed(NamedTuple):
    """The calls of one kind, what they carried, and the squares of what they carried in each hour."""

    calls: int = 0
    carried: int = 0
    squares: int = 0


def _measured(kinds: Mapping[str, _Summed], days: float) -> Measured:
    none = _Summed()
    reads, writes = kinds.get(CallHour.Kind.READ, none), kinds.get(CallHour.Kind.WRITE, none)
    return Measured(
        runs=kinds.get(CallHour.Kind.TRY, none).carried / days,
        reads=reads.calls / days,
        questions=reads.carried / days,
        writes=writes.calls / days,
        records=writes.carried / days,
        pace=writes.squares / writes.carried / HOUR.total_seconds() if writes.carried else 0.0,
    )


def of_last_day(connection: Connection, *, now: datetime) -> dict[int, int]:
    """Return how many calls of the last 24 hours each cause has."""
    rows = CallHour.objects.filter(connection=connection, kind__in=CALLS, hour__gt=now - DAY)
    return dict(rows.order_by().values_list("cause").annotate(Sum("calls")))


@dataclass(frozen=True, slots=True)
class Days:
    """Calls day by day, the present day last, by cause: those with most of them first, then all others."""

    days: Sequence[datetime]
    by_cause: Sequence[tuple[int | None, Sequence[int]]]  # None: all others together

    @property
    def totals(self) -> list[int]:
        """Return how many calls each day had."""
        return [sum(calls[place] for _, calls in self.by_cause) for place in range(len(self.days))]


def days_of(connection: Connection, *, now: datetime, most: int = 5) -> Days:
    """Return the calls of the last two weeks, by day (UTC) and for the `most` causes that have most."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - DAY * back for back in range(SHOWN_DAYS - 1, -1, -1)]
    rows = CallHour.objects.filter(connection=connection, kind__in=CALLS, hour__gte=days[0])
    counted: dict[int, dict[datetime, int]] = defaultdict(dict)
    by_day = rows.annotate(day=TruncDay("hour", tzinfo=UTC)).order_by()
    for cause, day, calls in by_day.values_list("cause", "day").annotate(Sum("calls")):
        counted[cause][day] = calls
    causes = sorted(counted, key=lambda cause: (-sum(counted[cause].values()), cause))
    shown: list[tuple[int | None, Sequence[int]]] = [
        (cause, [counted[cause].get(day, 0) for day in days]) for cause in causes[:most]
    ]
    if causes[most:]:
        others = [sum(counted[cause].get(day, 0) for cause in causes[most:]) for day in days]
        shown.append((None, others))
    return Days(days, shown)


def forget(*, now: datetime) -> int:
    """Remove the hours that nobody asks for any more, and return how many rows there were."""
    removed, _ = CallHour.objects.filter(hour__lt=now - KEPT).delete()
    return removed


def is_of_nobody(cause: int) -> bool:
    """Tell whether no flow asked for what is counted under `cause`."""
    return cause == NOBODY


def _hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
