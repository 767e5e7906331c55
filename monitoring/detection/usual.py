"""
This module knows how many charges are usual in each hour of the week.

It keeps up to eight weekly figures for each of the 168 hours and takes their median, leaning towards the
shape of a day while there are few. It is pure.
"""

from __future__ import annotations

import math
from statistics import median
from typing import NamedTuple

from monitoring.detection.bins import PER_HOUR, State

WEEKS = 8
HOURS = 168
LEANING = 1.0  # weeks that the shape of the day counts for
LEVEL_HOURS = 48  # how slowly the level follows growth


class Usual(NamedTuple):
    """Charges expected in a bin of an hour, and how far off that may be (relative, one deviation)."""

    mean: float
    off: float


def expect(hours: list[list[float]], slot: int, *, level: float, dispersion: float) -> Usual | None:
    """Return what is usual in the hour `slot` of the week, or nothing before anything is known of it."""
    known = [median(one) if one else None for one in hours]
    day, hour = divmod(slot, 24)
    by_hour = [_middle([known[d * 24 + h] for d in range(7)]) for h in range(24)]
    shape = by_hour[hour]
    if shape is None:
        return None
    factor = _busyness(known[day * 24 : day * 24 + 24], by_hour)
    own, weeks = known[slot], len(hours[slot])
    shaped = _middle([
        None if (value := known[d * 24 + hour]) is None
        else value / (_busyness(known[d * 24 : d * 24 + 24], by_hour) or 1.0)
        for d in range(7)
    ]) or shape  # fmt: skip
    prior = shaped * (factor or 1.0)
    if own is None:
        return Usual(max(prior * level, 0.05), 0.2 if factor else 0.35)
    if weeks == 1:
        own = min(max(own, prior / 2.0), prior * 2.0)  # a single one may have been a wild hour
    elif weeks == 2:
        own = median([*hours[slot], prior])
    mean = (weeks * own + LEANING * prior) / (weeks + LEANING)
    off = 1.5 * dispersion / (PER_HOUR * max(mean, 0.05) * (weeks + 2))
    return Usual(max(mean * level, 0.05), math.sqrt(off + 0.0009))


def follow(level: float, observed: float, expected: float) -> float:
    """Return the level after an hour, a little nearer to what was observed."""
    if expected <= 0 or observed <= 0:
        return level
    step = min(max(math.log(observed / expected), -0.2), 0.2)
    return level * math.exp(step / LEVEL_HOURS)


def remember(volume: State, slot: int, figure: float) -> list[list[float]]:
    """Return the weekly figures with a new one for the hour `slot`."""
    hours: list[list[float]] = [*volume["hours"]]
    hours[slot] = [*hours[slot][-(WEEKS - 1) :], round(figure, 3)]
    return hours


def _middle(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _busyness(day: list[float | None], by_hour: list[float | None]) -> float | None:
    """Return how busy a day of the week is against all, from the hours that are known of it."""
    pairs = [(own, of) for own, of in zip(day, by_hour, strict=True) if own is not None and of is not None]
    usual = sum(of for _, of in pairs)
    return sum(own for own, _ in pairs) / usual if usual > 0 else None
