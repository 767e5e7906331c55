"""This module is what a person may do about the topics of an org's event bus, and what is told of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from connectors.models import Connection, Topic
from flows import earshot, error_catalogue
from flows.models import PolledObject
from integrator.accounts import audit
from integrator.kernel.refusals import Unacceptable

# Salesforce keeps events for 72 hours: whoever is told at 48 has a day left.
LATE = timedelta(hours=48)
KEPT = timedelta(hours=72)
UNHEARD = timedelta(minutes=1)  # a topic that is due and that nobody has taken up for so long
MOST = 50  # topics of a connection; the bus takes a stream for each

# https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/cdc_subscribe_channels.htm
_CHANGES = re.compile(r"/data/(?:ChangeEvents|[A-Za-z][A-Za-z0-9_]{0,99}(?:ChangeEvent|__chn))")
_EVENTS = re.compile(r"/event/[A-Za-z][A-Za-z0-9_]{0,99}")
_NAME = re.compile(r"(?!\w*ChangeEvents?$)[A-Za-z][A-Za-z0-9_]{0,79}")  # of an object or a platform event
_PLATFORM_EVENT = "__e"


@dataclass(frozen=True, slots=True)
class Standing:
    """How one topic stands."""

    topic: Topic
    state: str  # heard, idle, retrying, unheard, stopped
    says: str  # the state in a sentence
    age: timedelta  # of the position
    explanation: str = ""
    remedy: str = ""

    @property
    def lag(self) -> str:
        """Return how much later than it happened the newest event was kept, in words; nothing without one."""
        if self.topic.lag is None:
            return ""
        seconds = max(0.0, self.topic.lag.total_seconds())
        return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"

    @property
    def left(self) -> timedelta:
        """Return how much longer Salesforce keeps what happened since the position."""
        return max(timedelta(0), KEPT - self.age)

    @property
    def hours_left(self) -> int:
        """Return that in whole hours."""
        return int(self.left / timedelta(hours=1))

    @property
    def is_late(self) -> bool:
        """Tell whether the position will soon be older than what Salesforce keeps."""
        return self.age >= LATE


def standing(connection: Connection, *, now: datetime) -> list[Standing]:
    """Return how the topics of `connection` stand, by name."""
    return [_standing(topic, now) for topic in connection.topics.select_related("connection")]


def choose(*, connection: Connection, name: str, actor: str, now: datetime) -> Topic:
    """
    Listen to a topic from now on; the name of an object or a platform event stands for its topic.

    :raises Unacceptable: if it is no topic, is chosen already, or the connection is not to Salesforce
    """
    name = _topic_named(name.strip())
    if connection.system != Connection.System.SALESFORCE:
        raise Unacceptable("Only Salesforce has an event bus.", field="connection")
    if not (_CHANGES.fullmatch(name) or _EVENTS.fullmatch(name)):
        raise Unacceptable(
            "This is no topic. Enter an object such as Account, or a platform event such as Paid__e. Changes "
            "are told at /data/AccountChangeEvent, /data/Invoice__ChangeEvent and the like, at "
            "/data/ChangeEvents, or at a custom channel such as /data/Sales__chn; platform events at "
            "/event/Paid__e and the like.",
            field="name",
        )
    try:
        with transaction.atomic():
            # Whoever has objects asked for holds it too, so that nothing is heard twice.
            Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
            _refuse_double(connection, name)
            topic = Topic.objects.create(connection=connection, name=name, created_at=now)
            _audit(topic, actor, "topic.chosen", now)
    except IntegrityError:  # a flow that went live was quicker
        raise Unacceptable("This topic is listened to already.", field="name") from None
    return topic


def _topic_named(name: str) -> str:
    """Return the topic that tells of the object or platform event `name`; anything else as it is."""
    if not _NAME.fullmatch(name):
        return name
    is_event = name.lower().endswith(_PLATFORM_EVENT)
    return earshot.topic_of(event=name) if is_event else earshot.topic_of(object=name)


def _refuse_double(connection: Connection, name: str) -> None:
    polled = PolledObject.objects.filter(connection=connection).values_list("object", flat=True)
    if name.lower() in {earshot.topic_of(object=one).lower() for one in polled}:
        raise Unacceptable(
            "Its object is asked for every so often: under Missed changes, ask for it no more first.",
            field="name",
        )
    if connection.topics.filter(name__iexact=name).exists():
        raise Unacceptable("This topic is listened to already.", field="name")
    if connection.topics.count() >= MOST:
        raise Unacceptable(f"A connection listens to {MOST} topics at most.", field="name")


def drop(*, topic: Topic, actor: str, now: datetime) -> None:
    """Listen to a topic no more, and forget how far it was heard; once, however many ask for it at once."""
    with transaction.atomic():
        if Topic.objects.select_for_update().filter(pk=topic.pk).first() is not None:
            _audit(topic, actor, "topic.dropped", now)
            topic.delete()


def go_on(*, topic: Topic, actor: str, now: datetime) -> None:
    """
    Let a topic that has stopped go on, from the earliest event that Salesforce still keeps.

    :raises Unacceptable: if it has not stopped, so that its position would be given up for nothing, or if
        somebody has dropped it
    """
    with transaction.atomic():
        locked = Topic.objects.select_for_update().filter(pk=topic.pk).first()
        if locked is None:
            raise Unacceptable("This topic is listened to no more.", field="topic")
        if not locked.stopped:
            raise Unacceptable("This topic has not stopped: it goes on by itself.", field="topic")
        _audit(topic, actor, "topic.went_on", now, kept_until=_moment(locked.kept_until))
        locked.go_on()


def _standing(topic: Topic, now: datetime) -> Standing:
    state, says = _state(topic, now)
    age = max(timedelta(0), now - (topic.kept_until or topic.since or topic.created_at))
    if age >= LATE and state != "stopped":
        says = f"{says} Its position is older than 48 hours."
    told = error_catalogue.explain(code=topic.failure_code, message=topic.failure) if topic.failure else None
    return Standing(
        topic=topic,
        state=state,
        says=says,
        age=age,
        explanation=told.explanation if told else "",
        remedy=told.suggestion if told else "",
    )


def _state(topic: Topic, now: datetime) -> tuple[str, str]:
    if topic.stopped:
        return "stopped", "It has stopped: say how it is to go on."
    if topic.lease_until is not None and topic.lease_until > now and not topic.failure:
        return "heard", "What happens is kept as it comes."
    if topic.connection.state != Connection.State.ACTIVE or not topic.connection.pinned_account:
        return "idle", "It waits until the connection is tested and in use."
    if now - max(topic.retry_at or topic.created_at, topic.lease_until or topic.created_at) > UNHEARD:
        return "unheard", "Nobody listens: start `manage.py listen`."
    if topic.failure:
        return "retrying", "It failed, and is tried again by itself."
    return "idle", "A listener takes it up within seconds."


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _audit(topic: Topic, actor: str, action: str, now: datetime, **details: Any) -> None:
    connection = topic.connection
    audit.record(
        workspace=connection.environment.workspace,
        actor=actor,
        action=action,
        target=f"{connection.environment.slug}/{connection.name}",
        details={"connection": connection.public_id, "topic": topic.name, **details},
        now=now,
    )
