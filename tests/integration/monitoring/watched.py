"""This module gives what is watched for anomalies: what is usual, runs of a live flow, an outage."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

from connectors.models import Connection
from flows.models import Deployment, Lane, Run
from monitoring import detection
from monitoring.conditions import key_of
from monitoring.models import Alert, FlowSeries, Series
from tests.builders import NOON
from tests.integration.flows.given import an_event

BIN = timedelta(minutes=5)


@cache
def usual(profile: str) -> dict[str, Any]:
    """Return what is known after eight days of about ten runs, or thirty calls, a bin, up to noon."""
    bins, state = 8 * 288, detection.fresh(profile)
    for number in range(bins):
        row = {
            "ts": (NOON - BIN * (bins - number)).isoformat(),
            "runs": 8 + number % 5, "run_errors": 0, "run_s": 3.0,
            "calls": 30, "call_errors": 0, "call_ms": 200.0 + number % 7,
        }  # fmt: skip
        state, found = detection.observe(state, row)
        assert found == []
    return state


def watch(live: Deployment) -> FlowSeries:
    """Let the runs of a live flow be watched from noon on, with what is usual."""
    series, _ = Series.objects.get_or_create(connection=live.pair.stripe, defaults={"seen_until": NOON})
    return FlowSeries.objects.create(
        series=series, flow=live.flow, state=usual(detection.FLOW), seen_until=NOON, history_until=NOON
    )


def runs(live: Deployment, at: datetime, count: int, **fields: Any) -> list[Run]:
    """Return `count` runs of a live flow that were opened at a moment, done unless it is said otherwise."""
    lane, _ = Lane.objects.get_or_create(pair=live.pair, key="test")
    values = {"state": Run.State.DONE, "fate": "applied", "finished_at": at + timedelta(seconds=3)}
    return [
        Run.objects.create(
            flow=live.flow, version=live.version, pair=live.pair, lane=lane, created_at=at,
            event=an_event(live.pair.stripe, received_at=at, dispatched_at=at), **(values | fields),
        )
        for _ in range(count)
    ]  # fmt: skip


def an_outage(connection: Connection, begins: datetime, over: datetime | None = None) -> Alert:
    """Return the alert of a connection that does, or did, not answer."""
    here = connection.environment
    return Alert.objects.create(
        workspace=here.workspace, environment=here, kind="connection_outage", severity="warning",
        key=key_of("connection_outage", here.pk, connection.public_id), text="It is tried again.",
        title=f"{connection.name} does not answer", link="/", noticed_at=begins, opened_at=begins,
        last_seen_at=over or begins, gone_at=over, closed_at=over,
    )  # fmt: skip
