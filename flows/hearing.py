"""
This module hears one topic of an org's event bus, and keeps what comes.

Events and position are kept in one transaction, and only while the lease on the topic is ours: what was not
kept is sent again, what is sent twice is known by its name. The position is never given up for a later one.
If Salesforce does not keep any more what came after it, the topic stops, and a person says how to go on.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from connectors import bus
from connectors.models import Connection, Topic
from connectors.salesforce.pubsub.client import FROM_NOW_ON, FROM_THE_EARLIEST, Batch, Heard, Start
from connectors.salesforce.pubsub.events import Read
from connectors.salesforce.pubsub.hearing import Hearing
from connectors.salesforce.pubsub.refusals import PositionLost
from connectors.salesforce.pubsub.schemas import Unreadable
from flows import heard, intake, recovering, signals
from flows.intake import Arrival, Delivery
from flows.models import Event, Notice
from flows.patience import LEASE, LIMITED, PATIENT
from integrator.kernel import errors
from integrator.kernel.backoff import Backoff
from integrator.kernel.redact import redact_text

log = structlog.get_logger(__name__)

_DICE = random.SystemRandom()  # listeners whose streams broke at once do not come back at once

BACKOFF = Backoff(base=timedelta(seconds=1), cap=timedelta(minutes=1))
# Clocks differ: what happened so long before a topic was chosen is let in rather than left out.
MARGIN = timedelta(minutes=2)
# What a topic's row says where it begins anew with the earliest event that Salesforce keeps.
EARLIEST: dict[str, object] = {
    "replay_id": b"", "from_earliest": True, "since": None, "attempts": 0, "failure": "", "failure_code": "",
}  # fmt: skip


class Lost(Exception):
    """Somebody else hears the topic now, or nobody is to: nothing of what came is kept."""


@dataclass(slots=True)
class Held:
    """A topic that this process hears; `place` says what the connection was like when it was taken."""

    topic: Topic
    owner: str
    hearing: Hearing | None = None
    given_up: bool = False
    place: tuple[object, ...] = field(default=())

    def __post_init__(self) -> None:
        """Remember where the connection leads."""
        self.place = place_of(self.topic.connection)

    def give_up(self) -> None:
        """Hear no more, from whatever thread."""
        self.given_up = True
        if self.hearing is not None:
            self.hearing.cancel()

    def move(self, **after: object) -> None:
        """
        Change the topic's row in the caller's transaction, and hold it for longer.

        :raises Lost: if it is not ours any more
        """
        rows = Topic.objects.filter(pk=self.topic.pk).held(self.owner)
        if self.given_up or not rows.update(lease_until=Now() + LEASE, **after):
            raise Lost
        for name, value in after.items():
            if name != "received":
                setattr(self.topic, name, value)


def place_of(connection: Connection) -> tuple[object, ...]:
    """Return what a stream depends on: where the connection leads, and that it is in use."""
    paused = connection.state == Connection.State.PAUSED
    misdirected = connection.state == Connection.State.RESTING and connection.paused_until is None
    address = {name: connection.settings.get(name) for name in ("event_bus", "username")}
    return (connection.base_url, connection.pinned_account, paused or misdirected, tuple(address.values()))


def hear(held: Held) -> None:
    """Hear the topic until it is given up, or the stream ends; then say why in its row, and let it go."""
    after: dict[str, object] = {"retry_at": timezone.now()}
    try:
        _hear(held)
    except PositionLost as failure:
        after = _mend(held, failure)
    except errors.IntegrationError as failure:
        after = {} if held.given_up else _failed(held, failure)
    except Lost:
        log.warning("topic.lost", topic=held.topic.pk)
    except Exception as bug:
        log.exception("topic.failed", topic=held.topic.pk)
        after = _failed(
            held, errors.Transient(f"The listener broke ({type(bug).__name__}).", code="internal")
        )
    finally:
        _let_go(held, after)
        connection.close()


def _let_go(held: Held, after: dict[str, object]) -> None:
    try:
        ours = Topic.objects.filter(pk=held.topic.pk).held(held.owner)
        ours.update(lease_owner="", lease_until=None, listener="", **after)
    except Exception as failure:  # the lease runs out by itself
        log.warning("topic.not_let_go", topic=held.topic.pk, error=type(failure).__name__)


def _hear(held: Held) -> None:
    topic = held.topic
    start, since = _start(held)
    with bus.hear(topic.connection, topic.name, start) as hearing:
        held.hearing = hearing
        if held.given_up:
            return
        for batch in hearing.batches():
            _keep(held, hearing, batch, since)


def _start(held: Held) -> tuple[Start, datetime | None]:
    """
    Return where to begin, and before when events are none of ours.

    A topic that nobody has heard yet begins with what comes. If that first stream breaks before it told a
    position, the next one begins with the earliest event, so that nothing between the two is passed over.
    """
    topic = held.topic
    if topic.replay_id:
        return Start.behind(bytes(topic.replay_id)), None
    if topic.from_earliest:
        return FROM_THE_EARLIEST, None
    if topic.since is not None:
        return FROM_THE_EARLIEST, topic.since - MARGIN
    held.move(since=timezone.now())
    return FROM_NOW_ON, None


def _keep(held: Held, hearing: Hearing, batch: Batch, since: datetime | None) -> None:
    """Keep a batch with its position; of a batch without events there is only the position to keep."""
    now = timezone.now()
    topic = held.topic
    found = [(one, _read(hearing, topic.name, one)) for one in batch.events]
    wanted = [(delivery, read) for _, (delivery, read) in found if _is_ours(delivery, since)]
    unnamed = [read for _, read in wanted if read is not None and read.unnamed]
    with transaction.atomic():
        kept = intake.keep([Arrival(topic.connection_id, delivery, now) for delivery, _ in wanted])
        lost = [wanted[place][0].external_id for place in kept.failed]
        compared = recovering.compare_unnamed(topic, unnamed, now=now)
        Notice.objects.give([*compared, *_missing(topic, lost, now)])
        held.move(**_after(topic, [delivery for delivery, _ in wanted], batch, kept.new, now))
        if kept.new:
            transaction.on_commit(lambda: signals.work_arrived.send(sender=Event))


def _read(hearing: Hearing, topic: str, one: Heard) -> tuple[Delivery, Read | None]:
    try:
        read = hearing.read(one)
    except Unreadable as failure:
        return heard.unreadable(topic, one, str(failure)), None
    return heard.delivery(topic, one, read), read


def _is_ours(delivery: Delivery, since: datetime | None) -> bool:
    return since is None or delivery.happened_at is None or delivery.happened_at >= since


def _after(
    topic: Topic, deliveries: Sequence[Delivery], batch: Batch, new: int, now: datetime
) -> dict[str, object]:
    """Return what the topic's row says once a batch is kept."""
    after: dict[str, object] = {"heard_at": now, "kept_until": now}
    if batch.position:
        after |= {"replay_id": batch.position, "from_earliest": False}
    if topic.attempts or topic.failure:
        after |= {"attempts": 0, "failure": "", "failure_code": "", "retry_at": None}
    if new:
        after["received"] = F("received") + new
    happened = max((one.happened_at for one in deliveries if one.happened_at), default=None)
    if happened is not None:
        # Events that wait on the bus were not kept before: up to the newest of these, and no further.
        after |= {"event_at": happened, "lag": now - happened, "kept_until": min(happened, now)}
    return after


