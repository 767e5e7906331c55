"""
This module looks at each connection, five minutes at a time, for what is unusual in its payments and calls.

What is counted is in `anomaly_sources`, what is set by people in `anomaly_knobs`. Flows are looked at by
`flow_anomalies`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q

from connectors.models import Connection, Cursor, Tally
from flows.models import Event
from monitoring import anomaly_amounts, anomaly_causes, detection, outages
from monitoring.anomaly_knobs import Settings, muted
from monitoring.anomaly_models import Anomaly, FlowBin, KnownEvent, Series, SeriesBin
from monitoring.anomaly_sources import BIN, floor, of_connection
from monitoring.detection import calendar
from monitoring.facts import Unusual
from monitoring.places import Places

AT_ONCE = 288  # bins of a connection that are looked at in one pass
HISTORY = timedelta(days=28)  # of events that are there already when a series begins
COMES_AGAIN = timedelta(hours=1)
LATE = timedelta(minutes=2)  # webhooks come within it
BEHIND = timedelta(minutes=20)  # after which we were away, and webhooks may have been missed
LONGEST_WAIT = timedelta(hours=2)
FRESH = timedelta(hours=6)  # what is found in older bins is told on the page, and not as an alert
KEPT_FOR = timedelta(days=14)  # bins; anomalies are kept
KNOWN_FOR = timedelta(days=90)  # what came once and is over
LAST = datetime(calendar.LAST_YEAR, 12, 31, tzinfo=UTC)

log = structlog.get_logger(__name__)
T = TypeVar("T")


def observe_due(*, now: datetime) -> int:
    """Look at the bins that are over and were not looked at, and return how many those were."""
    paused = Anomaly.objects.open().filter(series__connection__state=Connection.State.PAUSED)
    paused.update(ended_at=now)  # nobody looks whether it goes on
    working = Connection.objects.filter(state=Connection.State.ACTIVE)
    due = working.exclude(series__seen_until__gt=floor(now - LATE) - BIN)
    return each(due.order_by("pk"), lambda one: observe(connection=one, now=now))


def each(rows: Iterable[T], look: Callable[[T], int]) -> int:
    """
    Return how many bins were looked at in all `rows`: one that fails keeps no other from its turn.

    The first failure is raised in the end, so that the duty says that it fails; at once if the database is
    away.
    """
    looked, failures = 0, []
    for row in rows:
        try:
            looked += look(row)
        except (OperationalError, InterfaceError):
            raise
        except Exception as failure:
            log.warning("anomalies.failed", row=str(row), error=type(failure).__name__, exc_info=failure)
            failures.append(failure)
    if failures:
        raise failures[0]
    return looked


def observe(*, connection: Connection, now: datetime) -> int:
    """Look at the next bins of one connection, and return how many those were."""
    until = floor(now - LATE)
    with transaction.atomic():
        series = locked(connection, until)
        _follow_the_zone(series)
    begins = series.seen_until
    until = min(_all_here_until(connection, begins, until), begins + AT_ONCE * BIN)
    if until <= begins:
        return 0
    # Counted and compared before anything is locked: it takes a while, and SQLite has one writer.
    known, looked = series.state, _Looked(series, begins, until)
    for at, row in of_connection(connection, begins, until).items():
        looked.at(at, row)
    with transaction.atomic():
        now_there = locked(connection, until)
        if (now_there.seen_until, now_there.state) != (begins, known):
            return 0  # somebody else has looked or said something meanwhile, or it is learnt anew
        series.seen_until = until
        series.save(update_fields=["state", "seen_until"])
        SeriesBin.objects.bulk_create(looked.bins, ignore_conflicts=True)
        Anomaly.objects.bulk_create(looked.found)
        anomaly_amounts.keep(looked.histories)
        follow(Anomaly.objects.filter(series=series, flow_series__isnull=True), series.state, until)
        return len(looked.bins)


class _Looked:
    """A pass over the bins of a connection: what they were and what was found in them."""

    def __init__(self, series: Series, begins: datetime, until: datetime) -> None:
        self.series, self.until = series, until
        self.settings = Settings(series, None, begins, until)
        self.bins: list[SeriesBin] = []
        self.found: list[Anomaly] = []
        self.told_from = datetime.fromisoformat(told) if (told := series.state.get("told_from")) else begins
        extra = self.settings.extra.get(detection.AMOUNT, 0.0)
        extra += detection.raised(series.state).get(detection.AMOUNT, 0.0)
        paid = anomaly_amounts.paid(series.connection, begins, until)
        self.amounts, self.histories = anomaly_amounts.look(series.connection, paid, extra=extra)

    def at(self, at: datetime, row: dict[str, Any]) -> None:
        knobs, far = self.settings.at(at), self.amounts.get(at)
        seen = {**row, "unusual_amount": far.look if far else None}
        state, alerts = detection.observe(self.series.state or detection.fresh(), seen, knobs)
        self.series.state = {**state, "zone": self.settings.zone.key}
        if at >= self.told_from:
            self.found += [self._anomaly(alert, at) for alert in alerts]
        self.bins.append(_bin(self.series, at, row, detection.measured(self.series.state, row, knobs)))

    def _anomaly(self, alert: detection.Alert, at: datetime) -> Anomaly:
        connection, more = self.series.connection, dict[str, str]()
        if alert.metric == detection.AMOUNT and (far := self.amounts.get(at)):
            more = {"object_id": far.paid.charge[:255], "currency": far.paid.currency}
        causes = anomaly_causes.of_connection(connection, alert, until=at + BIN)
        under = outages.of_calls(connection, alert, at=at)
        return Anomaly.of(self.series, alert, began_at=at, causes=causes, under=under, **more)


def locked(connection: Connection, until: datetime) -> Series:
    """Return the series of a connection, which begins with the events that are there if it is new."""
    if not Series.objects.filter(connection=connection).exists():
        begins = _history(connection, until)
        Series.objects.get_or_create(connection=connection, defaults={"seen_until": begins})
    series = (
        Series.objects.select_related("connection__environment__workspace")
        .select_for_update(of=("self",))
        .get(connection=connection)
    )
    _move_to_the_calendar(series)
    return series


def _history(connection: Connection, until: datetime) -> datetime:
    events = Event.objects.filter(connection=connection).order_by("id")
    first = events.values_list("received_at", flat=True).first()
    return min(max(floor(first), until - HISTORY), until) if first else until


def learn_anew(series: Series) -> None:
    """Let a series forget what is usual, and learn it from the events that are there; the caller saves it."""
    told_from = series.seen_until
    if before := series.state.get("told_from"):  # it may be learning already
        told_from = max(told_from, datetime.fromisoformat(before))
    series.state = {**detection.learn_anew(series.state), "told_from": told_from.isoformat()}
    series.seen_until = _history(series.connection, told_from)


def _follow_the_zone(series: Series) -> None:
    """Learn the hours of the week anew, once the workspace has moved to another time zone."""
    zone = series.connection.environment.workspace.zone.key
    if series.state and series.state.get("bins") and series.state.get("zone", "UTC") != zone:
        learn_anew(series)
        series.save(update_fields=["state", "seen_until"])


def _move_to_the_calendar(series: Series) -> None:
    """Make known events of what a version before this kept in the state of the series."""
    kept = (series.state.get("incidents") or {}).get("mutes") or []
    if not kept:
        return
    for metric, begins, ends in kept:
        KnownEvent.objects.create(
            environment=series.connection.environment, connection=series.connection, metric=metric,
            name="Announced earlier", begins=datetime.fromisoformat(begins), made_by="system",
            ends=min(datetime.fromisoformat(ends), LAST), made_at=datetime.fromisoformat(begins),
        )  # fmt: skip
    series.state = {**series.state, "incidents": {**series.state["incidents"], "mutes": []}}
    series.save(update_fields=["state"])


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
    return min(until, floor(listed.reached_at))


def _bin(series: Series, at: datetime, row: dict[str, Any], measured: dict[str, Any]) -> SeriesBin:
    _, expected, lo, hi = measured.get("charges") or (0, None, None, None)
    return SeriesBin(
        series=series, starts_at=at, charges=row.get("charges", 0), failed=row.get("failed", 0),
        expected=expected, lo=lo, hi=hi,
        measured={name: _short(values) for name, values in measured.items() if name != "charges"},
    )  # fmt: skip


def _short(values: list[float | None]) -> list[float | None]:
    return [None if value is None else float(f"{value:.5g}") for value in values]


def follow(anomalies: Any, state: dict[str, Any], until: datetime) -> None:
    """End what does not show any more; what comes again before it would be told anew goes on."""
    recent = anomalies.filter(dismissed_at__isnull=True, began_at__lt=until)
    for one in recent.filter(Q(ended_at__isnull=True) | Q(ended_at__gt=until - COMES_AGAIN)):
        still = detection.goes_on(state, detection.key_of(one.kind, one.metric))
        if still == (one.ended_at is not None):
            one.ended_at = None if still else until
            one.save(update_fields=["ended_at"])


def forget(*, now: datetime) -> int:
    """Remove the bins that no page shows any more, what is long over, and return how many bins there were."""
    old = {"starts_at__lt": now - KEPT_FOR}
    flows, _ = FlowBin.objects.filter(**old).delete()
    removed, _ = SeriesBin.objects.filter(**old).delete()
    Tally.objects.filter(starts_at__lt=now - HISTORY - timedelta(days=7)).delete()
    KnownEvent.objects.filter(repeats="", ends__lt=now - KNOWN_FOR).delete()
    anomaly_amounts.forget(now=now)
    return removed + flows


def unusual(places: Places, *, now: datetime) -> list[Unusual]:
    """
    Return what is unusual now, as the facts of alerts.

    What is muted or long past is not told, nor what comes of an outage that is told.
    """
    open_ones = list(
        Anomaly.objects.open()
        .filter(began_at__gt=now - timedelta(days=7), series__seen_until__gt=now - FRESH)
        .select_related("series__connection__environment__workspace", "flow_series__flow", "under")
    )
    hidden = muted(open_ones, now) | outages.told_by_them(open_ones, now=now)
    return [_fact(one, places) for one in open_ones if one.pk not in hidden]


def _fact(one: Anomaly, places: Places) -> Unusual:
    return Unusual(
        place=places.at(one.series.connection.environment_id),
        anomaly=one.public_id,
        name=one.name,
        kind=one.kind,
        reason=f"{one.reason} {one.likely}".strip(),
        grave=one.kind in ("outage", "flow_silence"),
    )
