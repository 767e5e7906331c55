"""
This module compares the records of an org with what the inbox knows of them, and lets in what was missed.

Records are listed by the stamp of their last change, page by page. A page, what it brought into the inbox and
how far the comparison has come are kept in one transaction: after a crash it goes on behind the last page.
Who compares holds a lease, so that two processes can neither skip nor undo anything.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from connectors.models import Connection
from flows import bulk, intake, known, listed, signals, streams
from flows.engine.trigger import RECORD_CHANGES
from flows.intake import Arrival
from flows.known import Row, Told
from flows.models import Deployment, Event, Notice, Resync, SweptObject
from integrator.kernel import errors
from integrator.kernel.backoff import Backoff
from integrator.kernel.redact import redact_text

log = structlog.get_logger(__name__)

PAGE = 1_000  # records
PAGES = 20  # of one connection in one turn: the share of the org's calls that comparing may take
SETTLED = timedelta(seconds=2)  # a record that was stamped later than that may still change in that second
LEASE = timedelta(seconds=60)  # well above a call's deadline and a commit
BACKOFF = Backoff(base=timedelta(seconds=10), cap=timedelta(minutes=15))

_DICE = random.SystemRandom()

# What waiting mends; anything else is about the object or a right, and no other try would go better.
PASSING = (
    errors.Transient,
    errors.Uncertain,
    errors.RateLimited,
    errors.Unauthorized,
    errors.Misdirected,
)


class Lost(Exception):
    """Somebody else compares now, or somebody stopped it: nothing of what was read is kept."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be compared, and why."""

    object: str
    since: datetime
    reason: str
    actor: str = ""
    until: datetime | None = None  # what was modified then or later is left out


def look(connection: Connection, wanted: Wanted, *, now: datetime) -> Resync:
    """
    Have records compared as soon as possible, in the caller's transaction.

    One that waits already takes in what both want; what is under way may have passed by what is wanted now,
    so that another one follows it.
    """
    waiting = Resync.objects.filter(connection=connection, object=wanted.object, state=Resync.State.WAITING)
    if not waiting.reach_out(wanted.since, wanted.until):
        try:
            with transaction.atomic():
                Resync.objects.create(
                    connection=connection,
                    object=wanted.object,
                    since=wanted.since,
                    until=wanted.until,
                    reason=wanted.reason,
                    actor=wanted.actor,
                    created_at=now,
                )
        except IntegrityError:  # somebody was quicker
            waiting.reach_out(wanted.since, wanted.until)
    newest: Resync = Resync.objects.filter(connection=connection, object=wanted.object).latest("id")
    return newest


def objects_of_flows(connection: Connection) -> list[str]:
    """Return the objects of the org whose changes start live flows of the connection."""
    live = Deployment.objects.filter(ended_at__isnull=True, enabled=True, pair__salesforce=connection)
    about = live.filter(version__document__trigger__kind=RECORD_CHANGES)
    return sorted(set(about.values_list("version__document__trigger__object", flat=True)))


def go_due(*, now: datetime) -> int:
    """
    Compare what is wanted, a bounded number of pages for each connection, and return how much was missed.

    Whatever goes wrong with one comparison is told at its row and keeps no other waiting.
    """
    found = 0
    for connection in streams.readable(now, system=Connection.System.SALESFORCE):
        pages = PAGES
        for resync in _due(connection, now=now):
            comparing = Comparing(resync, now)
            pages -= comparing.go(pages)
            found += comparing.found
            if pages <= 0:
                break
    return found


def _due(connection: Connection, *, now: datetime) -> list[Resync]:
    """Return the oldest unfinished comparison of each object, if it is its turn."""
    first: dict[str, Resync] = {}
    for resync in Resync.objects.filter(connection=connection).unfinished().order_by("id"):
        first.setdefault(resync.object, resync)
    return [resync for resync in first.values() if resync.retry_at is None or resync.retry_at <= now]


