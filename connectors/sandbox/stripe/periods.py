"""This module counts billing periods: the calendar of subscriptions, in whole seconds of UTC."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime

# Interval -> how many of them a price may have at most, which is three years.
INTERVALS = {"day": 1095, "week": 156, "month": 36, "year": 3}
_SECONDS = {"day": 86_400, "week": 7 * 86_400}


def boundary(anchor: int, interval: str, count: int) -> int:
    """
    Return the moment `count` intervals after `anchor`.

    A month that lacks the anchor's day ends on its last one, and the next month has the day again.
    """
    if interval in _SECONDS:
        return anchor + count * _SECONDS[interval]
    begun = datetime.fromtimestamp(anchor, UTC)
    months = begun.year * 12 + begun.month - 1 + count * (12 if interval == "year" else 1)
    year, month = divmod(months, 12)
    day = min(begun.day, calendar.monthrange(year, month + 1)[1])
    return int(begun.replace(year=year, month=month + 1, day=day).timestamp())


def period(anchor: int, interval: str, count: int, *, at: int) -> tuple[int, int]:
    """Return the start and end of the period of `count` intervals that `at` lies in."""
    # A guess from the mean length, then the few steps to the exact one.
    mean = (boundary(anchor, interval, 12 * count) - anchor) // 12
    number = (at - anchor) // mean
    while boundary(anchor, interval, number * count) > at:
        number -= 1
    while boundary(anchor, interval, (number + 1) * count) <= at:
        number += 1
    return boundary(anchor, interval, number * count), boundary(anchor, interval, (number + 1) * count)


def shortest(interval: str, count: int) -> int:
    """Return how many seconds a period has at least."""
    return _SECONDS.get(interval, {"month": 28, "year": 365}.get(interval, 0) * 86_400) * count
