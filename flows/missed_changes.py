"""This module is what a person may do about missed changes in Salesforce, and what is told of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from connectors.models import Connection, Topic
from flows import earshot, error_catalogue, nights, polling, resyncs, sweeps
from flows.models import PolledObject, Resync
from flows.resyncs import Wanted
from integrator.accounts import audit
from integrator.kernel.refusals import Unacceptable

SHOWN = 20  # comparisons
MOST_DAYS = 30
SOONEST, LATEST = 10, 86_400  # seconds between two questions
USUAL = 60
UNASKED = timedelta(minutes=1)  # an object that is due and that nobody has asked for so long
MOST_POLLED = 30  # objects of a connection: each costs a call every time
FIRST = datetime(1999, 3, 1, tzinfo=UTC)  # there was no Salesforce before

_OBJECT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_CUSTOM = re.compile(r"__[a-z]+$")


@dataclass(frozen=True, slots=True)
class Polled:
    """How the asking for one object stands."""

    polled: PolledObject
    state: str  # asked, idle, retrying, unheard
    says: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How looking for missed changes stands at one connection."""

    sweep_days: int
    sweep_hour: int
    next_night: datetime | None
    followed: Sequence[str]  # objects that live flows are about
    resyncs: Sequence[Resync]
    polled: Sequence[Polled]


def standing(connection: Connection, *, now: datetime) -> Standing:
    """Return how looking for missed changes stands at `connection`."""
    shown = Resync.objects.filter(connection=connection).order_by("-id")[:SHOWN]
    return Standing(
        sweep_days=nights.days(connection),
        sweep_hour=sweeps.hour(connection),
        next_night=nights.upcoming(connection),
        followed=resyncs.objects_of_flows(connection),
        resyncs=list(shown),
        polled=polled(connection, now=now),
    )


def polled(connection: Connection, *, now: datetime) -> list[Polled]:
    """Return how the asking for the objects of `connection` stands, by name."""
    rows = PolledObject.objects.filter(connection=connection).select_related("connection")
    return [_polled(one, now) for one in rows]


def compare(
    *,
    connection: Connection,
    object: str,
    since: datetime | None,
    actor: str,
    now: datetime,
    until: datetime | None = None,
) -> Resync:
    """
    Have the records of an object compared that were modified last from `since` on, as soon as possible.

    Without `since` those of the days that are compared anyway; with `until` none that were modified then or
    later.

    :raises Unacceptable: if there can be no such object, or the time cannot be
    """
    _check(connection, object)
    if since is not None and not FIRST <= since <= now:
        raise Unacceptable("That time has not come yet, or nothing was there then.", field="since")
    begin = since or now - (nights.days(connection) or nights.DAYS) * timedelta(days=1)
    if until is not None and until <= begin:
        raise Unacceptable("The end has to be later than the beginning.", field="until")
    with transaction.atomic():
        wanted = Wanted(object, begin, Resync.Reason.ASKED, actor[:254], until)
        found = resyncs.look(connection, wanted, now=now)
        span = {"since": begin.isoformat()} | ({"until": until.isoformat()} if until is not None else {})
        _audit(connection, actor, "records.compared", now, object=object, **span)
    return found


def stop(*, resync: Resync, actor: str, now: datetime) -> None:
    """
    Compare no more; what was found so far stays.

    :raises Unacceptable: if it is over
    """
    with transaction.atomic():
        if not resync.stop(now=now):
            raise Unacceptable("This comparison is over already.", field="resync")
        _audit(resync.connection, actor, "records.comparing_stopped", now, object=resync.object)


def poll(*, connection: Connection, object: str, every: int, actor: str, now: datetime) -> PolledObject:
    """
    Ask for the changes of an object every so many seconds from now on, or change how often.

    :raises Unacceptable: if there can be no such object, or its changes are told by a topic already
    """
    _check(connection, object)
    if type(every) is not int or not SOONEST <= every <= LATEST:
        raise Unacceptable(f"An object is checked every {SOONEST} to {LATEST:,} seconds.", field="every")
    with transaction.atomic():
        # Whoever chooses topics holds it too, so that nothing is heard twice.
        Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
        found = _poll(connection, object, every, now)
        _audit(connection, actor, "object.polled", now, object=found.object, every=every)
    return found


