"""
This module looks up what an incident has in common, once, when it is found.

Of payments that is currency, country, means of payment and error code; of calls the code; of runs the version
and the code. A few hundred of each are opened, those of the incident and those of the day before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Sum

from connectors.models import Connection, Tally
from flows import payloads
from flows.models import DeadLetter, Deployment, Event, Run
from flows.queries import first_id
from monitoring.anomaly_models import FlowSeries
from monitoring.anomaly_sources import CHARGES, FAILED, runs_of
from monitoring.detection import Alert
from monitoring.detection.likely import Cause, Traits, less_of, more_of

MOST = 300  # events of each side
BEFORE = timedelta(days=1)
SINCE = timedelta(hours=1)  # what is found now may have begun so long before
NEW = timedelta(hours=2)  # for which a version may be why
LONGEST = 40  # characters of a value
TYPES: dict[str, tuple[str, ...]] = {
    "failed": ("charge.failed",),
    "refunds": ("charge.refunded",),
    "disputes": ("charge.dispute.created",),
    "charges": CHARGES,
}


def of_connection(connection: Connection, alert: Alert, *, until: datetime) -> list[dict[str, Any]]:
    """Return what an incident of a connection, found in the bin before `until`, likely has to do with."""
    begins = until - SINCE
    found: Sequence[Cause] = ()
    if alert.metric == "call_errors":
        found = more_of(_codes(connection, begins, until), _codes(connection, begins - BEFORE, begins))
    elif alert.metric in TYPES:
        types = TYPES[alert.metric]
        before = _payments(connection, types, begins - BEFORE, begins)
        if alert.kind in ("volume_drop", "outage"):
            now = _payments(connection, types, until - timedelta(minutes=30), until)
            times = alert.expected / len(before) if before else 0.0
            found = less_of(now[: int(alert.observed)], before, times=times)
        else:
            found = more_of(_payments(connection, types, begins, until), before)
    return [cause.as_json() for cause in found]


def _payments(
    connection: Connection, types: Iterable[str], begins: datetime, until: datetime
) -> list[Traits]:
    """Return the traits of the newest events of `types` that happened within a span."""
    rows = Event.objects.filter(
        connection=connection,
        type__in=list(types),
        pk__gte=first_id(Event, "received_at", begins),
        happened_at__gte=begins,
        happened_at__lt=until,
        purged_at__isnull=True,
    ).order_by("-pk")
    return list(map(traits, _opened(connection, rows.values_list("body", flat=True)[:MOST])))


def _opened(connection: Connection, bodies: Iterable[bytes | memoryview]) -> Iterable[dict[str, Any]]:
    for body in bodies:
        try:
            yield payloads.object_of(payloads.open_body(body, connection_id=connection.pk))
        except payloads.Unreadable:
            continue


def traits(found: dict[str, Any]) -> Traits:
    """Return what may explain something about a charge or a dispute; no part of it names a person."""
    details = _inner(found, "payment_method_details")
    means = str(details.get("type") or "")
    address = _inner(_inner(found, "billing_details"), "address")
    country = _inner(details, means).get("country") or address.get("country")
    values = {
        "currency": str(found.get("currency") or "").upper(),
        "country": country,
        "means of payment": means.replace("_", " "),
        "error code": found.get("failure_code"),
        "reason": found.get("reason") if found.get("object") == "dispute" else "",
    }
    return {what: value[:LONGEST] for what, value in values.items() if isinstance(value, str) and value}


def _inner(found: dict[str, Any], name: str) -> dict[str, Any]:
    inner = found.get(name)
    return inner if isinstance(inner, dict) else {}


def _codes(connection: Connection, begins: datetime, until: datetime) -> list[Traits]:
    rows = Tally.objects.filter(
        connection=connection, name__startswith="code:", starts_at__gte=begins, starts_at__lt=until
    )
    counted = rows.order_by().values_list("name").annotate(number=Sum("count"))
    total = sum(number for _, number in counted) or 1
    part = min(1.0, MOST / total)
    return [{"error code": name[5:]} for name, number in counted for _ in range(max(round(number * part), 1))]


# Flows


def of_flow(watched: FlowSeries, alert: Alert, *, until: datetime) -> list[dict[str, Any]]:
    """Return what an incident of a flow, found in the bin before `until`, likely has to do with."""
    begins, new = until - SINCE, _new_version(watched, until)
    before = _runs(runs_of(watched, begins - BEFORE, begins))
    runs = runs_of(watched, begins, until)
    found: list[Cause] = []
    if alert.metric == "run_errors":
        found = more_of(_runs(runs.filter(FAILED)), before)
    elif alert.metric == "run_s":
        slow = [run for run in runs.order_by("-pk")[:MOST] if _seconds(run, until) > alert.hi]
        found = more_of(_traits(slow), before)
    if new is not None and not any(cause.what == "version" for cause in found):
        found = [new, *found][:2]
    return [cause.as_json() for cause in found]


def _seconds(run: Run, until: datetime) -> float:
    return ((run.finished_at or until) - run.created_at).total_seconds()


def _runs(runs: Any) -> list[Traits]:
    return _traits(list(runs.select_related("version").order_by("-pk")[:MOST]))


def _traits(runs: Sequence[Run]) -> list[Traits]:
    letters = DeadLetter.objects.filter(run__in=[run.pk for run in runs]).order_by("pk")
    codes = {run: code or kind for run, code, kind in letters.values_list("run_id", "code", "error_class")}
    found: list[Traits] = []
    for run in runs:
        values = {
            "version": str(run.version.number), "currency": run.currency, "error code": codes.get(run.pk, "")
        }  # fmt: skip
        found.append({what: value[:LONGEST] for what, value in values.items() if value})
    return found


def _new_version(watched: FlowSeries, until: datetime) -> Cause | None:
    live = Deployment.objects.filter(
        flow=watched.flow_id,
        pair__stripe=watched.series.connection_id,
        ended_at__isnull=True,
        deployed_at__gte=until - NEW,
    ).select_related("version")
    newest = live.first()
    if newest is None:
        return None
    number, minutes = newest.version.number, round((until - newest.deployed_at).total_seconds() / 60)
    return Cause("version", str(number), 1.0, 0.0, f"Version {number} went live {minutes} minutes before.")
