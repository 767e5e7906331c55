"""
This module says which anomalies come of an outage that is told already: they stand under its alert.

While a connection rests, the runs of its pairs wait and its last calls have failed; when it is back, the runs
that waited are made up for. What is unusual about them then would tell the same once more for each flow. It
is kept all the same, and told by itself where it outlasts that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Max, Q, Sum

from connectors.base import UNREACHABLE
from connectors.models import Connection, Tally
from flows.models import Pair, Run
from flows.queries import first_id
from monitoring.anomaly_causes import SINCE
from monitoring.anomaly_models import Anomaly, FlowSeries
from monitoring.anomaly_sources import BIN, FAILED, floor, runs_of
from monitoring.conditions import RESTS, key_of
from monitoring.detection import Alert as Found
from monitoring.models import Alert

OUTAGE = "connection_outage"
SILENT = frozenset({*UNREACHABLE, "unanswered"})  # codes of calls that nobody answered
# A connection rests after some calls without an answer: what shows just before is of the same outage.
LEAD = timedelta(minutes=2)
# What waited is made up for in the time that the outage took; what takes longer has a cause of its own.
AT_LEAST, AT_MOST = timedelta(hours=1), timedelta(days=1)
# An anomaly is over once it has not shown for half an hour, and each five minutes are looked at later.
FADES = timedelta(minutes=45)


def of_calls(connection: Connection, found: Found, *, at: datetime) -> Alert | None:
    """Return the alert of the outage that what was `found` in the calls of the bin from `at` comes of."""
    if found.kind not in ("call_error_surge", "latency_rise"):
        return None
    alert = _covering([connection], at)
    if alert is None or (found.kind == "call_error_surge" and _were_answered(connection, alert, at)):
        return None
    return alert


def of_runs(watched: FlowSeries, found: Found, *, at: datetime) -> Alert | None:
    """Return the alert of the outage that what was `found` in a flow's runs of the bin from `at` comes of."""
    pairs = Pair.objects.filter(stripe=watched.series.connection_id, integration=watched.flow.integration_id)
    sides = Connection.objects.filter(Q(pairs_as_stripe__in=pairs) | Q(pairs_as_salesforce__in=pairs))
    if found.kind == "flow_silence":
        # Events of the one side go on coming while the other is away.
        sides = sides.filter(pk__in=_bringing(watched))
    alert = _covering(sides.select_related("environment").order_by("pk").distinct(), at)
    if alert is None or (found.kind == "run_error_surge" and _gave_up(watched, alert, at)):
        return None
    return alert


def told_by_them(anomalies: Sequence[Anomaly], *, now: datetime) -> set[int]:
    """Return the primary keys of those open `anomalies` that the alert of an outage tells of still."""
    alerts = {one.under for one in anomalies if one.under is not None}
    holding = {alert.pk for alert in alerts if (ends := _ends(alert)) is None or now < ends + FADES}
    return {one.pk for one in anomalies if one.under_id in holding}


def shown_with(connection: Connection) -> int:
    """Return how many anomalies stand under the open alert of a connection that rests."""
    keys = _keys([connection])
    open_ones = Alert.objects.filter(
        workspace=connection.environment.workspace_id, key__in=keys, closed_at__isnull=True
    )
    return Anomaly.objects.filter(under__in=open_ones).count()


def shown_under(alerts: Iterable[Alert]) -> dict[int, list[Anomaly]]:
    """Return what stands under each of `alerts`, as it began."""
    rows = Anomaly.objects.filter(under__in=[alert.pk for alert in alerts]).order_by("began_at", "pk")
    found: dict[int, list[Anomaly]] = {}
    for one in rows.select_related("series__connection", "flow_series__flow"):
        found.setdefault(one.under_id or 0, []).append(one)
    return found


# Outages


def _keys(connections: Iterable[Connection]) -> dict[str, Connection]:
    return {key_of(kind, one.environment_id, one.public_id): one for one in connections for kind in RESTS}


def _covering(connections: Iterable[Connection], at: datetime) -> Alert | None:
    """Return the alert of the first outage of `connections` that the bin from `at` belongs to."""
    keys = _keys(connections)
    lately = Q(closed_at__isnull=True) | Q(closed_at__gt=at - AT_MOST)
    began = Alert.objects.filter(lately, key__in=list(keys), noticed_at__lt=at + BIN + LEAD).order_by("pk")
    return next((one for one in began if (ends := _ends(one)) is None or at < ends), None)


def _ends(alert: Alert) -> datetime | None:
    """Return until when what begins comes of an outage: until what waited was done; None if it goes on."""
    over = alert.gone_at or alert.closed_at
    if over is None:
        return None
    latest = over + min(max(over - alert.noticed_at, AT_LEAST), AT_MOST)
    about = alert.key.rpartition(":")[2]
    pairs = Pair.objects.filter(Q(stripe__public_id=about) | Q(salesforce__public_id=about))
    held_up = Run.objects.filter(
        pair__in=list(pairs.values_list("pk", flat=True)),
        pk__gte=first_id(Run, "created_at", alert.noticed_at - LEAD),
        created_at__lt=over,
    )
    if held_up.filter(state__in=(Run.State.READY, Run.State.RETRYING)).exists():
        return latest
    done = held_up.aggregate(last=Max("finished_at"))["last"]
    return min(max(done or over, over), latest)


# What has another cause


def _were_answered(connection: Connection, alert: Alert, at: datetime) -> bool:
    """Tell whether most of the calls that failed were answered, though it is told that nobody answers."""
    if alert.kind != OUTAGE:
        return False
    since = _since(alert, at)
    rows = Tally.objects.filter(
        connection=connection, name__startswith="code:", starts_at__gte=since, starts_at__lte=at
    )
    counted = dict(rows.order_by().values_list("name").annotate(number=Sum("count")))
    silent = sum(counted.get(f"code:{code}", 0) for code in SILENT)
    return bool(2 * silent < sum(counted.values()))


def _gave_up(watched: FlowSeries, alert: Alert, at: datetime) -> bool:
    """Tell whether most of the runs that failed became dead letters: those that an outage holds up wait."""
    failed = runs_of(watched, _since(alert, at), at + BIN).filter(FAILED)
    dead = failed.filter(state=Run.State.DEAD).count()
    return bool(dead and 2 * dead >= failed.count())


def _since(alert: Alert, at: datetime) -> datetime:
    """Return from when on is looked at: the hour that likely causes are sought in, as far as it is of it."""
    return max(at + BIN - SINCE, min(floor(alert.noticed_at - LEAD), at))


def _bringing(watched: FlowSeries) -> list[int]:
    """Return the connection whose events begin the runs of a flow, as far as there were runs."""
    runs = Run.objects.filter(flow=watched.flow_id, pair__stripe=watched.series.connection_id)
    return list(runs.order_by("-pk").values_list("event__connection", flat=True)[:1])
