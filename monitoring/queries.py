"""This module asks what the dashboard answers, each question at a cost that does not grow with history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, QuerySet, Sum
from django.utils import timezone

from connectors.models import Connection, WebhookEndpoint
from flows import causes
from flows.finding import Place
from flows.models import Deployment, Event, Fate, Flow, Link, Review, Run
from flows.publishing import off_since
from flows.queries import progress
from flows.stepping import MOST_COUNTED
from integrator.accounts.models import Environment
from integrator.kernel.redact import redact_text
from monitoring import charting, hours, payments, spending, standing, tidings
from monitoring.conditions import Severity
from monitoring.models import Alert, AlertDelivery, AlertNotice, Duty
from monitoring.throughput import HOUR, UNFINISHED, last_hour, latencies, waiting_since
from monitoring.words import duration

MINUTE = timedelta(minutes=1)

# The same judgement as the watchdog's: work lies ready for this long and nobody takes anything.
OVERDUE = timedelta(seconds=15)
UNWATCHED = timedelta(minutes=1)

MOST_ALERTS = 4  # on the overview; all of them have a page of their own
MOST_OPEN = 200
LAST_RUNS = 8
DAY = timedelta(days=1)


# What is wrong


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something so wrong that every page says it; `href` is the page that helps, empty for none."""

    title: str
    text: str
    href: str = ""


def alarms(environment: Environment, *, now: datetime) -> list[Alarm]:
    """Return what is so wrong in `environment`, or with the installation, that every page says it."""
    found = [_no_workers(now) or _nobody_watches(now), *_misdirected(environment)]
    return [alarm for alarm in found if alarm is not None]


def _no_workers(now: datetime) -> Alarm | None:
    """Return the alarm if events wait and no worker takes them, judged by progress and not by presence."""
    state = progress()
    waiting, moved = state.oldest_ready_at, state.moved_at
    if waiting is None or now - waiting < OVERDUE:
        return None
    if moved is not None and now - moved < OVERDUE:
        return None
    return Alarm(
        title="Workers are down",
        text=f"Events have been waiting for {duration(now - waiting)} and no worker takes them. "
        "Everything received is safe and will be handled when workers run again (manage.py work).",
    )


def _nobody_watches(now: datetime) -> Alarm | None:
    until = Duty.objects.aggregate(until=Max("held_until"))["until"]
    if until is None or now - until < UNWATCHED:
        return None
    return Alarm(
        title="Nobody watches",
        text=f"For {duration(now - until)} no alert was opened or closed and no mail was sent, because "
        "manage.py watch does not run. manage.py work starts it. Events are handled all the same.",
    )


def _misdirected(environment: Environment) -> list[Alarm]:
    resting = Connection.objects.filter(
        environment=environment, state=Connection.State.RESTING, paused_until__isnull=True
    )
    place = f"/w/{environment.workspace.slug}/{environment.slug}/connections/"
    return [
        Alarm(
            title=f"{one.name} leads to the wrong place",
            text=f"{redact_text(one.state_reason)} Nothing is written, and nothing is lost: its runs wait.",
            href=f"{place}{one.public_id}/",
        )
        for one in resting
        if not one.needs_key
    ]


def open_questions(environment: Environment) -> QuerySet[Review]:
    """Return the questions that wait for an answer."""
    return Review.objects.open().filter(pair__environment=environment)


def nav_counts(environment: Environment) -> dict[str, int]:
    """Return the numbers beside the links of the navigation."""
    return {
        "alerts": Alert.objects.of(environment).calling(timezone.now()).count(),
        "dead": open_letters(environment).count(),
        "questions": open_questions(environment).count(),
        "halted": halted(environment).count(),
    }


def told_by(alerts: Sequence[Alert]) -> dict[int, list[tuple[str, str]]]:
    """Return by which channels each of `alerts` was told, is to be, or could not be: name and state."""
    found: dict[int, dict[str, str]] = {}
    rows = AlertNotice.objects.filter(alert__in=[alert.pk for alert in alerts]).order_by("id")
    for notice in rows.select_related("channel", "dispatch"):
        state = notice.dispatch.state if notice.dispatch else "waiting"
        found.setdefault(notice.alert_id, {})[notice.channel.name] = state
    return {alert: list(states.items()) for alert, states in found.items()}


def mail_waits(environment: Environment) -> str:
    """Return what the mail server said, if mails about alerts of the workspace wait because of it."""
    waiting = AlertDelivery.objects.filter(
        AlertDelivery.WAITING, alert__workspace=environment.workspace_id, attempts__gt=0
    )
    return waiting.order_by("-attempts").values_list("failure", flat=True).first() or ""


