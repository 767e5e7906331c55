"""
This module gathers the facts that alerts are judged from, from the database's truth alone.

It runs every few seconds, so each question costs a few probes of an index while all is well; what costs
more is asked again only when something about it has changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Max, Q, QuerySet

from connectors.models import Connection, Cursor
from flows import error_catalogue, missed_changes, queries, topics
from flows.models import Change, DeadLetter, Deployment, Directory, Effect, Event, Impact, Review, Run
from flows.models.merging import Merge
from monitoring import anomalies, cursor, outages, room, spending, tidings
from monitoring.conditions import Place
from monitoring.facts import (
    Cause,
    Changed,
    Facts,
    Failing,
    Held,
    Pending,
    Resting,
    Running,
    Silent,
    Standstill,
    Unequal,
)
from monitoring.memory import Memory
from monitoring.models import AlertChannel, AlertDelivery, ConservationHour, Duty, OutgoingMail, Posted
from monitoring.places import Places
from monitoring.throughput import last_hour
from monitoring.words import sentence

HOURS_AGE = timedelta(days=35)
MOST_CAUSES = 50  # causes of dead letters that are told one by one
MOST_WAITING = 10_000
OLDEST = 200  # undispatched events that are looked at: one that crashes its worker stays among the oldest
SELDOM = timedelta(seconds=20)
FORECAST_EVERY = timedelta(minutes=5)
SILENCE = timedelta(hours=2)
ENOUGH_FOUND = 5  # events that came by the walk alone, before a silent webhook is believed
MAIL_TRIES = 3


def gather(*, now: datetime, memory: Memory) -> Facts:
    """Return the facts as they are at `now`; those that may be a little late are asked less often."""
    places = Places()
    connections = list(Connection.objects.select_related("environment"))
    everywhere = places.everywhere({one.environment_id for one in connections})
    seldom = memory.ask(
        "seldom", token=None, now=now, find=lambda: _seldom(places, everywhere, now), every=SELDOM
    )
    progress = queries.progress()
    return replace(
        seldom,
        everywhere=everywhere,
        running=memory.ask(
            "running",
            token=None,
            now=now,
            find=lambda: _running(connections, places, now),
            every=FORECAST_EVERY,
        ),
        resting=[_resting(one, places, now) for one in connections if one.state == Connection.State.RESTING],
        held=_held(places),
        causes=_causes(places, memory, now),
        crashed=_crashed(places, progress.oldest_undispatched),
        standstill=Standstill(progress.oldest_ready_at, progress.moved_at),
        told=tidings.told(places, memory, now),
    )


def _seldom(places: Places, everywhere: Sequence[Place], now: datetime) -> Facts:
    return Facts(
        in_doubt=_pending(Effect.objects.in_doubt(), places),
        reviews=_pending(Review.objects.open().exclude(kind=Review.Kind.IN_DOUBT), places),
        merges=_merges(places),
        feed_since=_feed_since(),
        walks=_walks(places),
        topics=[*_topics(places, now), *_polled(places, now)],
        customers=_customers(places),
        disk=room.disk(),
        duties=_duties(everywhere),
        unequal=_unequal(places, now),
        silent=_silent(places, now),
        unusual=anomalies.unusual(places, now=now),
        mail=_mail(everywhere),
        channels=_channels(everywhere),
        changed=_changed(places),
    )


# Connections


def _resting(one: Connection, places: Places, now: datetime) -> Resting:
    waiting = _waiting_for(one)
    minutes = [minute.applied for minute in last_hour(one.environment, now=now) if minute.applied]
    return Resting(
        place=places.at(one.environment_id),
        public_id=one.public_id,
        name=one.name,
        reason=sentence(one.state_reason),
        needs_key=one.needs_key,
        until=one.paused_until,
        pinned=one.pinned_account,
        used=one.api_used,
        limit=one.api_limit,
        waiting=waiting,
        per_minute=sum(minutes) / len(minutes) if minutes else 0.0,
        anomalies=outages.shown_with(one),
    )


def _running(connections: Sequence[Connection], places: Places, now: datetime) -> list[Running]:
    """Return the connections whose calls will be used up within a day; one that rests tells so itself."""
    active = (one for one in connections if one.api_limit and one.state == Connection.State.ACTIVE)
    looked = [outlook for one in active if (outlook := spending.outlook_of(one, now=now)) is not None]
    return [
        Running(
            place=places.at(one.connection.environment_id),
            public_id=one.connection.public_id,
            name=one.connection.name,
            used=one.allowance.used,
            ours=one.allowance.ours,
            at=one.forecast.reached_at,
        )
        for one in looked
        if one.forecast.reached_at is not None and not one.forecast.is_guess
    ]


def _waiting_for(one: Connection) -> int:
    """Return how many runs wait for a connection; at most MOST_WAITING."""
    pairs = Q(pair__stripe=one) | Q(pair__salesforce=one)
    runs = Run.objects.filter(pairs, state__in=(Run.State.READY, Run.State.RETRYING)).order_by()
    return runs[:MOST_WAITING].count()


def _walks(places: Places) -> list[Failing]:
    # While a connection does not work, that is what is told.
    failing = Cursor.objects.filter(failure__gt="", connection__state=Connection.State.ACTIVE)
    return [
        Failing(
            place=places.at(one.connection.environment_id),
            about=f"{one.connection.public_id}:{one.stream}",
            name=f"{one.connection.name}: {_stream_in_words(one.stream)}",
            failure=sentence(one.failure),
            page=f"connections/{one.connection.public_id}/missed/",
        )
        for one in failing.select_related("connection")
    ]


def _customers(places: Places) -> list[Failing]:
    needed = Directory.objects.filter(unused_since__isnull=True, connection__state=Connection.State.ACTIVE)
    return [
        Failing(
            places.at(one.connection.environment_id), f"{one.connection.public_id}:{one.object}",
            f"{one.connection.name}: {one.object}s", sentence(one.failure), "duplicates/",
        )
        for one in needed.filter(attempts__gt=1).select_related("connection")
    ]  # fmt: skip


def _topics(places: Places, now: datetime) -> list[Failing]:
    """Return the topics that are not heard, or are far behind; of a stop a notice has told."""
    listening = Connection.objects.filter(topics__isnull=False, state=Connection.State.ACTIVE).distinct()
    return [
        Failing(
            place=places.at(one.environment_id),
            about=f"{one.public_id}:{topic.topic.name}",
            name=f"{one.name}: {topic.topic.name} is "
            + ("far behind" if topic.state == "heard" else "not heard"),
            failure=" ".join(filter(None, (topic.says, topic.explanation, topic.remedy))),
            page=f"connections/{one.public_id}/topics/",
        )
        for one in listening
        for topic in topics.standing(one, now=now)
        if topic.state in ("retrying", "unheard") or (topic.is_late and topic.state != "stopped")
    ]


def _polled(places: Places, now: datetime) -> list[Failing]:
    """Return the objects that are to be asked for and are not."""
    asking = Connection.objects.filter(polled_objects__isnull=False, state=Connection.State.ACTIVE).distinct()
    return [
        Failing(
            place=places.at(one.environment_id),
            about=f"{one.public_id}:{polled.polled.object}",
            name=f"{one.name}: {polled.polled.object} is not asked for",
            failure=" ".join(filter(None, (polled.says, polled.remedy))),
            page=f"connections/{one.public_id}/changes/",
        )
        for one in asking
        for polled in missed_changes.polled(one, now=now)
        if polled.state in ("retrying", "unheard")
    ]


def _stream_in_words(stream: str) -> str:
    sort, _, of = stream.partition(":")
    if sort == "sweep":
        return f"{of.replace('_', ' ')}s cannot be compared"
    return "the list of events cannot be read"


def _silent(places: Places, now: datetime) -> list[Silent]:
    counted = (
        ConservationHour.objects.filter(hour__gt=now - SILENCE, connection__webhook_endpoints__enabled=True)
        .order_by()
        .values("connection")
        .annotate(most_delivered=Max("delivered"), most_found=Max("found"))
        .filter(most_delivered=0, most_found__gte=ENOUGH_FOUND)
    )
    found = {row["connection"]: row["most_found"] for row in counted}
    if not found:
        return []
    silent = Connection.objects.filter(pk__in=found)
    return [
        Silent(places.at(one.environment_id), one.public_id, one.name, found[one.pk])
        for one in silent
        if not one.settings.get("walk_only")
    ]


# Flows and runs


def _held(places: Places) -> list[Held]:
    held = Deployment.objects.filter(ended_at__isnull=True, enabled=True, held_since__isnull=False)
    return [
        Held(
            place=places.at(one.pair.environment_id),
            deployment=one.pk,
            flow=one.flow.public_id,
            name=one.flow.name,
            reason=sentence(one.held_reason),
            until=one.held_until,
        )
        for one in held.select_related("flow", "pair")
    ]


def _changed(places: Places) -> list[Changed]:
    wrong = Impact.objects.filter(
        severity__in=(Impact.Severity.FAILS, Impact.Severity.MAY),
        deployment__ended_at__isnull=True,
        deployment__enabled=True,
    )
    return [_impact(one, places) for one in wrong.select_related("deployment__flow", "deployment__pair")]


def _impact(one: Impact, places: Places) -> Changed:
    lines = [told for told in one.findings if told.get("severity") != Impact.Severity.KNOW]
    return Changed(
        place=places.at(one.deployment.pair.environment_id),
        deployment=one.deployment_id,
        flow=one.deployment.flow.public_id,
        name=one.deployment.flow.name,
        objects=list(dict.fromkeys(str(told["object"]) for told in lines if told.get("object"))),
        fails=one.severity == Impact.Severity.FAILS,
        lines=len(lines),
        events=one.events,
        failing=one.failing,
    )


def _causes(places: Places, memory: Memory, now: datetime) -> list[Cause]:
    letters = DeadLetter.objects.unresolved()
    state = letters.aggregate(count=Count("pk"), newest=Max("pk"))
    if not state["count"]:
        return []
    token = (state["count"], state["newest"])
    return memory.ask("causes", token=token, now=now, find=lambda: _grouped(letters, places))


def _grouped(letters: QuerySet[DeadLetter], places: Places) -> list[Cause]:
    rows = (
        letters.order_by()
        .values("event__connection__environment", "fingerprint")
        .annotate(count=Count("pk"), latest=Max("pk"))
        .order_by("-latest")[:MOST_CAUSES]
    )
    found = list(rows)
    examples = letters.select_related("run__flow").in_bulk([row["latest"] for row in found])
    return [
        _cause(examples[row["latest"]], places.at(row["event__connection__environment"]), row["count"])
        for row in found
        if row["latest"] in examples
    ]


def _cause(letter: DeadLetter, place: Place, count: int) -> Cause:
    told = error_catalogue.explain(
        error_class=letter.error_class, code=letter.code, field=letter.field, message=letter.message
    )
    return Cause(
        place=place,
        fingerprint=letter.fingerprint,
        count=count,
        newest=letter.pk,
        title=told.title,
        field=letter.field,
        flow=letter.run.flow.name if letter.run else "",
        suggestion=letter.suggestion,
        internal=letter.error_class == "internal",
    )


def _pending(rows: QuerySet[Any], places: Places) -> list[Pending]:
    grouped = rows.order_by().values("pair__environment").annotate(count=Count("pk"), newest=Max("pk"))
    return [Pending(places.at(row["pair__environment"]), row["count"], row["newest"]) for row in grouped]


def _merges(places: Places) -> list[Pending]:
    """Return how many merges of records somebody has to look at."""
    grouped = Merge.objects.to_look_at().order_by().values("connection__environment")
    rows = grouped.annotate(count=Count("pk"), newest=Max("pk"))
    return [Pending(places.at(row["connection__environment"]), row["count"], row["newest"]) for row in rows]


def _crashed(places: Places, oldest: datetime | None) -> list[Pending]:
    if oldest is None:
        return []
    found: dict[int, int] = defaultdict(int)
    rows = Event.objects.undispatched().values_list("dispatch_crashes", "connection__environment")[:OLDEST]
    for crashes, environment in rows:
        found[environment] += crashes > 0
    return [Pending(places.at(environment), count, 0) for environment, count in found.items() if count]


# The installation


def _feed_since() -> datetime | None:
    """Return when the oldest change was written that no page can be told yet."""
    if connection.vendor != "postgresql":
        return None
    held = cursor.held_up(Change.objects.all()).order_by("transaction_id", "id")
    return held.values_list("at", flat=True).first()


def _duties(everywhere: Sequence[Place]) -> list[Failing]:
    failing = list(Duty.objects.filter(failure__gt=""))
    return [
        Failing(place, one.name, one.name, sentence(one.failure)) for place in everywhere for one in failing
    ]


def _mail(everywhere: Sequence[Place]) -> list[Failing]:
    """Return what the mail server refuses, to each workspace what concerns its own mails alone."""
    stuck = AlertDelivery.objects.filter(Posted.WAITING, attempts__gte=MAIL_TRIES)
    said = dict(stuck.order_by("attempts").values_list("alert__workspace", "failure"))
    if OutgoingMail.objects.filter(Posted.WAITING, attempts__gte=MAIL_TRIES).exists():
        said = {place.workspace_id: "A mail of the sign-in could not be sent." for place in everywhere} | said
    return [
        Failing(place, "server", "mail", sentence(said[place.workspace_id]), "alerts/")
        for place in everywhere
        if place.workspace_id in said
    ]


def _channels(everywhere: Sequence[Place]) -> list[Failing]:
    """Return the channels of alerts that fail again and again, each to its own workspace."""
    down = list(AlertChannel.objects.down())
    return [
        Failing(place, one.public_id, one.name, sentence(one.failure), "alerts/channels/")
        for place in everywhere
        for one in down
        if one.workspace_id == place.workspace_id
    ]


# What was told, and what was counted


def _unequal(places: Places, now: datetime) -> list[Unequal]:
    recent = ConservationHour.objects.unequal().filter(hour__gt=now - HOURS_AGE)
    hours = recent.select_related("connection").order_by("-hour")[:MOST_CAUSES]
    return [
        Unequal(
            place=places.at(one.connection.environment_id),
            name=one.connection.name,
            hour=one.hour,
            received=one.received,
            accounted=one.accounted,
        )
        for one in hours
    ]
