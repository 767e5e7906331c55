"""
This module asks an org every so often what was modified, where its event bus cannot be heard.

What it finds comes in like what a stream brings: live, once for each change, by the same door. A question
goes back a few minutes behind the last one, since a long transaction is seen late under an early stamp.
"""

from __future__ import annotations

import random
import secrets
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from connectors.models import Connection
from flows import intake, known, listed, signals, streams
from flows.intake import Arrival
from flows.known import Row, Told
from flows.models import Event, Notice, PolledObject
from flows.patience import LEASE, LIMITED, PATIENT
from flows.resyncs import PASSING, SETTLED
from integrator.kernel import errors
from integrator.kernel.backoff import Backoff
from integrator.kernel.redact import redact_text

log = structlog.get_logger(__name__)

TURN = 1.0  # seconds between two looks at what is due
PAGE = 2_000  # records
PAGES = 10  # of one object in one turn
OVERLAP = timedelta(minutes=5)
# What left the recycle bin at once is told apart, and seldom happens.
DELETIONS_EVERY = timedelta(minutes=5)
BACKOFF = Backoff(base=timedelta(seconds=2), cap=timedelta(minutes=2))

_DICE = random.SystemRandom()


class Lost(Exception):
    """Somebody else asks now, or nobody is to: nothing of what was read is kept."""


class Poller:
    """The loop that asks for every object that somebody chose, one after the other."""

    def run(self, stop: threading.Event) -> None:
        """Ask until told to stop."""
        while not stop.is_set():
            try:
                poll_due(now=timezone.now())
            except (DatabaseError, InterfaceError) as failure:
                log.warning("polling.database_away", error=type(failure).__name__)
                connection.close()
            stop.wait(TURN)
        connection.close()


def poll_due(*, now: datetime) -> int:
    """
    Ask for the objects that are due, a bounded number of pages each, and return how many events were new.

    Whatever goes wrong with one object is told at its row and keeps no other waiting.
    """
    readable = streams.readable(now, system=Connection.System.SALESFORCE)
    rows = PolledObject.objects.filter(connection__in=readable).order_by("id")
    return sum(Polling(row, now).go() for row in rows if next_at(row) <= now)


def next_at(polled: PolledObject) -> datetime:
    """Return when an object is asked for next; in the past if that is due now."""
    if polled.retry_at is not None:
        return polled.retry_at
    if polled.checked_at is None:
        return polled.created_at
    if polled.place_id:
        return polled.checked_at  # the last turn had no time to come to the end
    return polled.checked_at + timedelta(seconds=polled.every)


