"""
This module tells Prometheus how things stand, as figures of the database and not of this process.

Web processes and workers come and go and count apart, so nothing here is counted in memory. A scrape costs
probes of partial indexes, however many events there are; only the events by fate are counted one by one in
an index, and given out again for ten times as long as that took (see `monitoring.standing`).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Count, Exists, Model, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from connectors.models import Connection, Cursor, Topic
from flows import queries
from flows.models import Deployment, Effect, Event, Fate, PolledObject, Review, Run, Worker
from integrator.accounts.models import Environment
from monitoring import payments, standing

PLACE = ("workspace", "environment")
SAMPLE = 1000  # the oldest queued events of a connection, which are looked at one by one


@require_safe
def exposition(request: HttpRequest) -> HttpResponse:
    """
    Answer with all figures, to whoever shows the token; where none is set, to this machine alone.

    :raises Http404: to everybody else, where no token is set
    """
    if not settings.METRICS_TOKEN and not _is_this_machine(request):
        raise Http404
    if settings.METRICS_TOKEN and not _shows_the_token(request):
        answer = HttpResponse("A token is needed.\n", status=401, content_type="text/plain")
        answer["WWW-Authenticate"] = "Bearer"
        return answer
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(now=timezone.now()))
    try:
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
    except (DatabaseError, InterfaceError):
        connection.close()
        return HttpResponse("The database does not answer.\n", status=503, content_type="text/plain")


def _shows_the_token(request: HttpRequest) -> bool:
    shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return secrets.compare_digest(shown.encode(), settings.METRICS_TOKEN.encode())


def _is_this_machine(request: HttpRequest) -> bool:
    # What a proxy passes on comes from this machine too, so whatever a proxy has touched is not believed.
    if any(
        request.headers.get(name) for name in ("X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Via")
    ):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


class Figures(Collector):
    """Every figure, at one moment."""

    def __init__(self, *, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Yield the families of figures; each is documented by its own text."""
        environments = list(Environment.objects.select_related("workspace"))
        yield from _events(environments, self._now)
        yield from _payments(environments, self._now)
        yield from _open_questions(environments)
        yield from _connections()
        yield from _workers(self._now)


def _place(environment: Environment) -> list[str]:
    return [environment.workspace.slug, environment.slug]


def _gauge(name: str, text: str, labels: Iterable[str] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"integrator_{name}", text, labels=list(labels))


def _seconds(moment: datetime | None) -> float:
    """Return a moment as Prometheus has it: Unix time, 0 for never."""
    return moment.timestamp() if moment else 0.0


def _events(environments: list[Environment], now: datetime) -> Iterator[Metric]:
    events = _gauge("events", "Events kept, by fate. Their sum is what was received.", [*PLACE, "fate"])
    waiting = _gauge("events_undispatched", "Events that no worker has looked at yet.", PLACE)
    letters = _gauge("dead_letters_open", "Dead letters that wait for a person.", PLACE)
    astray = _gauge(
        "events_astray",
        f"Queued events that nothing stands for, among the oldest {SAMPLE} of each connection. Always 0.",
        PLACE,
    )
    for environment in environments:
        counts = standing.counts([environment], now=now)
        for fate, number in counts.fates.items():
            events.add_metric([*_place(environment), fate], number)
        waiting.add_metric(_place(environment), counts.undispatched)
        letters.add_metric(_place(environment), counts.dead_letters)
        astray.add_metric(_place(environment), _astray(environment))
    yield from (events, waiting, letters, astray)


def _astray(environment: Environment) -> int:
    """Count queued events that were dispatched and have no run that could still end them."""
    found = 0
    for source in Connection.objects.filter(environment=environment, system=Connection.System.STRIPE):
        # Of one connection, because that is how the index is sorted.
        queued = Event.objects.filter(connection=source, fate=Fate.QUEUED).order_by("id")
        oldest = list(queued.values_list("pk", flat=True)[:SAMPLE])
        unfinished = Run.objects.filter(event=OuterRef("pk"), state__in=Run.UNFINISHED)
        dispatched = Event.objects.filter(pk__in=oldest, fate=Fate.QUEUED, dispatched_at__isnull=False)
        found += dispatched.exclude(Exists(unfinished)).count()
    return found


