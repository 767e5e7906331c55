"""
This module gathers what the page of one anomaly shows: its time with what was usual, and where to look.

Of an amount there is no chart, since each customer has their own; it is put beside what they usually pay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from urllib.parse import urlencode

from django.db.models import Q

from connectors.models import Connection
from flows.models import Event, Pair
from monitoring import bands, charting, detection, shown
from monitoring.anomaly_causes import SINCE, TYPES
from monitoring.anomaly_models import Anomaly, FlowBin, SeriesBin
from monitoring.anomaly_sources import BIN
from monitoring.charts import Chart, Times

BEFORE = timedelta(hours=6)
AFTER = timedelta(hours=1)
LONGEST = timedelta(days=3)  # after which what lasts is shown no further
FAILING = frozenset({"run_error_surge", "call_error_surge"})


@dataclass(frozen=True, slots=True)
class Shown:
    """What was measured around an anomaly: drawn with the time in which it lasted, and in words."""

    title: str
    chart: Chart
    unit: str
    peak: float
    then: bands.Point | None
    since: bands.Summary | None


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount beside what its customer usually pays, and the event that told of it, if it is kept."""

    paid: str
    usual: str
    times: float
    event: Event | None


@dataclass(frozen=True, slots=True)
class Way:
    """A list of runs or events, narrowed to those of an anomaly."""

    words: str
    view: str
    query: str


# The chart


def shown_of(anomaly: Anomaly, *, zone: tzinfo, now: datetime) -> Shown | None:
    """Return what was measured from some hours before until it was over; nothing if it is not kept."""
    if anomaly.metric not in bands.SHOWN:
        return None
    times = Times(anomaly.began_at - BEFORE, _until(anomaly, now), zone)
    found = _points(anomaly, times.start, times.end)
    if not found:
        return None
    over = min(anomaly.ended_at or times.end, times.end)
    during = [point for point in found if anomaly.began_at <= point.at < over]
    title, unit, _ = bands.SHOWN[anomaly.metric]
    return Shown(
        title=title,
        chart=replace(
            charting.band(found, metric=anomaly.metric, times=times),
            marked=times.stretch(anomaly.began_at, over),
        ),
        unit=unit,
        peak=round(max(point.value for point in found), 1),
        then=next((point for point in during if point.at == anomaly.began_at), None),
        since=bands.summary(during, metric=anomaly.metric),
    )


def _until(anomaly: Anomaly, now: datetime) -> datetime:
    ends = anomaly.ended_at + AFTER if anomaly.ended_at else now
    return max(min(ends, now, anomaly.began_at + LONGEST), anomaly.began_at + BIN)


def _points(anomaly: Anomaly, begins: datetime, until: datetime) -> list[bands.Point]:
    span = {"starts_at__gte": begins, "starts_at__lt": until}
    bins: Iterable[SeriesBin | FlowBin]
    if anomaly.flow_series_id is not None:
        bins = FlowBin.objects.filter(flow_series=anomaly.flow_series_id, **span)
    else:
        bins = SeriesBin.objects.filter(series=anomaly.series_id, **span)
    return bands.points(bins, anomaly.metric)


# An amount


def amount_of(anomaly: Anomaly) -> Amount | None:
    """Return the amount that an anomaly is about, if it is about one; versions before this kept no charge."""
    if anomaly.metric != detection.AMOUNT or not anomaly.object_id:
        return None
    told = Event.objects.filter(
        connection=anomaly.series.connection_id, object_id=anomaly.object_id, type="charge.succeeded"
    )
    return Amount(
        paid=shown.money(round(anomaly.observed), anomaly.currency),
        usual=shown.money(round(anomaly.expected), anomaly.currency),
        times=anomaly.observed / max(anomaly.expected, 1.0),
        event=told.order_by("pk").first(),
    )


# Where to look


def ways_of(anomaly: Anomaly) -> list[Way]:
    """Return the lists of what an anomaly is about, from an hour before it showed until it was over."""
    return list(_ways(anomaly, _span(anomaly)))


def _ways(anomaly: Anomaly, span: dict[str, str]) -> Iterator[Way]:
    connection = anomaly.series.connection
    if anomaly.flow_series is not None:
        of_flow = {"flow": anomaly.flow_series.flow.public_id, **span}
        if anomaly.kind in FAILING:
            yield _runs("Its dead letters of that time", {"fate": "dead", **of_flow})
        yield _runs("Its runs of that time", of_flow)
        yield _events(f"Events of {connection.name}", {"connection": connection.public_id, **span})
    elif anomaly.metric in ("call_errors", "call_ms"):
        for one in _sources(connection):
            of_source = {"connection": one.public_id, **span}
            if anomaly.kind in FAILING:
                yield _runs(f"Dead letters of events of {one.name}", {"fate": "dead", **of_source})
            yield _runs(f"Runs of events of {one.name}", of_source)
    else:
        types = TYPES.get(anomaly.metric, ())
        narrowed = {"type": types[0]} if len(types) == 1 else {}
        words = bands.SHOWN[anomaly.metric][0] if narrowed else "Events"
        about = {"connection": connection.public_id, **narrowed, **span}
        yield _events(f"{words} of that time", about)


def _sources(connection: Connection) -> list[Connection]:
    """Return the connections whose events let flows call `connection`: both sides of its pairs."""
    pairs = Pair.objects.filter(Q(stripe=connection) | Q(salesforce=connection))
    sides = Q(pairs_as_stripe__in=pairs) | Q(pairs_as_salesforce__in=pairs)
    return list(Connection.objects.filter(sides).distinct().order_by("-system", "name"))


def _span(anomaly: Anomaly) -> dict[str, str]:
    """Return the bounds of the time as lists take them, in whole minutes of UTC."""
    span = {"since": _minute(anomaly.began_at - SINCE)}
    if anomaly.ended_at is not None:
        span["until"] = _minute(anomaly.ended_at + timedelta(minutes=1))
    return span


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M}"


def _runs(words: str, narrowed: dict[str, str]) -> Way:
    return Way(words, "flows:runs", urlencode(narrowed))


def _events(words: str, narrowed: dict[str, str]) -> Way:
    return Way(words, "flows:events", urlencode(narrowed))
