"""This module gathers what pages and programs are shown of a series: how it is watched, what is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q

from connectors.models import Connection
from integrator.accounts.models import Environment
from monitoring import bands, detection
from monitoring.anomaly_knobs import SENSITIVITY_WORDS
from monitoring.anomaly_models import Anomaly, FlowBin, FlowSeries, Series, SeriesBin

DAYS = 7  # until what is usual is known


@dataclass(frozen=True, slots=True)
class Keenness:
    """How keenly one thing is watched, and what people's feedback adds to that now."""

    key: str
    words: str
    chosen: str
    raised: float  # standard deviations

    @property
    def raised_in_words(self) -> str:
        """Return how much more unusual something has to be: each "not an anomaly" adds half a deviation."""
        return "a little" if self.raised <= 0.75 else "clearly" if self.raised <= 1.75 else "much"


@dataclass(frozen=True, slots=True)
class Watched:
    """A connection or a flow whose bins are looked at."""

    id: str
    name: str
    connection: Connection
    row: Series | FlowSeries
    days: float
    open: int

    @property
    def flow(self) -> str | None:
        """The id of the flow, if it is one."""
        return self.row.flow.public_id if isinstance(self.row, FlowSeries) else None

    @property
    def learning(self) -> bool:
        """Tell whether what is usual is not known well yet."""
        return self.days < DAYS

    @property
    def metrics(self) -> list[str]:
        """The names of what is measured of it, its volume first."""
        if isinstance(self.row, FlowSeries):
            return list(detection.metrics_of(detection.PROFILES[detection.FLOW]))
        names = detection.metrics_of(detection.PROFILES[detection.CONNECTION])
        if self.connection.system == Connection.System.STRIPE:
            return list(names)
        return [name for name in names if name in ("call_errors", "call_ms", "delivery_s")]

    @property
    def keenness(self) -> list[Keenness]:
        """How keenly each thing of it is watched."""
        raised = detection.raised(self.row.state)
        before = raised.get("charges", 0.0)  # as a version before this kept it, for fewer and more
        chosen = self.row.sensitivity
        return [
            Keenness(
                key, detection.KEYS[key], chosen.get(key, "usual"),
                round(max(raised.get(key, 0.0), before if key in ("drop", "spike") else 0.0), 2),
            )
            for key in self._keys()
        ]  # fmt: skip

    def _keys(self) -> Iterable[str]:
        if isinstance(self.row, FlowSeries):
            return ("silence", "run_errors", "run_s")
        if self.connection.system == Connection.System.STRIPE:
            return [key for key in detection.KEYS if key not in ("silence", "run_errors", "run_s")]
        return ("call_errors", "call_ms", "delivery_s")

    def points(self, metric: str, *, now: datetime) -> list[bands.Point]:
        """Return what was measured in the last 24 hours."""
        since = now - bands.SPAN
        if isinstance(self.row, FlowSeries):
            return bands.points(FlowBin.objects.filter(flow_series=self.row, starts_at__gte=since), metric)
        return bands.points(SeriesBin.objects.filter(series=self.row, starts_at__gte=since), metric)


def every(environments: Iterable[Environment]) -> list[Watched]:
    """Return the series of environments: each connection, followed by its flows."""
    here = list(environments)
    series = (
        Series.objects.filter(connection__environment__in=here)
        .select_related("connection__environment")
        .order_by("connection__environment", "-connection__system", "connection__name")
    )
    flows: dict[int, list[FlowSeries]] = {}
    rows = FlowSeries.objects.filter(series__connection__environment__in=here)
    for one in rows.select_related("flow", "series__connection__environment").order_by("flow__name"):
        flows.setdefault(one.series_id, []).append(one)
    counts = _open(here)
    found: list[Watched] = []
    for row in series:
        days, number = detection.days_known(row.state), counts.get((row.pk, None), 0)
        found.append(
            Watched(row.connection.public_id, row.connection.name, row.connection, row, days, number)
        )
        found += [
            Watched(
                one.public_id, one.flow.name, row.connection, one, detection.days_known(one.state),
                counts.get((row.pk, one.pk), 0),
            )
            for one in flows.get(row.pk, ())
        ]  # fmt: skip
    return found


def _open(here: list[Environment]) -> dict[tuple[int, int | None], int]:
    rows = Anomaly.objects.filter(Q(ended_at__isnull=True), series__connection__environment__in=here)
    counted: Any = rows.order_by().values_list("series", "flow_series").annotate(Count("pk"))
    return {(series, flow): number for series, flow, number in counted}


def sensitivities() -> list[tuple[str, str]]:
    """Return the words for how keenly something may be watched."""
    return list(SENSITIVITY_WORDS.items())