def _poll(connection: Connection, object_: str, every: int, now: datetime) -> PolledObject:
    if heard := heard_by(connection, object_):
        raise Unacceptable(f"{heard.name} tells of its changes already.", field="object")
    rows = PolledObject.objects.filter(connection=connection)
    known: PolledObject | None = rows.filter(object__iexact=object_).first()
    if known is not None:
        known.ask_every(every)
        return known
    if rows.count() >= MOST_POLLED:
        raise Unacceptable(f"A connection checks {MOST_POLLED} objects at most.", field="object")
    return PolledObject.objects.create(
        connection=connection,
        object=object_,
        every=every,
        created_at=now,
        reached_at=now,
        deleted_until=now,
    )


def poll_no_more(*, polled: PolledObject, actor: str, now: datetime) -> None:
    """Ask for the object no more, and forget how far it was asked for; once, however many want it at once."""
    with transaction.atomic():
        if PolledObject.objects.select_for_update().filter(pk=polled.pk).first() is not None:
            _audit(polled.connection, actor, "object.polled_no_more", now, object=polled.object)
            polled.delete()


def configure(*, connection: Connection, actor: str, now: datetime, **given: Any) -> None:
    """
    Set `sweep_days` or `sweep_hour` of a connection.

    :raises Unacceptable: if a value cannot be taken
    """
    _check_salesforce(connection)
    for name, most in (("sweep_days", MOST_DAYS), ("sweep_hour", 23)):
        value = given.get(name, 0)
        if type(value) is not int or not 0 <= value <= most:
            raise Unacceptable(f"This is a whole number from 0 to {most}.", field=name)
    with transaction.atomic():
        if connection.configure(**given):
            _audit(connection, actor, "events.looking_changed", now, **given)


def heard_by(connection: Connection, object_: str) -> Topic | None:
    """
    Return the topic of an object's changes, if it is listened to.

    A topic of several objects need not tell of this one: whether it was chosen in the org is not known here.
    """
    return connection.topics.filter(name__iexact=earshot.topic_of(object=object_)).first()


def _polled(polled: PolledObject, now: datetime) -> Polled:
    state, says = _state(polled, now)
    told = (
        error_catalogue.explain(code=polled.failure_code, message=polled.failure) if polled.failure else None
    )
    return Polled(polled, state, says, f"{told.explanation} {told.suggestion}" if told else "")


def _state(polled: PolledObject, now: datetime) -> tuple[str, str]:
    connection = polled.connection
    if connection.state != Connection.State.ACTIVE or not connection.pinned_account:
        return "idle", "It waits until the connection is tested and in use."
    if now - polling.next_at(polled) > UNASKED:
        return "unheard", "Nobody checks it: start `manage.py listen`."
    if polled.failure:
        return "retrying", "It failed, and is tried again by itself."
    if polled.checked_at is None:
        return "idle", "A listener takes it up within seconds."
    return "asked", "What has changed comes in at each check."


def _check(connection: Connection, object_: str) -> None:
    _check_salesforce(connection)
    suffix = _CUSTOM.search(object_)
    if not _OBJECT.fullmatch(object_) or (suffix is not None and suffix[0] != "__c"):
        raise Unacceptable("This is no API name of an object, such as Account or Invoice__c.", field="object")


def _check_salesforce(connection: Connection) -> None:
    if connection.system != Connection.System.SALESFORCE:
        raise Unacceptable("Only Salesforce has records.", field="connection")


def _audit(connection: Connection, actor: str, action: str, now: datetime, **details: Any) -> None:
    audit.record(
        workspace=connection.environment.workspace,
        actor=actor,
        action=action,
        target=f"{connection.environment.slug}/{connection.name}",
        details={"connection": connection.public_id, **details},
        now=now,
    )
