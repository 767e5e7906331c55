"""
This module mends what a topic could not tell: records are compared instead, and a person is told of it.

That happens where Salesforce says that records changed but not which, and where it does not know our
position in the stream any more. Only where nothing can be compared does the topic stop, until a person says
how to go on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from connectors.models import Connection, Topic
from connectors.salesforce.pubsub.events import Read
from flows import resyncs, streams
from flows.models import Notice, Resync
from flows.resyncs import Wanted
from integrator.kernel import errors

# Before the last event that was kept, others may have happened that were committed later.
OVERLAP = timedelta(minutes=15)

_OF_OBJECT = re.compile(r"/data/(?P<name>[A-Za-z][A-Za-z0-9_]*?)(?P<custom>__)?ChangeEvent")


class Unmendable(Exception):
    """Nothing can be compared in place of the events that are missing; the words say why."""


def objects_of(topic: Topic) -> list[str]:
    """
    Return the objects whose records a topic tells of; of one that tells of many those that live flows use.

    :raises Unmendable: if it tells of platform events, which leave no records
    """
    if not topic.name.startswith("/data/"):
        raise Unmendable("Platform events leave no records that could be compared.")
    named = _OF_OBJECT.fullmatch(topic.name)
    if named is None:
        return resyncs.objects_of_flows(topic.connection)
    return [f"{named['name']}__c" if named["custom"] else named["name"]]


def check_readable(connection: Connection, objects: Iterable[str], *, now: datetime) -> None:
    """
    Make sure that the records of `objects` can be listed.

    :raises Unmendable: if one of them cannot, however often it is tried
    :raises IntegrationError: if that cannot be found out now
    """
    for name in objects:
        try:
            streams.ask(connection, "modified", {"object": name, "since": now.isoformat(), "limit": 1})
        except errors.IntegrationError as failure:
            if isinstance(failure, resyncs.PASSING):
                raise
            raise Unmendable(f"{name} records cannot be read: {failure}") from None


def compare_from_position(topic: Topic, objects: Sequence[str], *, now: datetime) -> Notice:
    """Have everything compared that changed since the last position, and return what a person is told."""
    until = last_known(topic)
    for name in objects:
        wanted = Wanted(name, until - OVERLAP, Resync.Reason.POSITION)
        resyncs.look(topic.connection, wanted, now=now)
    done = (
        f"The records of {', '.join(objects)} that were modified since then are compared now, and what "
        "changed comes in by itself, without starting any effects."
        if objects
        else "No live flow uses records that it tells of, so that none are compared."
    )
    return Notice.of(
        environment_id=topic.connection.environment_id,
        key=f"position:{topic.pk}:{until:%Y-%m-%dT%H:%M:%S}",
        kind="gap",
        severity=Notice.Severity.CRITICAL,
        title=f"{topic.connection.name}: {topic.name} was not heard since {until:%Y-%m-%d %H:%M} UTC",
        text="Salesforce keeps events for 72 hours, and does not know our position any more: events may be "
        f"missing. The topic goes on from the earliest event that Salesforce still has. {done}",
        now=now,
    )


def stopped(topic: Topic, reason: str, *, now: datetime) -> Notice:
    """Return what a person is told of a topic that has stopped."""
    until = last_known(topic)
    return Notice.of(
        environment_id=topic.connection.environment_id,
        key=f"stopped:{topic.pk}:{until:%Y-%m-%dT%H:%M:%S}",
        kind="gap",
        severity=Notice.Severity.CRITICAL,
        title=f"{topic.connection.name}: {topic.name} is not heard since {until:%Y-%m-%d %H:%M} UTC",
        text="Salesforce keeps events for 72 hours, and does not know our position any more: events may be "
        f"missing. {reason} So the topic has stopped rather than passing over them. Look what happened since "
        "then, and let it go on from the earliest event that Salesforce still has: on the page of the "
        "connection, under Topics.",
        now=now,
    )


def compare_unnamed(topic: Topic, found: Sequence[Read], *, now: datetime) -> list[Notice]:
    """Have records compared of which it is not told that they changed; return what a person is told."""
    return [_unnamed(topic, read, now) for read in found]


def _unnamed(topic: Topic, read: Read, now: datetime) -> Notice:
    happened = read.happened_at or now
    since = min(topic.kept_until or happened, happened) - OVERLAP
    resyncs.look(topic.connection, Wanted(read.object, since, Resync.Reason.OVERFLOW), now=now)
    return Notice.of(
        environment_id=topic.connection.environment_id,
        key=f"overflow:{topic.pk}:{read.object}:{happened:%Y-%m-%dT%H:%M}",
        kind="gap",
        severity=Notice.Severity.CRITICAL,
        title=f"{topic.connection.name}: many {read.object} records changed, it is not told which",
        text=f"So much changed at once that Salesforce told of {read.object} as a whole "
        f"({read.header.get('changeType')}). Events go on. The {read.object} records that were modified "
        f"since {since:%Y-%m-%d %H:%M} UTC are compared now, and what changed comes in by itself, without "
        "starting any effects.",
        now=now,
    )


def last_known(topic: Topic) -> datetime:
    """Return up to when everything that a topic told was kept."""
    return topic.kept_until or topic.since or topic.created_at
