"""This module draws charges beside what was expected: the shapes of a chart, 600 wide and 100 high."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.anomaly_models import SeriesBin

WIDTH, HEIGHT = 600.0, 100.0
SPAN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Band:
    """Points of a polygon, of what would pass for usual, and of a line, of what was counted."""

    usual: str
    counted: str
    most: int
    charges: int
    expected: int


def draw(bins: Sequence[SeriesBin], *, now: datetime) -> Band | None:
    """Return the shapes of the bins of the last 24 hours, or nothing where there are none."""
    shown = [one for one in bins if one.starts_at >= now - SPAN]
    if not shown:
        return None
    known = [one for one in shown if one.lo is not None and one.hi is not None]
    most = max(1.0, *(float(one.charges) for one in shown), *(one.hi or 0.0 for one in known))
    upper = [_point(one, one.hi or 0.0, most, now) for one in known]
    lower = [_point(one, one.lo or 0.0, most, now) for one in reversed(known)]
    return Band(
        usual=" ".join(upper + lower),
        counted=" ".join(_point(one, one.charges, most, now) for one in shown),
        most=round(most),
        charges=sum(one.charges for one in shown),
        expected=round(sum(one.expected or 0.0 for one in known)),
    )


def _point(one: SeriesBin, value: float, most: float, now: datetime) -> str:
    across = WIDTH * (1.0 - (now - one.starts_at) / SPAN)
    return f"{across:.1f},{HEIGHT * (1.0 - value / most):.1f}"
