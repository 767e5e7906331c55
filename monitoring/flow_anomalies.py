"""
This module looks at the runs of each live flow, five minutes at a time: whether they fail, take long or stop.

A flow belongs to the series of the Stripe connection of its pair. What was before it began to be watched is
learnt from and not told. While a flow is switched off or held, or while we were away, nothing is looked at:
that no runs came then says nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from connectors.models import Connection
from flows.models import Deployment, Run
from monitoring import anomaly_causes, detection, outages
from monitoring.anomalies import AT_ONCE, BEHIND, HISTORY, LATE, each, follow
from monitoring.anomaly_knobs import Settings
from monitoring.anomaly_models import Anomaly, FlowBin, FlowSeries, Series
from monitoring.anomaly_sources import BIN, floor, of_flow


def observe_due(*, now: datetime) -> int:
    """Look at the bins of flows that are over and were not looked at, and return how many those were."""
    until = floor(now - LATE)
    live = _live()
    known = {(one.series.connection_id, one.flow_id): one for one in _watched()}
    for connection, flow in live - set(known):
        _begin(connection, flow, until)
    resting = [one.pk for key, one in known.items() if key not in live and one.seen_until < until]
    FlowSeries.objects.filter(pk__in=resting).update(seen_until=until)
    Anomaly.objects.filter(flow_series__in=resting, ended_at__isnull=True).update(ended_at=until)
    due = FlowSeries.objects.filter(seen_until__lt=until).exclude(pk__in=resting).order_by("pk")
    return each(due.values_list("pk", flat=True), lambda pk: observe(flow_series=pk, until=until))


def _live() -> set[tuple[int, int]]:
    """Return the (Stripe connection, flow) of what is live and could have runs."""
    deployed = Deployment.objects.filter(
        ended_at__isnull=True,
        enabled=True,
        held_since__isnull=True,
        pair__stripe__state=Connection.State.ACTIVE,
        pair__stripe__series__isnull=False,
    )
    return set(deployed.values_list("pair__stripe_id", "flow_id"))


def _watched() -> list[FlowSeries]:
    return list(FlowSeries.objects.select_related("series").defer("state", "series__state"))


def _begin(connection: int, flow: int, until: datetime) -> None:
    series = Series.objects.get(connection=connection)
    first = Run.objects.filter(flow=flow, pair__stripe=connection).order_by("id").first()
    begins = min(max(floor(first.created_at), until - HISTORY), until) if first else until
    FlowSeries.objects.get_or_create(
        series=series, flow_id=flow, defaults={"seen_until": begins, "history_until": until}
    )


def observe(*, flow_series: int, until: datetime) -> int:
    """Look at the next bins of a flow, at most a day's, and return how many those were."""
    with transaction.atomic():
        watched = _locked(flow_series)
        _follow_the_zone(watched)
    begins = before = watched.seen_until
    if begins >= watched.history_until and until - begins > BEHIND:
        begins = until - BIN  # we were away, and whatever came meanwhile stands in the first bins after
    until = min(until, begins + AT_ONCE * BIN)
    if until <= begins:
        return 0
    # Counted and compared before anything is locked: it takes a while, and SQLite has one writer.
    known = watched.state
    bins, found = _looked(watched, begins, until)
    with transaction.atomic():
        now_there = _locked(flow_series)
        if (now_there.seen_until, now_there.state) != (before, known):
            return 0  # somebody else has looked or said something meanwhile, or it is learnt anew
        watched.seen_until = until
        watched.save(update_fields=["state", "seen_until"])
        FlowBin.objects.bulk_create(bins, ignore_conflicts=True)
        Anomaly.objects.bulk_create(found)
        follow(Anomaly.objects.filter(flow_series=watched), watched.state, until)
        return len(bins)


def _looked(watched: FlowSeries, begins: datetime, until: datetime) -> tuple[list[FlowBin], list[Anomaly]]:
    settings = Settings(watched.series, watched, begins, until)
    bins: list[FlowBin] = []
    found: list[Anomaly] = []
    for at, row in of_flow(watched, begins, until).items():
        knobs = settings.at(at)
        state = watched.state or detection.fresh(detection.FLOW)
        state, alerts = detection.observe(state, row, knobs)
        watched.state = {**state, "zone": settings.zone.key}
        if at >= watched.history_until:
            found += [_anomaly(watched, alert, at) for alert in alerts]
        bins.append(_bin(watched, at, detection.measured(watched.state, row, knobs)))
    return bins, found


def _locked(flow_series: int) -> FlowSeries:
    return (
        FlowSeries.objects.select_related("series__connection__environment__workspace", "flow")
        .select_for_update(of=("self",))
        .get(pk=flow_series)
    )


def _anomaly(watched: FlowSeries, alert: detection.Alert, at: datetime) -> Anomaly:
    causes = anomaly_causes.of_flow(watched, alert, until=at + BIN)
    under = outages.of_runs(watched, alert, at=at)
    return Anomaly.of(watched.series, alert, began_at=at, causes=causes, flow_series=watched, under=under)


def _bin(watched: FlowSeries, at: datetime, measured: dict[str, Any]) -> FlowBin:
    short = {
        name: [None if value is None else float(f"{value:.5g}") for value in values]
        for name, values in measured.items()
    }
    return FlowBin(flow_series=watched, starts_at=at, measured=short)


def learn_anew(watched: FlowSeries) -> None:
    """Let a flow's series learn anew what is usual, from the runs that are there; the caller saves it."""
    told_from = watched.seen_until
    watched.state = detection.learn_anew(watched.state, detection.FLOW)
    first = (
        Run.objects.filter(flow=watched.flow_id, pair__stripe=watched.series.connection_id)
        .order_by("id")
        .values_list("created_at", flat=True)
        .first()
    )
    watched.seen_until = min(max(floor(first), told_from - HISTORY), told_from) if first else told_from
    watched.history_until = max(told_from, watched.history_until)


def _follow_the_zone(watched: FlowSeries) -> None:
    zone = watched.series.connection.environment.workspace.zone.key
    if watched.state and watched.state.get("bins") and watched.state.get("zone", "UTC") != zone:
        learn_anew(watched)
        watched.save(update_fields=["state", "seen_until", "history_until"])