def by_urgency(alert: Alert) -> tuple[bool, int, int]:
    """Return what open alerts are sorted by: those that nobody takes care of, the worst, the newest first."""
    rank = {Severity.CRITICAL: 0, Severity.WARNING: 1}
    return alert.acknowledged_at is not None, rank.get(Severity(alert.severity), 2), -alert.pk


def open_letters(environment: Environment) -> Any:
    """Return the dead letters of `environment` that nobody has dealt with."""
    return causes.open_letters(environment)


def put_off(environment: Environment, *, now: datetime) -> int:
    """Return how many of the dead letters the list leaves out for now, as their causes are put off."""
    letters = open_letters(environment)
    return causes.narrowed(letters, environment, causes.Wanted(snoozed=True), now=now).count()


def halted(environment: Environment) -> Any:
    """Return the connections of `environment` that are paused or resting."""
    return Connection.objects.filter(environment=environment).exclude(state=Connection.State.ACTIVE)


@dataclass(frozen=True, slots=True)
class Off:
    """The flows that are switched off, and how many events were ignored because of it."""

    names: Sequence[str]
    since: datetime
    ignored: int
    more: bool  # than are counted


def flows_off(environment: Environment) -> Off | None:
    """Return what is switched off in `environment`, nothing if every deployed flow is on."""
    deployments = Deployment.objects.filter(
        pair__environment=environment, ended_at__isnull=True, enabled=False
    )
    off = list(deployments.select_related("flow", "pair__environment").order_by("flow__name"))
    if not off:
        return None
    since = min(off_since(deployment=deployment) for deployment in off)
    ignored = standing.ignored_while_off(environment, since=since)
    most = standing.MOST_IGNORED
    return Off([deployment.flow.name for deployment in off], since, min(ignored, most), ignored > most)


# Whether it flows


def budgets(environment: Environment, *, now: datetime) -> list[spending.Outlook]:
    """Return what is left of the calls of each connection that has a limit by the day, the worst first."""
    limited = Connection.objects.filter(environment=environment, api_limit__gt=0, api_used__isnull=False)
    looked = [found for one in limited if (found := spending.outlook_of(one, now=now)) is not None]
    return sorted(looked, key=lambda one: (spending.STATES.index(one.state), one.allowance.left_percent))


# Money and set-up


@dataclass(frozen=True, slots=True)
class Money:
    """What was synced today in one currency."""

    currency: str
    amount: int
    records: int


def money_today(environment: Environment, *, now: datetime) -> list[Money]:
    """Return what was first synced since midnight, a sum for each currency and never over them."""
    since = payments.begins(environment.workspace, "today", now=now)
    sums = (
        Link.objects.filter(pair__environment=environment, first_synced_at__gte=since, amount__isnull=False)
        .values("currency")
        .annotate(amount=Sum("amount"), records=Count("pk"))
        .order_by("currency")  # sums grow while one looks: the order must not
    )
    return [Money(row["currency"].upper(), row["amount"], row["records"]) for row in sums]


@dataclass(frozen=True, slots=True)
class Errand:
    """One line of the first-run checklist."""

    title: str
    text: str
    view: str
    action: str
    done: bool


def checklist(environment: Environment) -> list[Errand]:
    """Return what is left to do until the first event is applied; empty once one was."""
    if Run.objects.filter(pair__environment=environment, fate=Fate.APPLIED).exists():
        return []
    return [*_connecting(environment), *_making_a_flow(environment), *_seeing_it_work(environment)]


def _connecting(environment: Environment) -> list[Errand]:
    systems = set(Connection.objects.filter(environment=environment).values_list("system", flat=True))
    return [
        Errand(
            "Connect Stripe",
            "A restricted key is enough. It is encrypted and never shown again.",
            "connectors:list",
            "Connect",
            "stripe" in systems,
        ),
        Errand(
            "Connect Salesforce",
            "By an External Client App with the JWT bearer flow.",
            "connectors:list",
            "Connect",
            "salesforce" in systems,
        ),
        Errand(
            "Give Stripe the webhook address",
            "So that events arrive the moment they happen.",
            "connectors:list",
            "Show the address",
            WebhookEndpoint.objects.filter(connection__environment=environment).exists(),
        ),
    ]


