"""
This module knows when events that people have announced go on, by the clock on the wall of a time zone.

It is pure. What repeats keeps its weekday or its day of the month, and its time of day, also where clocks are
put forward or back in between; a day that a month does not have is its last.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

FIRST_YEAR, LAST_YEAR = 2000, 2199
ONCE, WEEKLY, MONTHLY = "", "weekly", "monthly"
LONGEST = {WEEKLY: timedelta(days=7), MONTHLY: timedelta(days=28)}


@dataclass(frozen=True, slots=True)
class Known:
    """From when until when something is known to be unusual, how it repeats, and its last day if any."""

    begins: datetime
    ends: datetime
    repeats: str = ONCE
    last_day: date | None = None


def check(known: Known) -> None:
    """
    Make sure that there is sense in what was announced.

    Raises ValueError if it ends before it begins, lasts longer than until it comes again, or is of a year
    that cannot be reckoned with in all time zones.
    """
    if not FIRST_YEAR <= known.begins.year <= known.ends.year <= LAST_YEAR:
        raise ValueError(f"It has to end after it begins, and both between {FIRST_YEAR} and {LAST_YEAR}.")
    if known.ends <= known.begins:
        raise ValueError("It has to end after it begins.")
    if known.repeats not in (ONCE, *LONGEST):
        raise ValueError("It comes once, weekly or monthly.")
    if known.repeats and known.ends - known.begins > LONGEST[known.repeats]:
        raise ValueError("It would begin again before it has ended.")


def goes_on(known: Known, at: datetime, zone: tzinfo) -> bool:
    """Tell whether it goes on at that moment; its end does not belong to it."""
    return any(begins <= at < ends for begins, ends in _around(known, at, zone))


def next_after(known: Known, at: datetime, zone: tzinfo) -> tuple[datetime, datetime] | None:
    """Return from when until when it goes on now or goes on next, or nothing if it is over for good."""
    return next((span for span in _around(known, at, zone) if span[1] > at), None)


def _around(known: Known, at: datetime, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
    """Yield the occurrences nearest to `at`, in their order: from that of the week or month before."""
    if not known.repeats:
        yield known.begins, known.ends
        return
    first = known.begins.astimezone(zone)
    lasts = known.ends - known.begins
    number = max(_number(known, first.date(), at.astimezone(zone).date()), 0)
    for which in range(max(number - 1, 0), number + 3):
        day = _day(known, first.date(), which)
        if known.last_day is not None and day > known.last_day:
            return
        begins = datetime.combine(day, first.time(), zone)
        # By the clock of the world from here on, since times of one zone are compared by the wall's.
        begins = begins.astimezone(known.begins.tzinfo)
        yield begins, begins + lasts


def _number(known: Known, first: date, today: date) -> int:
    if known.repeats == WEEKLY:
        return (today - first).days // 7
    return (today.year - first.year) * 12 + today.month - first.month


def _day(known: Known, first: date, which: int) -> date:
    if known.repeats == WEEKLY:
        return first + timedelta(weeks=which)
    years, month = divmod(first.month - 1 + which, 12)
    year = first.year + years
    return date(year, month + 1, min(first.day, monthrange(year, month + 1)[1]))