def _missing(topic: Topic, names: Sequence[str], now: datetime) -> list[Notice]:
    return [
        Notice.of(
            environment_id=topic.connection.environment_id,
            key=f"missing:{topic.connection_id}:{name}",
            kind="missing_event",
            severity=Notice.Severity.CRITICAL,
            title=f"Event {name} could not be kept",
            text=f"{topic.name} of {topic.connection.name} brought event {name}, but it could not be stored "
            "here. Look in Salesforce what changed.",
            now=now,
        )
        for name in names
    ]


def _mend(held: Held, failure: errors.IntegrationError) -> dict[str, object]:
    """Go on from the earliest event and have records compared, or stop; return what the row says then."""
    topic, now = held.topic, timezone.now()
    if topic.from_earliest:  # there was no position to lose
        return _failed(held, failure)
    try:
        objects = recovering.objects_of(topic)
        recovering.check_readable(topic.connection, objects, now=now)
        with transaction.atomic():
            told = recovering.compare_from_position(topic, objects, now=now)
            Notice.objects.give([told])
            held.move(**EARLIEST)
    except recovering.Unmendable as reason:
        log.error("topic.stopped", topic=topic.pk, code=failure.code)
        Notice.objects.give([recovering.stopped(topic, redact_text(str(reason)), now=now)])
        return {
            "stopped": True,
            "retry_at": None,
            **_told(failure, now),
            "failure": redact_text(str(reason))[:500],
        }
    except Lost:
        return {}
    except errors.IntegrationError as trouble:
        return _failed(held, trouble)
    log.error("topic.position_lost", topic=topic.pk, code=failure.code)
    return {"retry_at": now}


def _failed(held: Held, failure: errors.IntegrationError) -> dict[str, object]:
    """Say in the topic's row what went wrong, and when it is tried again."""
    now, attempts = timezone.now(), held.topic.attempts + 1
    if failure.code in Connection.State.values or isinstance(
        failure, errors.Unauthorized | errors.Misdirected
    ):
        retry_at = now  # the connection rests, or is paused: it is tried as soon as that is over
    elif isinstance(failure, errors.RateLimited):
        retry_at = failure.resets_at or now + LIMITED
    elif isinstance(failure, errors.Transient):
        retry_at = now + BACKOFF.delay(attempt=attempts, luck=_DICE.random())
    else:
        retry_at = now + PATIENT
    log.warning("topic.failed", topic=held.topic.pk, code=failure.code, retry_at=retry_at)
    return {"attempts": attempts, "retry_at": retry_at, **_told(failure, now)}


def _told(failure: errors.IntegrationError, now: datetime) -> dict[str, object]:
    said = redact_text(str(failure))[:500]
    return {"failure": said, "failure_code": failure.code[:100], "failed_at": now}