class Polling:
    """One turn for one object."""

    def __init__(self, polled: PolledObject, now: datetime) -> None:
        self._polled = polled
        self._now = now
        self._owner = secrets.token_hex(8)
        self.new = 0

    def go(self) -> int:
        """Ask, and return how many events were new; nothing is asked while another process does."""
        rows = PolledObject.objects.filter(pk=self._polled.pk)
        if not rows.take(owner=self._owner, lease=LEASE):
            return 0
        taken = rows.select_related("connection__environment").first()
        if taken is None:  # somebody has dropped it just now
            return 0
        self._polled = taken
        after: dict[str, Any] = {"attempts": 0, "retry_at": None, "failure": "", "failure_code": ""}
        try:
            more, pages = True, PAGES
            while more and pages > 0:
                more, pages = self._page(), pages - 1
            if not more and self._now >= self._polled.deleted_until + DELETIONS_EVERY:
                self._deletions()
        except errors.IntegrationError as failure:
            after = _failed(self._polled, failure, now=self._now)
        except Lost:
            log.warning("polling.lost", polled=self._polled.pk)
        except (TypeError, ValueError, KeyError, LookupError, ArithmeticError) as bug:
            log.exception("polling.failed", polled=self._polled.pk)
            said = f"The list of records could not be read ({type(bug).__name__})."
            after = _failed(self._polled, errors.Transient(said, code="internal"), now=self._now)
        rows.held(self._owner).update(lease_owner="", lease_until=None, checked_at=self._now, **after)
        return self.new

    def _page(self) -> bool:
        """Let in what one page tells, and tell whether there are more."""
        polled = self._polled
        place = polled.place_at or polled.reached_at - OVERLAP
        request = {
            "object": polled.object,
            "since": place.isoformat(),
            "limit": PAGE,
            "after": polled.place_id,
        }
        answer = streams.ask(polled.connection, "modified", request)
        self._spell(str(answer.get("object") or polled.object))
        settled = datetime.fromisoformat(answer["answered_at"]) - SETTLED
        read = datetime.fromisoformat
        listed_rows = [
            Row(one["id"], read(one["modified"]), read(one["created"]), deleted=bool(one["deleted"]))
            for one in answer["records"]
        ]
        # What was stamped just now may change again under the same stamp: the next question brings it.
        rows = [row for row in listed_rows if row.modified <= settled]
        more = bool(answer["more"]) and len(rows) == len(listed_rows) > 0
        if more:
            after: dict[str, Any] = {"place_at": rows[-1].modified, "place_id": rows[-1].id}
        else:
            after = {"place_at": None, "place_id": "", "reached_at": max(settled, polled.reached_at)}
        fresh = [row for row in rows if row.modified >= polled.created_at - SETTLED]
        self._keep(self._unheard(fresh), **after)
        return more

    def _spell(self, name: str) -> None:
        """Take the object's name as the org writes it: flows are started by exactly that."""
        if name != self._polled.object:
            taken = PolledObject.objects.filter(connection=self._polled.connection_id, object=name)
            if not taken.exists():
                self._move(object=name)

    def _unheard(self, rows: Sequence[Row]) -> list[tuple[Row, str]]:
        """Return those among `rows` that were not let in before, each with the type of its event."""
        polled = self._polled
        names = [_name(polled, row) for row in rows]
        let_in = Event.objects.filter(connection=polled.connection_id, external_id__in=names)
        there = set(let_in.values_list("external_id", flat=True))
        left = [row for row, name in zip(rows, names, strict=True) if name not in there]
        seen = known.of(polled.connection, polled.object, left)
        return [
            (
                row,
                known.change_of(polled.object, row, seen[row.id], new_since=polled.created_at - SETTLED),
            )
            for row in left
            if not (row.deleted and seen[row.id].told is Told.YES)
        ]

    def _deletions(self) -> None:
        """Let in what was deleted and left the recycle bin before it was asked for."""
        polled = self._polled
        since = max(polled.deleted_until - OVERLAP, polled.created_at)
        answer = streams.ask(
            polled.connection, "deleted", {"object": polled.object, "since": since.isoformat()}
        )
        read = datetime.fromisoformat
        rows = [Row(one["id"], read(one["deleted_at"]), None, deleted=True) for one in answer["records"]]
        fresh = [pair for pair in self._unheard(rows) if pair[0].modified >= polled.created_at - SETTLED]
        there = self._living([row.id for row, _ in fresh])
        covered = max(read(answer["covered"]), polled.deleted_until)
        self._keep([pair for pair in fresh if pair[0].id not in there], deleted_until=covered)

    def _living(self, ids: Sequence[str]) -> set[str]:
        """Return those that are there: what was taken out of the recycle bin may stand among deletions."""
        if not ids:
            return set()
        request = {"object": self._polled.object, "field": "Id", "fields": ["Id"], "values": list(ids)}
        return {record["Id"] for record in streams.ask(self._polled.connection, "find", request)["records"]}

    def _keep(self, found: Sequence[tuple[Row, str]], **after: Any) -> None:
        """Let in what was found and move on, in one transaction."""
        polled = self._polled
        arrivals = [
            Arrival(
                polled.connection_id,
                listed.delivery(polled.object, row, type_, name=_name(polled, row), by=listed.POLL),
                self._now,
            )
            for row, type_ in found
        ]
        with transaction.atomic():
            kept = intake.keep(arrivals)
            Notice.objects.give(_unkept(polled, [found[n][0] for n in kept.failed], now=self._now))
            if kept.new:
                after |= {"found": F("found") + kept.new, "found_at": self._now}
                transaction.on_commit(lambda: signals.work_arrived.send(sender=Event))
            self._move(**after)
        self.new += kept.new

    def _move(self, **after: Any) -> None:
        """
        Change the row in the caller's transaction, and hold it for longer.

        :raises Lost: if it is not ours any more
        """
        rows = PolledObject.objects.filter(pk=self._polled.pk).held(self._owner)
        if not rows.update(lease_until=Now() + LEASE, **after):
            raise Lost
        for name, value in after.items():
            if name != "found":
                setattr(self._polled, name, value)


def _name(polled: PolledObject, row: Row) -> str:
    """Return the name by which a change is known however often it is listed."""
    stamp = row.modified.strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"poll:{polled.object}:{row.id}:{'deleted:' if row.deleted else ''}{stamp}"


def _failed(polled: PolledObject, failure: errors.IntegrationError, *, now: datetime) -> dict[str, Any]:
    """Say in the row what went wrong, and when it is tried again."""
    attempts = polled.attempts + 1
    if failure.code in Connection.State.values:
        retry_at = now  # the connection rests, or is paused: it is tried as soon as that is over
    elif isinstance(failure, errors.RateLimited):
        retry_at = failure.resets_at or now + LIMITED
    elif isinstance(failure, PASSING):
        retry_at = now + BACKOFF.delay(attempt=attempts, luck=_DICE.random())
    else:
        retry_at = now + PATIENT
    log.warning("polling.failed", polled=polled.pk, code=failure.code, retry_at=retry_at)
    said = redact_text(str(failure))[:500]
    return {"attempts": attempts, "retry_at": retry_at, "failure": said, "failure_code": failure.code[:100]}


def _unkept(polled: PolledObject, rows: Sequence[Row], *, now: datetime) -> list[Notice]:
    return [
        Notice.of(
            environment_id=polled.connection.environment_id,
            key=f"polled:{polled.pk}:{_name(polled, row)}",
            kind="gap",
            severity=Notice.Severity.CRITICAL,
            title=f"{polled.object} {row.id} could not be kept",
            text=f"The record changed at {row.modified:%Y-%m-%d %H:%M} UTC, but that could not be stored "
            "here. Look it up in Salesforce.",
            now=now,
        )
        for row in rows
    ]
