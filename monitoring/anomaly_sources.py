"""
This module counts what is watched, five minutes at a time, from what is stored anyway.

Events are counted by Stripe's own time, so that what arrives late does not look like a rush; how late it
arrives is counted by ours. Calls come from `connectors.tallies`, runs from the runs themselves.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Q, QuerySet
from django.db.models.functions import TruncMinute

from connectors.models import Connection, Tally
from connectors.tallies import STEPS
from flows.models import Event, Run
from flows.queries import first_id
from monitoring.anomaly_models import FlowSeries

BIN = timedelta(minutes=5)
SAMPLE = 5000  # the newest rows of a span, whose times are looked at one by one
ENOUGH = 5  # of them in a bin, before a 95th percentile says anything
COUNTED = {
    "charge.succeeded": ("charges",),
    "charge.failed": ("charges", "failed"),
    "charge.refunded": ("refunds",),
    "charge.dispute.created": ("disputes",),
}
CHARGES = ("charge.succeeded", "charge.failed")
PAYMENTS = ("charges", "failed", "refunds", "disputes")

Rows = dict[datetime, dict[str, Any]]


def floor(at: datetime) -> datetime:
    """Return the start of the five minutes that `at` lies in."""
    return at.replace(minute=at.minute - at.minute % 5, second=0, microsecond=0)


def of_connection(connection: Connection, begins: datetime, until: datetime) -> Rows:
    """Return a row for each five minutes, with what was measured of the connection in them."""
    rows: Rows = {}
    at = begins
    while at < until:
        rows[at] = {"ts": at.isoformat()}
        at += BIN
    first = first_id(Event, "received_at", begins)  # once: it takes a few statements
    received = Event.objects.filter(connection=connection, pk__gte=first).order_by()
    happened = received.filter(happened_at__gte=begins, happened_at__lt=until)
    if connection.system == Connection.System.STRIPE:
        counts = _payments(happened)
        for at, row in rows.items():
            row |= {name: counts[at][name] for name in PAYMENTS}
    calls, took = _calls(connection, begins, until)
    twice = _twice(happened)
    late = _lateness(received.filter(received_at__gte=begins, received_at__lt=until))
    for at, row in rows.items():
        row["calls"], row["call_errors"] = calls[at]["calls"], calls[at]["calls.failed"]
        row["dup_events"] = twice[at] + calls[at]["repeated"]
        row["call_ms"] = _percentile_of_buckets(took[at])
        row["delivery_s"] = percentile(late[at])
    return rows


def _payments(happened: QuerySet[Event]) -> defaultdict[datetime, Counter[str]]:
    rows = (
        happened.filter(type__in=COUNTED)
        .annotate(minute=TruncMinute("happened_at"))
        .values_list("minute", "type")
        .annotate(events=Count("pk"))
    )
    counts: defaultdict[datetime, Counter[str]] = defaultdict(Counter)
    for minute, type_, events in rows:
        for name in COUNTED[type_]:
            counts[floor(minute)][name] += events
    return counts


def _twice(happened: QuerySet[Event]) -> Counter[datetime]:
    """Count events that tell of a charge what another event, with another id, told already."""
    rows = (
        happened.filter(type__in=CHARGES)
        .exclude(object_id="")
        .values_list("type", "object_id")
        .annotate(events=Count("pk"), last=Max("happened_at"))
        .filter(events__gt=1)
    )
    found: Counter[datetime] = Counter()
    for _, _, events, last in rows:
        found[floor(last)] += events - 1
    return found


def _lateness(received: QuerySet[Event]) -> defaultdict[datetime, list[float]]:
    rows = received.filter(origin=Event.Origin.LIVE).order_by("-pk")
    late: defaultdict[datetime, list[float]] = defaultdict(list)
    for came, happened in rows.values_list("received_at", "happened_at")[:SAMPLE]:
        if happened is not None:
            late[floor(came)].append(max((came - happened).total_seconds(), 0.0))
    return late


def _calls(
    connection: Connection, begins: datetime, until: datetime
) -> tuple[defaultdict[datetime, Counter[str]], defaultdict[datetime, Counter[int]]]:
    rows = Tally.objects.filter(connection=connection, starts_at__gte=begins, starts_at__lt=until)
    counts: defaultdict[datetime, Counter[str]] = defaultdict(Counter)
    took: defaultdict[datetime, Counter[int]] = defaultdict(Counter)
    for at, name, count in rows.values_list("starts_at", "name", "count"):
        if name.startswith("ms:"):
            took[at][int(name[3:])] += count
        else:
            counts[at][name] += count
    return counts, took


def _percentile_of_buckets(buckets: Counter[int]) -> float | None:
    total = buckets.total()
    if total < ENOUGH:
        return None
    left = 0.95 * total
    for bucket in sorted(buckets):
        left -= buckets[bucket]
        if left <= 0:
            break
    return round(math.exp(bucket / STEPS), 1)


def percentile(values: Iterable[float]) -> float | None:
    """Return the 95th percentile of `values`, or nothing of too few."""
    found = sorted(values)
    return found[int(0.95 * (len(found) - 1))] if len(found) >= ENOUGH else None


# Flows


def of_flow(watched: FlowSeries, begins: datetime, until: datetime) -> Rows:
    """Return a row for each five minutes, with what became of the runs that were opened in them."""
    opened = runs_of(watched, begins, until)
    counted = (
        opened.order_by()
        .annotate(minute=TruncMinute("created_at"))
        .values_list("minute")
        .annotate(every=Count("pk"), ill=Count("pk", filter=FAILED))
    )
    runs, ill = Counter[datetime](), Counter[datetime]()
    for minute, every, failed in counted:
        runs[floor(minute)] += every
        ill[floor(minute)] += failed
    took: defaultdict[datetime, list[float]] = defaultdict(list)
    timed = opened.exclude(state=Run.State.WAITING).order_by("-pk")
    for created, finished in timed.values_list("created_at", "finished_at")[:SAMPLE]:
        took[floor(created)].append(((finished or until) - created).total_seconds())
    rows: Rows = {}
    at = begins
    while at < until:
        rows[at] = {
            "ts": at.isoformat(), "runs": runs[at], "run_errors": ill[at], "run_s": percentile(took[at]),
        }  # fmt: skip
        at += BIN
    return rows


FAILED = Q(first_failed_at__isnull=False) | Q(state=Run.State.DEAD)


def runs_of(watched: FlowSeries, begins: datetime, until: datetime) -> Any:
    """Return the first runs that a flow opened within a span, not those that were begun anew."""
    return Run.objects.filter(
        flow=watched.flow_id,
        pair__stripe=watched.series.connection_id,
        pk__gte=first_id(Run, "created_at", begins),
        created_at__gte=begins,
        created_at__lt=until,
        replay=0,
    )
