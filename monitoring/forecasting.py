"""
This module tells how many of an org's API calls will be used over the next day. It is pure.

Salesforce counts the calls of the last 24 hours. So there is no moment at which the count begins anew: each
hour that comes adds its calls, and the hour that is a day old takes its own away. What comes is taken to be
what is usual: the mean of the same hour of the same weekday in the last four weeks, as far as these were
counted; before that the mean of the same hour of the last days, and at first of the hours that are known.
Whoever else uses the org is taken to go on as in the last 24 hours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
AHEAD = 24  # hours
WEEKS, DAYS = 4, 7  # that are looked back on
ENOUGH_WEEKS = 2
ENOUGH_DAYS = timedelta(days=3)  # before it is asked whether the last day was busier than usual
CALMEST, BUSIEST = 0.5, 2.0


@dataclass(frozen=True, slots=True)
class Point:
    """How many calls of 24 hours are used at a moment."""

    at: datetime
    used: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is used from now on, hour by hour. `busier` is the last day's part of what is usual."""

    points: Sequence[Point]
    most: Point
    reached_at: datetime | None  # when the calls that are ours are used up, if they will be
    busier: float
    known: timedelta  # for how long calls have been counted

    @property
    def is_guess(self) -> bool:
        """Tell whether too little is known yet to say what is usual."""
        return self.known < DAY


def forecast(
    *, used: int, ours: int, hours: Mapping[datetime, int], since: datetime | None, now: datetime
) -> Forecast:
    """
    Return what will be used, given that `used` is now and the calls we made in each of the `hours`.

    `ours` is how many calls we may use, `since` the first hour that was counted at all.
    """
    present = now.replace(minute=0, second=0, microsecond=0)
    known = _Known(hours, since or present, present)
    busier = known.busier()
    points, total = [Point(now, used)], float(used)
    for number in range(AHEAD):
        hour = present + HOUR * number
        part = 1.0 - (now - hour) / HOUR if number == 0 else 1.0  # what is left of the present hour
        total += known.usual(hour) * busier * part - hours.get(hour - DAY, 0) * part
        total = max(0.0, total)
        points.append(Point(hour + HOUR, round(total)))
    return Forecast(
        points=points,
        most=max(points, key=lambda point: point.used),
        reached_at=_reached(points, ours),
        busier=busier,
        known=now - known.since,
    )


def _reached(points: Sequence[Point], ours: int) -> datetime | None:
    """Return when the line first comes to `ours`, between two of its points."""
    if points[0].used >= ours:
        return points[0].at
    for before, after in pairwise(points):
        if after.used >= ours:
            part = (ours - before.used) / (after.used - before.used)
            return before.at + (after.at - before.at) * part
    return None


@dataclass(frozen=True, slots=True)
class _Known:
    """The calls of the hours that are over."""

    hours: Mapping[datetime, int]
    since: datetime
    present: datetime

    def usual(self, hour: datetime) -> float:
        """Return how many calls an hour has, going by those before it."""
        weekly = self._seen(hour, WEEK, WEEKS)
        if len(weekly) >= ENOUGH_WEEKS:
            return _mean(weekly)
        daily = self._seen(hour, DAY, DAYS)
        if daily:
            return _mean(daily)
        over = max(1, int((self.present - self.since) / HOUR))
        return sum(calls for at, calls in self.hours.items() if at < self.present) / over

    def busier(self) -> float:
        """Return how much busier the last 24 hours were than is usual; 1 where little is known."""
        if self.present - self.since < ENOUGH_DAYS:
            return 1.0
        last = [self.present - HOUR * back for back in range(1, 25)]
        usual = sum(self.usual(hour) for hour in last)
        if usual < 1:
            return 1.0
        return min(BUSIEST, max(CALMEST, sum(self.hours.get(hour, 0) for hour in last) / usual))

    def _seen(self, hour: datetime, step: timedelta, most: int) -> list[int]:
        """Return the calls of the same hour of days or weeks before, as far as these are over and known."""
        before = (hour - step * back for back in range(1, most + 1))
        return [self.hours.get(at, 0) for at in before if self.since <= at < self.present]


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values)
