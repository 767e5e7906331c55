"""This module gathers what flows and the engine wanted to be told and nobody has acknowledged yet."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from django.db.models import Max

from flows.models import Event, Flow, Notice
from integrator.accounts.models import Environment
from monitoring.conditions import KINDS, Place, Severity
from monitoring.facts import Told
from monitoring.memory import Memory
from monitoring.models import Alert
from monitoring.places import Places
from monitoring.words import sentence

# A thing that was told is over by itself after this, if nobody has acknowledged it.
NEWS_AGE = timedelta(days=7)
MOST_NOTICES = 2000
MISSING_FOR = timedelta(days=30)  # for which an event that is missing is looked for
MOST_MISSING = 200


def told(places: Places, memory: Memory, now: datetime) -> list[Told]:
    """Return what nobody has acknowledged, asked anew when something was told or acknowledged."""
    newest = Notice.objects.aggregate(newest=Max("pk"))["newest"]
    if newest is None:
        return []
    over = Alert.objects.filter(kind__in=_TOLD_ONCE, closed_at__isnull=False)
    token = (newest, over.aggregate(last=Max("closed_at"))["last"])
    return memory.ask("told", token=token, now=now, find=lambda: _notices(places, now))


_TOLD_ONCE = [name for name, kind in KINDS.items() if kind.told_once]


def _notices(places: Places, now: datetime) -> list[Told]:
    """Return what is new, one for each kind and flow of an environment."""
    done = _acknowledged()
    groups: dict[tuple[int, str, int | None], list[Notice]] = defaultdict(list)
    recent = Notice.objects.filter(at__gt=now - NEWS_AGE).select_related("flow", "run").order_by("-id")
    for notice in recent[:MOST_NOTICES]:
        kind = notice.kind if notice.kind in _TOLD_ONCE else "notice"
        flow = notice.flow
        about = flow.public_id if flow else "all"
        if notice.pk > done.get(f"{kind}:{notice.environment_id}:{about}", 0):
            groups[notice.environment_id, kind, notice.flow_id].append(notice)
    return [
        _group(places.at(environment), kind, _still_missing(kind, notices))
        for (environment, kind, _), notices in groups.items()
        if _still_missing(kind, notices)
    ]


def _acknowledged() -> dict[str, int]:
    """Return up to which notice each alert that is over was about, by its key."""
    over = Alert.objects.filter(kind__in=_TOLD_ONCE, closed_at__isnull=False).order_by()
    return dict(over.values_list("key").annotate(Max("newest")))


def _still_missing(kind: str, notices: list[Notice]) -> list[Notice]:
    """Leave out the events that were missing and have come in since."""
    if kind != "missing_event":
        return notices
    there = set(
        Event.objects.filter(
            external_id__in=[missing_id(notice) for notice in notices],
            connection__environment__in={notice.environment_id for notice in notices},
        ).values_list("external_id", flat=True)
    )
    return [notice for notice in notices if missing_id(notice) not in there]


def missing_id(notice: Notice) -> str:
    """Return the id of the event that a notice says is missing; its key ends with it."""
    return notice.key.rpartition(":")[2]


def missing_events(environment: Environment, *, now: datetime) -> dict[int, list[str]]:
    """
    Return the events that the other system lists and that are not here, by the number of the connection.

    Of those that were told of in the last 30 days the newest are looked at; who lacks none is left out.
    """
    told = Notice.objects.filter(environment=environment, kind="missing_event", at__gt=now - MISSING_FOR)
    named: dict[tuple[int, str], None] = {}
    for notice in told.order_by("-id")[:MOST_MISSING]:
        _, connection, _ = notice.key.split(":", 2)
        named[int(connection), missing_id(notice)] = None
    rows = Event.objects.filter(
        external_id__in={name for _, name in named}, connection__environment=environment
    )
    there = set(rows.values_list("connection_id", "external_id"))
    missing: dict[int, list[str]] = {}
    for connection_id, name in named:
        if (connection_id, name) not in there:
            missing.setdefault(connection_id, []).append(name)
    return missing


def _group(place: Place, kind: str, notices: list[Notice]) -> Told:
    first = notices[0]
    flow: Flow | None = first.flow
    severest = min((Severity(notice.severity) for notice in notices), key=_SEVEREST.index)
    return Told(
        place=place,
        kind=kind,
        severity=severest,
        title=first.title,
        text=sentence(first.text),
        count=len(notices),
        newest=first.pk,
        flow=flow.public_id if flow else "",
        run=first.run.public_id if first.run else "",
        others=[title for title in dict.fromkeys(one.title for one in notices) if title != first.title],
    )


_SEVEREST = [Severity.CRITICAL, Severity.WARNING, Severity.INFO]
