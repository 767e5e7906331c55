"""This module says what was measured of a metric beside what was expected, point by point and in sum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from monitoring.anomaly_models import FlowBin, SeriesBin

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
class Summary:
    """What some points come to: sums of what adds up, and the middle values of what does not."""

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


def summary(found: Sequence[Point], *, metric: str) -> Summary | None:
    """Return what the points of a metric come to; nothing if nothing was measured."""
    if not found:
        return None
    known = [one for one in found if one.lo is not None and one.hi is not None]
    _, unit, adds_up = SHOWN[metric]
    total, digits = (sum, None) if adds_up else (_middle, 1)
    return Summary(
        value=round(total([one.value for one in found]), digits),
        expected=round(total([one.expected or 0.0 for one in known]), digits),
        unit=unit,
        adds_up=adds_up,
    )


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0
