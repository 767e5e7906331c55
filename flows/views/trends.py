"""This module lays out the small chart of how often a cause of dead letters came about on the last days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from flows.causes import Trend

STEP = 10  # of the drawing's own units: a bar, and the gap behind it
HEIGHT = 24.0
LOWEST = 2.0  # a day with one letter is seen beside one with thousands


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the chart."""

    day: date
    number: int
    x: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The trend as it is drawn and as it is read out."""

    bars: Sequence[Bar]
    most: int
    words: str

    @classmethod
    def of(cls, trend: Trend) -> Chart:
        """Lay out `trend`."""
        heights = [_height(number, trend.most) for _, number in trend.days]
        bars = [
            Bar(day, number, at * STEP, HEIGHT - height, height)
            for at, ((day, number), height) in enumerate(zip(trend.days, heights, strict=True))
        ]
        told = [f"{day:%-d %B} {number:,}" for day, number in trend.days if number]
        words = f"Last {len(bars)} days, by UTC: {', '.join(told) or 'none came'}"
        return cls(bars, trend.most, words)


def _height(number: int, most: int) -> float:
    return max(LOWEST, round(HEIGHT * number / most, 1)) if number else 0.0