def _payments(environments: list[Environment], now: datetime) -> Iterator[Metric]:
    labels = [*PLACE, "currency", "state"]
    number = _gauge(
        "payments", "Payments of the last 30 days that Stripe told of, by what became of them.", labels
    )
    money = _gauge(
        "payments_minor_units", "How much money these are, in minor units of the currency.", labels
    )
    for environment in environments:
        for one in payments.of_period(environment, "30d", now=now):
            for state in ("confirmed", *payments.OPEN):
                figure, place = one.of(state), [*_place(environment), one.currency, state]
                number.add_metric(place, figure.payments)
                money.add_metric(place, figure.amount)
    yield from (number, money)


def _open_questions(environments: list[Environment]) -> Iterator[Metric]:
    reviews = Review.objects.open()
    effects = Effect.objects.in_doubt()
    held = Deployment.objects.filter(ended_at__isnull=True, held_since__isnull=False)
    families: tuple[tuple[GaugeMetricFamily, QuerySet[Any]], ...] = (
        (_gauge("reviews_open", "Questions that wait for a person.", PLACE), reviews),
        (_gauge("effects_in_doubt", "Calls of which nobody knows whether they happened.", PLACE), effects),
        (_gauge("flows_held", "Deployed flows that wait for a permission or a field.", PLACE), held),
    )
    for family, rows in families:
        found = _by_environment(rows)
        for environment in environments:
            family.add_metric(_place(environment), found.get(environment.pk, 0))
        yield family


def _by_environment(rows: QuerySet[Model]) -> dict[int, int]:
    counted = rows.order_by().values_list("pair__environment_id").annotate(Count("pk"))
    return dict(counted)


def _connections() -> Iterator[Metric]:
    labels = [*PLACE, "connection", "system"]
    state = _gauge("connection_state", "1 for the state that the connection is in.", [*labels, "state"])
    used = _gauge("connection_api_used", "Calls of today, as the system itself last said.", labels)
    limit = _gauge("connection_api_limit", "Calls allowed a day, as the system last said.", labels)
    well = _gauge("connection_last_success_timestamp_seconds", "When a call last went well.", labels)
    ill = _gauge("connection_last_failure_timestamp_seconds", "When a call last failed.", labels)
    of: dict[int, list[str]] = {}
    for found in Connection.objects.select_related("environment__workspace"):
        of[found.pk] = here = [*_place(found.environment), found.public_id, found.system]
        for name in Connection.State.values:
            state.add_metric([*here, name], float(found.state == name))
        if found.api_used is not None and found.api_limit is not None:
            used.add_metric(here, found.api_used)
            limit.add_metric(here, found.api_limit)
        well.add_metric(here, _seconds(found.last_success_at))
        ill.add_metric(here, _seconds(found.last_failure_at))
    yield from (state, used, limit, well, ill)
    reached = _gauge(
        "stream_reached_timestamp_seconds",
        "Up to when a stream of the other system was read without a gap.",
        [*labels, "stream"],
    )
    for cursor in Cursor.objects.all():
        reached.add_metric([*of[cursor.connection_id], cursor.stream], _seconds(cursor.reached_at))
    for topic in Topic.objects.all():
        reached.add_metric([*of[topic.connection_id], topic.name], _seconds(topic.kept_until))
    for polled in PolledObject.objects.all():
        reached.add_metric([*of[polled.connection_id], f"poll:{polled.object}"], _seconds(polled.reached_at))
    yield reached


def _workers(now: datetime) -> Iterator[Metric]:
    state = queries.progress()
    oldest = state.oldest_ready_at
    waited = _gauge("oldest_ready_seconds", "For how long the oldest ready work has waited for a worker.")
    waited.add_metric([], max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)
    claimed = _gauge("last_claim_timestamp_seconds", "When a worker last took something up.")
    claimed.add_metric([], _seconds(state.last_claim_at))
    alive = _gauge("workers_alive", "Workers whose heartbeat is fresh, by host.", ["host"])
    beating = Worker.objects.filter(expires_at__gt=now).order_by().values_list("host").annotate(Count("pk"))
    for host, number in beating:
        alive.add_metric([host], number)
    every = _gauge("workers", "All workers whose heartbeat is fresh.")
    every.add_metric([], state.workers)
    yield from (waited, claimed, alive, every)
