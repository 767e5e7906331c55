"""
This module looks at the payments of each Stripe connection, five minutes at a time, for what is unusual.

Events are counted by Stripe's own time, so that what arrives late does not look like a rush. How many
duplicates came, amounts and calls of Salesforce are not counted here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Q
from django.db.models.functions import TruncMinute

from connectors.models import Connection, Cursor
from flows.models import Change, Event
from flows.queries import first_id
from integrator.accounts import audit
from monitoring import detection
from monitoring.anomaly_models import Anomaly, Series, SeriesBin
from monitoring.facts import Unusual
from monitoring.places import Places

BIN = timedelta(minutes=5)
AT_ONCE = 288  # bins of a connection that are looked at in one pass
HISTORY = timedelta(days=28)  # of events that are there already when a series begins
COMES_AGAIN = timedelta(hours=1)
LATE = timedelta(minutes=2)  # webhooks come within it
BEHIND = timedelta(minutes=20)  # after which we were away, and webhooks may have been missed
LONGEST_WAIT = timedelta(hours=2)
KEPT_FOR = timedelta(days=14)  # bins; anomalies are kept
COUNTED = {
    "charge.succeeded": ("charges",),
    "charge.failed": ("charges", "failed"),
    "charge.refunded": ("refunds",),
    "charge.dispute.created": ("disputes",),
}
METRICS = {"charges": "Charges", "failed": "Failed charges", "refunds": "Refunds", "disputes": "Disputes"}
_KEYS = {"volume_drop": "drop", "outage": "drop", "volume_spike": "spike"}


def observe_due(*, now: datetime) -> int:
    """Look at the bins that are over and were not looked at, and return how many those were."""
    working = Connection.objects.filter(system=Connection.System.STRIPE, state=Connection.State.ACTIVE)
    due = working.exclude(series__seen_until__gt=_floor(now - LATE) - BIN)
    return sum(observe(connection=one, now=now) for one in due.order_by("pk"))


def observe(*, connection: Connection, now: datetime) -> int:
    """Look at the next bins of one connection, and return how many those were."""
    until = _floor(now - LATE)
    with transaction.atomic():
        series = _locked(connection, until)
        begins = series.seen_until
        until = min(_all_here_until(connection, begins, until), begins + AT_ONCE * BIN)
        if until <= begins:
            return 0
        counts = _counts(connection, begins, until)
        state, bins, found, at = series.state or None, [], [], begins
        while at < until:
            row = {name: counts[at][name] for name in METRICS}
            state, alerts = detection.observe(state, {"ts": at.isoformat(), **row})
            found += [Anomaly.of(series, alert, began_at=at) for alert in alerts]
            bins.append(_bin(series, at, row, state))
            at += BIN
        series.state, series.seen_until = state, until
        series.save(update_fields=["state", "seen_until"])
        SeriesBin.objects.bulk_create(bins, ignore_conflicts=True)
        Anomaly.objects.bulk_create(found)
        _follow(series, until)
        return len(bins)


def _locked(connection: Connection, until: datetime) -> Series:
    if not Series.objects.filter(connection=connection).exists():
        events = Event.objects.filter(connection=connection).order_by("id")
        first = events.values_list("received_at", flat=True).first()
        begins = max(_floor(first), until - HISTORY) if first else until
        Series.objects.get_or_create(connection=connection, defaults={"seen_until": min(begins, until)})
    return Series.objects.select_for_update().get(connection=connection)


def _all_here_until(connection: Connection, begins: datetime, until: datetime) -> datetime:
    """
    Return up to when all events have come, so that our own absence is not taken for silence.

    Where webhooks do not bring them, or were missed while we were away, that is up to where Stripe's list of
    events has been read; a list that cannot be read is not waited for.
    """
    if until - begins <= BEHIND and not connection.settings.get("walk_only"):
        return until
    listed = Cursor.objects.filter(connection=connection, stream="events", failure="").first()
    if listed is None or listed.reached_at is None or until - listed.reached_at > LONGEST_WAIT:
        return until
    return min(until, _floor(listed.reached_at))


def _counts(connection: Connection, begins: datetime, until: datetime) -> defaultdict[datetime, Counter[str]]:
    rows = (
        Event.objects.filter(
            connection=connection,
            type__in=COUNTED,
            pk__gte=first_id(Event, "received_at", begins),
            happened_at__gte=begins,
            happened_at__lt=until,
        )
        .order_by()
        .annotate(minute=TruncMinute("happened_at"))
        .values_list("minute", "type")
        .annotate(events=Count("pk"))
    )
    counts: defaultdict[datetime, Counter[str]] = defaultdict(Counter)
    for minute, type_, events in rows:
        for name in COUNTED[type_]:
            counts[_floor(minute)][name] += events
    return counts


def _bin(series: Series, at: datetime, row: dict[str, int], state: dict[str, Any]) -> SeriesBin:
    expected, lo, hi = detection.expected_charges(state) or (None, None, None)
    return SeriesBin(
        series=series, starts_at=at, charges=row["charges"], failed=row["failed"],
        expected=expected, lo=lo, hi=hi,
    )  # fmt: skip


def _follow(series: Series, until: datetime) -> None:
    """End what does not show any more; what comes again before it would be told anew goes on."""
    recent = series.anomalies.filter(dismissed_at__isnull=True)
    for one in recent.filter(Q(ended_at__isnull=True) | Q(ended_at__gt=until - COMES_AGAIN)):
        goes_on = detection.goes_on(series.state, _KEYS.get(one.kind, one.metric))
        if goes_on == (one.ended_at is not None):
            one.ended_at = None if goes_on else until
            one.save(update_fields=["ended_at"])


def _floor(at: datetime) -> datetime:
    return at.replace(minute=at.minute - at.minute % 5, second=0, microsecond=0)


def forget(*, now: datetime) -> int:
    """Remove the bins that no page shows any more, and return how many there were."""
    removed, _ = SeriesBin.objects.filter(starts_at__lt=now - KEPT_FOR).delete()
    return removed


def unusual(places: Places) -> list[Unusual]:
    """Return what is unusual now, as the facts of alerts."""
    open_ones = Anomaly.objects.open().select_related("series__connection")
    return [
        Unusual(
            place=places.at(one.series.connection.environment_id),
            anomaly=one.public_id,
            name=one.series.connection.name,
            kind=one.kind,
            reason=one.reason,
            grave=one.kind == "outage",
        )
        for one in open_ones
    ]


# What people decide


def dismiss(*, anomaly: Anomaly, actor: str, now: datetime) -> Anomaly:
    """
    Say that it is no anomaly: its metric has to be more unusual from now on to be told.

    :raises AlreadyOver: if that was said before
    """
    with transaction.atomic():
        series = Series.objects.select_for_update().get(pk=anomaly.series_id)
        found = Anomaly.objects.select_for_update().get(pk=anomaly.pk)
        found.dismiss(actor=actor, now=now)
        series.state = detection.not_an_anomaly(series.state, found.metric)
        series.save(update_fields=["state"])
        _record(series, "anomaly.dismissed", actor, now, {"anomaly": found.public_id, "kind": found.kind})
    return found


def announce(
    *, connection: Connection, metric: str, begins: datetime, ends: datetime, actor: str, now: datetime
) -> Series:
    """
    Say that an event is to come, such as a promotion: until it is over, `metric` ("" for all) is not told.

    :raises ValueError: if it does not end after it begins, or has ended already
    """
    if ends <= now:
        raise ValueError("This has ended already.")
    with transaction.atomic():
        series = _locked(connection, _floor(now))
        state = series.state or detection.fresh()
        series.state = detection.mute(state, begins=begins, ends=ends, metric=metric)
        series.save(update_fields=["state"])
        details = {"from": begins.isoformat(), "until": ends.isoformat(), "metric": metric or "all"}
        _record(series, "anomaly.announced", actor, now, details)
    return series


def _record(series: Series, action: str, actor: str, now: datetime, details: dict[str, str]) -> None:
    here = series.connection.environment
    audit.record(
        workspace=here.workspace, actor=actor, action=action, target=series.connection.name,
        details=details, now=now,
    )  # fmt: skip
    Change.objects.record(environment_id=here.pk, kind="alert", summary={}, now=now)