class Comparing:
    """One turn of one comparison."""

    def __init__(self, resync: Resync, now: datetime) -> None:
        self._resync = resync
        self._now = now
        self._owner = secrets.token_hex(8)
        self.found = 0

    def go(self, pages: int) -> int:
        """Compare up to `pages` pages, and return how many there were."""
        rows = Resync.objects.filter(pk=self._resync.pk).unfinished()
        if not rows.take(owner=self._owner, lease=LEASE):
            return 0
        taken = rows.select_related("connection__environment").first()
        if taken is None:  # somebody stopped it just now
            return 0
        self._resync = taken
        read, after = 0, {"attempts": 0, "retry_at": None}
        try:
            self._move(state=Resync.State.RUNNING, began_at=self._resync.began_at or self._now)
            # Until now it could be asked to reach further.
            self._resync.refresh_from_db(fields=("since", "until"))
            more = True
            while more and read < pages:
                more = self._page()
                read += 1
            if not more:
                after |= self._deletions()
        except errors.IntegrationError as failure:
            after = _failed(self._resync, failure, now=self._now)
        except Lost:
            log.warning("resync.lost", resync=self._resync.pk)
        except (TypeError, ValueError, KeyError, LookupError, ArithmeticError) as bug:
            log.exception("resync.failed", resync=self._resync.pk)
            said = f"The list of records could not be read ({type(bug).__name__})."
            after = _failed(self._resync, errors.Transient(said, code="internal"), now=self._now)
        self._let_go(after)
        return max(read, 1)

    def _page(self) -> bool:
        """Compare one page, and tell whether there are more."""
        resync = self._resync
        place = resync.place_at or resync.since
        request = {
            "object": resync.object,
            "since": place.isoformat(),
            "until": _said(resync.until),
            "limit": PAGE,
            "after": resync.place_id,
        }
        answer = streams.ask(resync.connection, "modified", request)
        if (name := str(answer.get("object") or resync.object)) != resync.object:
            self._move(object=name)  # as the org writes it: the events that are let in are named by it
        rows = [_row(one) for one in answer["records"]]
        settled = datetime.fromisoformat(answer["answered_at"]) - SETTLED
        last = {"place_at": rows[-1].modified, "place_id": rows[-1].id} if rows else {}
        self._keep(known.changed(resync.connection, resync.object, rows), len(rows), settled=settled, **last)
        return bool(answer["more"]) and bool(rows)

    def _deletions(self) -> dict[str, Any]:
        """Let in what was deleted and is not listed any more; return how the comparison ends."""
        resync = self._resync
        over = {"state": Resync.State.DONE, "ended_at": self._now, "failure": "", "failure_code": ""}
        request = {
            "object": resync.object,
            "since": resync.since.isoformat(),
            "until": _said(resync.until),
        }
        try:
            answer = streams.ask(resync.connection, "deleted", request)
        except errors.IntegrationError as failure:
            if isinstance(failure, PASSING):
                raise
            said = redact_text(f"What left the recycle bin is not known: {failure}")
            return {**over, "failure": said[:500], "failure_code": failure.code[:100]}
        rows = [
            Row(one["id"], datetime.fromisoformat(one["deleted_at"]), None, deleted=True)
            for one in answer["records"]
        ]
        for start in range(0, len(rows), PAGE):
            self._keep(_gone(resync, rows[start : start + PAGE]), 0, settled=self._now)
        return over

    def _keep(self, rows: Sequence[Row], compared: int, *, settled: datetime, **after: Any) -> None:
        """Let in what was not told among `rows`, and move on, in one transaction."""
        resync = self._resync
        seen = known.of(resync.connection, resync.object, rows)
        missed = [row for row in rows if seen[row.id].told is not Told.YES]
        arrivals = [
            Arrival(resync.connection_id, self._delivery(row, seen[row.id]), self._now) for row in missed
        ]
        with transaction.atomic():
            kept = intake.keep(arrivals)
            Notice.objects.give(_unkept(resync, [missed[n] for n in kept.failed], now=self._now))
            _remember(resync, [row for row in rows if row.modified <= settled], now=self._now)
            counts = {"compared": compared, "failed": len(kept.failed), **_counts(missed, seen)}
            self._move(**{name: F(name) + number for name, number in counts.items() if number}, **after)
            if kept.new:
                transaction.on_commit(lambda: signals.work_arrived.send(sender=Event))
        self.found += sum(seen[row.id].told is Told.NO for row in missed)

    def _delivery(self, row: Row, seen: known.Seen) -> intake.Delivery:
        resync = self._resync
        type_ = known.change_of(resync.object, row, seen, new_since=resync.since)
        # With the stamp: a record that changes while it goes on is listed once more, and let in once more.
        stamp = row.modified.strftime("%Y%m%dT%H%M%SZ")
        name = f"sweep:{resync.object}:{row.id}:{resync.pk}:{'deleted:' if row.deleted else ''}{stamp}"
        return listed.delivery(resync.object, row, type_, name=name, by=listed.SWEEP)

    def _move(self, **after: Any) -> None:
        """
        Change the row in the caller's transaction, and hold it for longer.

        :raises Lost: if it is not ours any more
        """
        rows = Resync.objects.filter(pk=self._resync.pk).held(self._owner)
        if not rows.update(lease_until=Now() + LEASE, **after):
            raise Lost
        for name, value in after.items():
            if not isinstance(value, F) and not hasattr(value, "resolve_expression"):
                setattr(self._resync, name, value)

    def _let_go(self, after: dict[str, Any]) -> None:
        with transaction.atomic():
            rows = Resync.objects.filter(pk=self._resync.pk).held(self._owner)
            if rows.update(lease_owner="", lease_until=None, **after) and after.get("state"):
                self._resync.refresh_from_db()
                Notice.objects.give(_report(self._resync, now=self._now))


