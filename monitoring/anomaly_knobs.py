"""This module says what people have set for a series: sensitivities, known events, and their time zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import Q

from monitoring.anomaly_models import Anomaly, FlowSeries, KnownEvent, Series
from monitoring.detection import Knobs, calendar, key_of

# Standard deviations that each of the words adds to what is usual.
SENSITIVITIES: dict[str, float] = {"keen": -0.7, "usual": 0.0, "calm": 1.0, "off": 0.0}
SENSITIVITY_WORDS = {"keen": "Keenly", "usual": "As usual", "calm": "Calmly", "off": "Not told"}
CHARGES = "charges"  # of a known event: fewer and more
EVERYTHING = ""


class Settings:
    """What holds for one series from `begins` until `until`."""

    def __init__(self, series: Series, flow: FlowSeries | None, begins: datetime, until: datetime) -> None:
        here = series.connection.environment
        self.zone: ZoneInfo = here.workspace.zone
        chosen: Mapping[str, str] = (flow or series).sensitivity
        self.extra = {key: SENSITIVITIES.get(word, 0.0) for key, word in chosen.items()}
        self.off = frozenset(key for key, word in chosen.items() if word == "off")
        self.events = events_of(series, flow, begins, until)

    def at(self, moment: datetime) -> Knobs:
        """Return what holds in the bin that begins at `moment`."""
        known: set[str] = set()
        for event in self.events:
            if calendar.goes_on(event.known, moment, self.zone):
                known |= keys_of(event)
        return Knobs(zone=self.zone, extra=self.extra, off=self.off, known=frozenset(known))


def events_of(series: Series, flow: FlowSeries | None, begins: datetime, until: datetime) -> list[KnownEvent]:
    """Return the known events that may go on within a span, for a connection or one of its flows."""
    meant = Q(connection__isnull=True) | Q(connection=series.connection_id)
    return list(
        KnownEvent.objects.filter(
            meant, Q(flow_series__isnull=True) | Q(flow_series=flow), Q(ends__gt=begins) | ~Q(repeats=""),
            environment=series.connection.environment_id, begins__lt=until,
        )
    )  # fmt: skip


def keys_of(event: KnownEvent) -> set[str]:
    """Return the keys that an event is about; "" stands for all."""
    return {"drop", "spike"} if event.metric == CHARGES else {event.metric}


def muted(anomalies: Sequence[Anomaly], now: datetime) -> set[int]:
    """Return the primary keys of those of `anomalies` that a known event hides now, read in one statement."""
    if not anomalies:
        return set()
    events = KnownEvent.objects.filter(
        Q(ends__gt=now) | ~Q(repeats=""),
        environment__in={one.series.connection.environment_id for one in anomalies},
        begins__lte=now,
    ).select_related("environment__workspace")
    going_on = [one for one in events if calendar.goes_on(one.known, now, one.environment.workspace.zone)]
    return {one.pk for one in anomalies if any(_hides(event, one) for event in going_on)}


def _hides(event: KnownEvent, anomaly: Anomaly) -> bool:
    return (
        event.environment_id == anomaly.series.connection.environment_id
        and event.connection_id in (None, anomaly.series.connection_id)
        and event.flow_series_id in (None, anomaly.flow_series_id)
        and bool(keys_of(event) & {EVERYTHING, key_of(anomaly.kind, anomaly.metric)})
    )
