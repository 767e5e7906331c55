"""This module draws what pages show as charts: what came and was applied, how fast, what is usual, calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta, tzinfo

from monitoring import bands, charts, forecasting, spending
from monitoring.charts import Chart, Series, Shape, Times
from monitoring.throughput import MINUTE, Minute

FIVE_MINUTES = timedelta(minutes=5)


def throughput(minutes: Sequence[Minute], *, zone: tzinfo) -> Chart:
    """Return what came in, was applied and became a dead letter, minute by minute."""
    applied, dead = [one.applied for one in minutes], [one.dead for one in minutes]
    received = [one.received for one in minutes]
    series = [
        Series("Applied", "applied", applied, Shape.STACK, f"{sum(applied):,}"),
        Series("Dead letters", "dead", dead, Shape.STACK, f"{sum(dead):,}"),
        Series("Received", "received", received, Shape.LINE, f"{sum(received):,}"),
    ]
    return _of_minutes(series, minutes, zone, charts.COUNT)


def lag(minutes: Sequence[Minute], *, zone: tzinfo) -> Chart | None:
    """Return how long it took from received to applied, or nothing where nothing was applied."""
    if not any(one.applied for one in minutes):
        return None
    series = [
        Series("95 % within", "nearly-all", [one.nearly_all for one in minutes]),
        Series("Half within", "half", [one.half for one in minutes]),
    ]
    return _of_minutes(series, minutes, zone, charts.LENGTH)


def _of_minutes(series: list[Series], minutes: Sequence[Minute], zone: tzinfo, unit: charts.Unit) -> Chart:
    moments = [one.at for one in minutes]
    times = Times(moments[0], moments[-1] + MINUTE, zone)
    return charts.over_time(series, moments, times, unit=unit, each=MINUTE)


def band(points: Sequence[bands.Point], *, metric: str, times: Times) -> Chart:
    """Return what was measured of a metric at `times`, and what would have passed for usual."""
    known = [one.lo is not None and one.hi is not None for one in points]
    series = [
        Series(
            "Usual", "usual", [one.hi if usual else None for one, usual in zip(points, known, strict=True)],
            Shape.BAND, floor=[one.lo if usual else None for one, usual in zip(points, known, strict=True)],
        ),
        Series("Expected", "expected", [one.expected for one in points]),
        Series("Measured", "counted", [one.value for one in points]),
    ]  # fmt: skip
    moments = [one.at for one in points]
    unit = charts.COUNT if bands.SHOWN[metric][2] else charts.NUMBER
    return charts.over_time(series, moments, times, unit=unit, each=FIVE_MINUTES)


def days(names: Sequence[str], counted: spending.Days) -> Chart:
    """Return the calls of each day (by UTC), by what they were made for."""
    series = [
        Series(name, f"series-{place}", calls, Shape.STACK, f"{sum(calls):,}")
        for place, (name, (_, calls)) in enumerate(zip(names, counted.by_cause, strict=True))
    ]
    labels = [(f"{day:%a %-d %b}", f"{day:%-d %b}") for day in counted.days]
    return charts.by_name(series, labels, unit=charts.COUNT)


def outlook(forecast: forecasting.Forecast, *, ours: int, limit: int, zone: tzinfo) -> Chart:
    """Return what will be used of an org's calls, beside what is ours and what the org allows."""
    moments = [point.at for point in forecast.points]
    series = [
        Series("Used", "counted", [point.used for point in forecast.points]),
        Series("Ours", "ours", [ours] * len(moments), total=f"{ours:,}"),
        Series("The org’s limit", "limit", [limit] * len(moments), total=f"{limit:,}"),
    ]
    times = Times(moments[0], moments[-1], zone)
    return charts.over_time(series, moments, times, unit=charts.COUNT, each=timedelta(0))