def _said(moment: datetime | None) -> str:
    return moment.isoformat() if moment is not None else ""


def _row(told: dict[str, Any]) -> Row:
    read = datetime.fromisoformat
    return Row(told["id"], read(told["modified"]), read(told["created"]), deleted=bool(told["deleted"]))


def _gone(resync: Resync, rows: Sequence[Row]) -> list[Row]:
    """
    Return those that are deleted as far as anybody knows, and of whose deletion no comparison knows.

    A record that was taken out of the recycle bin may still stand among the deletions.
    """
    swept = SweptObject.objects.filter(connection=resync.connection, object_type=resync.object)
    told = set(
        swept.filter(object_id__in=[row.id for row in rows], fingerprint__endswith="deleted").values_list(
            "object_id", flat=True
        )
    )
    fresh = [row for row in rows if row.id not in told]
    seen = known.of(resync.connection, resync.object, fresh)
    untold = [row for row in fresh if seen[row.id].told is not Told.YES]
    if not untold:
        return []
    request = {"object": resync.object, "field": "Id", "fields": ["Id"], "values": [row.id for row in untold]}
    there = {record["Id"] for record in streams.ask(resync.connection, "find", request)["records"]}
    return [row for row in untold if row.id not in there]


def _counts(missed: Sequence[Row], seen: dict[str, known.Seen]) -> dict[str, int]:
    untold = [row for row in missed if seen[row.id].told is Told.NO]
    deleted = sum(row.deleted for row in untold)
    return {
        "deleted": deleted,
        "changed": len(untold) - deleted,
        "doubtful": len(missed) - len(untold),
    }


def _remember(resync: Resync, rows: Sequence[Row], *, now: datetime) -> None:
    bulk.insert(
        SweptObject,
        ("connection_id", "object_type", "object_id", "fingerprint", "seen_at"),
        [(resync.connection_id, resync.object, row.id, row.fingerprint, now) for row in rows],
        conflict="(connection_id, object_type, object_id) DO UPDATE SET "
        "fingerprint = excluded.fingerprint, seen_at = excluded.seen_at",
        order_by=("connection_id", "object_type", "object_id"),
    )


def _failed(resync: Resync, failure: errors.IntegrationError, *, now: datetime) -> dict[str, Any]:
    """Return what the row says of a failure: that it is tried again, or that it is over."""
    told = {"failure": redact_text(str(failure))[:500], "failure_code": failure.code[:100]}
    attempts = resync.attempts + 1
    log.warning("resync.failed", resync=resync.pk, code=failure.code, attempts=attempts)
    if not isinstance(failure, PASSING):
        return {**told, "state": Resync.State.FAILED, "ended_at": now, "attempts": attempts, "retry_at": None}
    luck = _DICE.random()
    return {**told, "attempts": attempts, "retry_at": now + BACKOFF.delay(attempt=attempts, luck=luck)}


def _unkept(resync: Resync, rows: Sequence[Row], *, now: datetime) -> list[Notice]:
    return [
        _notice(
            resync,
            f"unkept:{row.id}",
            Notice.Severity.CRITICAL,
            f"{resync.object} {row.id} could not be kept",
            f"The record changed at {row.modified:%Y-%m-%d %H:%M} UTC, which nothing had told of, and that "
            "could not be stored here. Look it up in Salesforce.",
            now=now,
        )
        for row in rows
    ]


def _report(resync: Resync, *, now: datetime) -> list[Notice]:
    """Return what a person has to know of a comparison that ended."""
    name = resync.connection.name
    if resync.state == Resync.State.FAILED:
        title = f"{name}: {resync.object} records could not be compared"
        text = (
            f"{resync.failure} What changed since {resync.since:%Y-%m-%d %H:%M} UTC may be missing. Mend "
            "that, and have them compared once more: on the page of the connection, under Missed changes."
        )
        return [_notice(resync, "failed", Notice.Severity.CRITICAL, title, text, now=now)]
    if resync.reason != Resync.Reason.NIGHT or not resync.found:
        return []
    title = f"{name}: {resync.found} changes of {resync.object} records were missed"
    text = (
        f"The daily comparison found {resync.changed} changed and {resync.deleted} deleted records of which "
        "nothing had told. They were let in now, without starting any effects. If that happens often, see "
        "whether the object's topic is heard without pauses."
    )
    return [_notice(resync, "found", Notice.Severity.WARNING, title, text, now=now)]


def _notice(resync: Resync, about: str, severity: str, title: str, text: str, *, now: datetime) -> Notice:
    return Notice.of(
        environment_id=resync.connection.environment_id,
        key=f"resync:{resync.pk}:{about}",
        kind="gap",
        severity=severity,
        title=title,
        text=text,
        now=now,
    )