def _making_a_flow(environment: Environment) -> list[Errand]:
    live = Deployment.objects.filter(pair__environment=environment, ended_at__isnull=True, enabled=True)
    return [
        Errand(
            "Choose a template",
            "Look at what it does, check that the org has what it needs, and install it.",
            "flows:gallery",
            "Look at templates",
            Flow.objects.filter(integration__workspace=environment.workspace_id).exists(),
        ),
        Errand(
            "Publish and deploy the flow",
            "Nothing runs before. Try it on a sample first: that writes nothing.",
            "flows:list",
            "Choose a flow",
            live.exists(),
        ),
    ]


def _seeing_it_work(environment: Environment) -> list[Errand]:
    return [
        Errand(
            "See the first event arrive",
            "Make a payment in Stripe's test mode and watch it here.",
            "flows:events",
            "Open events",
            started(environment),
        ),
        Errand(
            "See the first record in Salesforce",
            "When a run is applied, its record is there, and this list is gone.",
            "flows:runs",
            "Open runs",
            False,
        ),
    ]


# The whole


def dashboard(environment: Environment, *, now: datetime) -> Mapping[str, Any]:
    """Return everything that the overview shows, in its order."""
    minutes = last_hour(environment, now=now)
    recent, elapsed = minutes[-6:], 5 + now.second / 60  # five whole minutes and the present one so far
    oldest, took = waiting_since(environment), latencies(environment, now=now)
    runs = Run.objects.filter(pair__environment=environment)
    every = Alert.objects.of(environment).open()
    alerts = list(every.exclude(muted_until__gt=now)[:MOST_OPEN])
    return {
        "alerts": sorted(alerts, key=by_urgency)[:MOST_ALERTS],
        "alert_count": every.count(),
        "equation": hours.of_environment(environment, since=now - DAY),
        "equations": hours.of_connections(environment, since=now - DAY),
        "missing": missing(environment, now=now),
        "budgets": budgets(environment, now=now),
        "dead": open_letters(environment).count(),
        "put_off": put_off(environment, now=now),
        "waiting": open_questions(environment).count(),
        "queued": runs.filter(state__in=UNFINISHED).order_by()[: MOST_COUNTED + 1].count(),
        "halted": list(halted(environment)),
        "off": flows_off(environment),
        "started": started(environment),
        "connected": Connection.objects.filter(environment=environment).exists(),
        "throughput": charting.throughput(minutes, zone=environment.workspace.zone),
        "lag": charting.lag(minutes, zone=environment.workspace.zone),
        "hour_begins": minutes[0].at,
        "recent_begins": recent[0].at,
        "hour_ago": now - HOUR,
        "received": sum(minute.received for minute in recent) / elapsed,
        "applied": sum(minute.applied for minute in recent) / elapsed,
        "oldest": oldest,
        "oldest_age": duration(max(now - oldest, timedelta(0))) if oldest else "",
        "behind": bool(oldest and now - oldest > MINUTE),
        "p50": duration(took[0]) if took else "",
        "p95": duration(took[1]) if took else "",
        **_money(environment, now),
        "checklist": checklist(environment),
    }


def missing(environment: Environment, *, now: datetime) -> list[tuple[Connection, list[str]]]:
    """Return the connections of `environment` that lack events which the other system lists, with these."""
    found = tidings.missing_events(environment, now=now)
    rows = Connection.objects.filter(pk__in=found, environment=environment).order_by("name")
    return [(one, found[one.pk]) for one in rows] if found else []


def _money(environment: Environment, now: datetime) -> Mapping[str, Any]:
    told = payments.standings(environment, now=now)
    month = [one for one in told if one.period == "30d"]
    return {
        "midnight": payments.begins(environment.workspace, "today", now=now),
        "zone": environment.workspace.time_zone.replace("_", " "),
        "money": money_today(environment, now=now),
        "payments": told,
        "under_way": sum(one.of("under_way").payments for one in month),
        "stuck": sum(one.of(payments.STILL).payments for one in month),
    }


def started(environment: Environment) -> bool:
    """Tell whether any event has arrived in `environment` yet."""
    return Event.objects.filter(connection__environment=environment).exists()


def last_runs(environment: Environment) -> list[Run]:
    """Return the newest runs of `environment`, newest first."""
    # Each pair by itself, and the numbers alone: of several together SQLite would sort all runs.
    numbers = [
        number
        for pair in Place.of(environment).pairs
        for number in Run.objects.filter(pair=pair).order_by("-id").values_list("pk", flat=True)[:LAST_RUNS]
    ]
    newest = Run.objects.filter(pk__in=sorted(numbers)[-LAST_RUNS:])
    return list(newest.select_related("flow", "version", "event").order_by("-id"))
