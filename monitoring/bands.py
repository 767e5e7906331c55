"""This module draws what was measured beside what was expected: shapes of a chart, 600 wide and 100 high."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from monitoring.anomaly_models import FlowBin, SeriesBin

WIDTH, HEIGHT = 600.0, 100.0
SPAN = timedelta(hours=24)
# What is shown of a metric: its words, what one five minutes' value is of, and whether values add up.
SHOWN: dict[str, tuple[str, str, bool]] = {
    "charges": ("Charges", "charges", True),
    "failed": ("Failed charges", "failed charges", True),
    "refunds": ("Refunds", "refunds", True),
    "disputes": ("Disputes", "disputes", True),
    "dup_events": ("Events that came twice", "events that came twice", True),
    "call_errors": ("Calls that failed", "failed calls", True),
    "call_ms": ("How long calls take", "ms (95 of 100 calls are quicker)", False),
    "delivery_s": ("How late events arrive", "s (95 of 100 events are earlier)", False),
    "runs": ("Runs", "runs", True),
    "run_errors": ("Runs that failed", "failed runs", True),
    "run_s": ("How long runs take", "s (95 of 100 runs are quicker)", False),
}


class Point(NamedTuple):
    """What was measured in five minutes; without `expected`, `lo` and `hi` nothing was known yet."""

    at: datetime
    value: float
    expected: float | None
    lo: float | None
    hi: float | None


@dataclass(frozen=True, slots=True)
class Band:
    """Points of a polygon, of what would pass for usual, and of a line, of what was measured."""

    usual: str
    counted: str
    most: float
    value: float
    expected: float
    unit: str
    adds_up: bool


def points(bins: Iterable[SeriesBin | FlowBin], metric: str) -> list[Point]:
    """Return what bins know of a metric."""
    found = []
    for one in bins:
        if metric == "charges" and isinstance(one, SeriesBin):
            found.append(Point(one.starts_at, one.charges, one.expected, one.lo, one.hi))
        elif metric in one.measured:
            found.append(Point(one.starts_at, *one.measured[metric]))
    return found


def draw(found: Sequence[Point], *, metric: str, now: datetime, span: timedelta = SPAN) -> Band | None:
    """
    Return the shapes of the last 24 hours, or another `span` until `now`; nothing if nothing was measured.

    `value` and `expected` of the band are sums of what adds up, and the middle values of what does not.
    """
    shown = [one for one in found if one.at >= now - span]
    if not shown:
        return None
    known = [one for one in shown if one.lo is not None and one.hi is not None]
    most = max(1.0, *(one.value for one in shown), *(one.hi or 0.0 for one in known))
    upper = [_point(across(one.at, now, span), one.hi or 0.0, most) for one in known]
    lower = [_point(across(one.at, now, span), one.lo or 0.0, most) for one in reversed(known)]
    _, unit, adds_up = SHOWN[metric]
    total, digits = (sum, None) if adds_up else (_middle, 1)
    return Band(
        usual=" ".join(upper + lower),
        counted=" ".join(_point(across(one.at, now, span), one.value, most) for one in shown),
        most=round(most, 1),
        value=round(total([one.value for one in shown]), digits),
        expected=round(total([one.expected or 0.0 for one in known]), digits),
        unit=unit,
        adds_up=adds_up,
    )


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0


def across(at: datetime, now: datetime, span: timedelta) -> float:
    """Return where a moment stands in a chart of the `span` until `now`."""
    return round(WIDTH * (1.0 - (now - at) / span), 1)


def _point(x: float, value: float, most: float) -> str:
    return f"{x:.1f},{HEIGHT * (1.0 - value / most):.1f}"
