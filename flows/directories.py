"""
This module reads the customers of an org, page by page, and keeps what is known of them up to date.

Records are read by the stamp of their last change: once all of them, and then what has changed since. A page
may be read again after a crash, which changes nothing. Once a week everything is read anew, so that what was
lost on the way, such as a deletion that nobody told, is found.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import TextField
from django.db.models.functions import Cast, Now

from connectors.models import Connection
from connectors.salesforce.merges import MOST_IDS
from flows import streams
from flows.matching import FORM
from flows.matching.objects import FIELDS, fields_of, normalised
from flows.models import Deployment, Directory, KnownRecord
from flows.recognising import deciding, keeping, opening
from flows.recognising.asking import EXPECTED_FOR
from flows.recognising.keeping import Found
from flows.recognising.sealing import Seal
from integrator import vault
from integrator.accounts import audit
from integrator.kernel import errors
from integrator.kernel.backoff import Backoff
from integrator.kernel.redact import redact_text

log = structlog.get_logger(__name__)

PAGE = 500  # records in one answer
PAGES = 10  # of one directory in one turn
LEASE = timedelta(seconds=60)  # well above a call's deadline and the keeping of a page
CAUGHT_UP = timedelta(minutes=5)  # between two looks at an org that tells of no change
OVERLAP = timedelta(minutes=2)  # a long transaction commits what was stamped so much earlier
SETTLED = timedelta(minutes=15)  # after a change nothing more comes that was stamped before it
DELETIONS = timedelta(minutes=15)  # between two questions for what was deleted
RENEWED = timedelta(days=7)  # after which everything is read anew
UNUSED = timedelta(days=30)  # after which what no flow needs is forgotten
BACKOFF = Backoff(base=timedelta(seconds=15), cap=timedelta(minutes=30))

_BEGINNING = datetime(1999, 1, 1, tzinfo=UTC)  # before the first org
_KIND = "salesforce.recognise"
_LONGEST_CHAIN = 5  # merges of merges
_DICE = random.SystemRandom()


class Lost(Exception):
    """Somebody else reads this directory now."""


# Which are kept


def begin_due(*, now: datetime) -> int:
    """Begin the directories that live flows need, forget those that none needs; return how many began."""
    begun = 0
    for connection in streams.readable(now, system=Connection.System.SALESFORCE):
        known = set(Directory.objects.filter(connection=connection).values_list("object", flat=True))
        for name in sorted(wanted_of(connection).keys() - known):
            begun += opening.begin(connection.pk, name, now=now)
    # Those of connections, too, that are paused or cannot be read any more.
    for directory in Directory.objects.select_related("connection"):
        wanted = wanted_of(directory.connection)
        _note_use(directory, is_used=directory.object in wanted, now=now)
        keys = wanted.get(directory.object, set())
        opening.narrow(directory, keys)
        opening.widen(directory, keys, now=now)
    return begun


def wanted_of(connection: Connection) -> dict[str, set[str]]:
    """
    Return the objects among whose records live flows of a connection recognise customers.

    Each comes with its fields that flows name as external keys.
    """
    live = Deployment.objects.filter(ended_at__isnull=True, pair__salesforce=connection)
    told = live.annotate(text=Cast("version__document", TextField())).filter(text__contains=_KIND)
    documents = told.values_list("version__document", flat=True)
    found: dict[str, set[str]] = {}
    for settings in (one for document in documents for one in _settings_in(document)):
        name = str(settings.get("object"))
        if name in FIELDS:
            keys = {str(key["field"]) for key in settings.get("keys") or () if isinstance(key, dict)}
            found.setdefault(name, set()).update(keys)
    return found


def _settings_in(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the settings of all steps of the kind, wherever they stand."""
    if isinstance(value, dict):
        if value.get("kind") == _KIND:
            yield value.get("settings") or {}
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _settings_in(one)


def _note_use(directory: Directory, *, is_used: bool, now: datetime) -> None:
    rows = Directory.objects.filter(pk=directory.pk)
    since = directory.unused_since
    if since is None and not is_used:
        rows.update(unused_since=now)
    elif since is not None and is_used and not is_leaving(directory, now):
        rows.update(unused_since=None, due_at=now)
    elif is_leaving(directory, now):
        # What is half forgotten answers nothing, and is not used again: it is begun anew once it is gone.
        rows.update(complete_at=None)
        for _ in range(20):
            if keeping.forget_all(directory):
                break


def is_leaving(directory: Directory, now: datetime) -> bool:
    """Tell whether a directory is being forgotten, because no flow has needed it for long."""
    return directory.unused_since is not None and directory.unused_since + UNUSED <= now


# How they are read


def read_due(*, now: datetime) -> int:
    """
    Read on whatever is due and needed, a bounded number of pages of each; return how many records were read.
    """
    read = 0
    for connection in streams.readable(now, system=Connection.System.SALESFORCE):
        due = Directory.objects.filter(connection=connection, due_at__lte=now, unused_since__isnull=True)
        read += sum(Reading(directory, now).go(PAGES) for directory in due.order_by("due_at"))
    return read


class Reading:
    """One turn at one directory."""

    def __init__(self, directory: Directory, now: datetime) -> None:
        self._directory = directory
        self._now = now
        self._owner = secrets.token_hex(8)

    def go(self, pages: int) -> int:
        """Read up to `pages` pages, and return how many records there were."""
        rows = Directory.objects.filter(pk=self._directory.pk)
        if not rows.take(owner=self._owner, lease=LEASE):
            return 0
        self._directory = rows.select_related("connection").get()
        read, after = 0, {"attempts": 0, "failure": ""}
        try:
            self._renew()
            more = True
            while more and pages > 0:
                found, more = self._page()
                read += found
                pages -= 1
            if not more:
                after |= self._end()
        except errors.IntegrationError as failure:
            after = self._failed(redact_text(str(failure)), failure.code)
        except Lost:
            log.warning("directory.lost", directory=self._directory.pk)
            return read
        except vault.Unreadable as failure:
            after = self._failed(str(failure), "unreadable")
        except (TypeError, ValueError, KeyError) as bug:
            log.exception("directory.failed", directory=self._directory.pk)
            after = self._failed(f"The records could not be read ({type(bug).__name__}).", "internal")
        held = Directory.objects.filter(pk=self._directory.pk).held(self._owner)
        held.update(lease_owner="", lease_until=None, **after)
        return read

    def _renew(self) -> None:
        """Begin from the beginning, if it is time to, or what was kept lacks keys or has an older form."""
        ended = self._directory.ended_at
        keys = self._directory.keys_wanted
        lacks = not set(keys) <= set(self._directory.keys_reading)
        if (
            lacks
            or self._directory.form_reading != FORM
            or (ended is not None and ended + RENEWED <= self._now)
        ):
            self._move(
                generation=self._directory.generation + 1,
                keys_reading=keys,
                form_reading=FORM,
                began_at=self._now,
                ended_at=None,
                place_at=None,
                place_id="",
                read=0,
            )

    def _page(self) -> tuple[int, bool]:
        """Read one page, and tell how many records it had and whether there are more."""
        directory = self._directory
        answer = streams.ask(directory.connection, "query", self._request())
        records = [one for one in answer["records"] if one.get("Id")]
        name, keys = directory.object, directory.keys_reading
        found = [
            Found(str(one["Id"]), normalised(name, one, keys), _stamp(one["SystemModstamp"]))
            for one in records
        ]
        self._keep(found)
        more = len(records) >= PAGE
        last = {"place_at": found[-1].stamp, "place_id": found[-1].id} if found else {}
        if more and (found[-1].stamp, found[-1].id) == (directory.place_at, directory.place_id):
            raise ValueError("The org answers with the same page again.")
        self._move(read=directory.read + (0 if directory.ended_at else len(found)), **last)
        return len(found), more

    def _request(self) -> dict[str, Any]:
        name, place = self._directory.object, self._directory.place_at or _BEGINNING
        # Salesforce refuses a field that stands twice, and flows may spell a key in several ways.
        columns = {"id": "Id", "systemmodstamp": "SystemModstamp"}
        for field in (*fields_of(name), *self._directory.keys_reading):
            columns.setdefault(field.lower(), field)
        names = ", ".join(columns.values())
        bindings: dict[str, Any] = {"since": place.replace(microsecond=0)}
        parts = ["SELECT", names, "FROM", name, "WHERE SystemModstamp >= {since}"]
        if self._directory.place_id:
            parts.append("AND (SystemModstamp > {since} OR Id > {after})")
            bindings["after"] = self._directory.place_id
        soql = " ".join((*parts, "ORDER BY SystemModstamp ASC, Id ASC LIMIT", str(PAGE)))
        return {"soql": soql, "bindings": bindings}

    def _keep(self, found: list[Found]) -> None:
        """
        Keep what is otherwise than it was when it was read last.

        All of it where it was read without an external key or is kept in another form.
        """
        mine = KnownRecord.objects.filter(directory=self._directory, expected=False)
        known = dict(mine.filter(record_id__in=[one.id for one in found]).values_list("record_id", "stamp"))
        has_keys = set(self._directory.keys_reading) <= set(self._directory.keys_read)
        as_before = has_keys and self._directory.form_reading == self._directory.form_read
        same = [one.id for one in found if as_before and known.get(one.id) == one.stamp]
        keeping.refresh(self._directory, same)
        unchanged = set(same)
        keeping.keep(self._directory, [one for one in found if one.id not in unchanged])

    def _end(self) -> dict[str, Any]:
        """Follow deletions, forget what was not found any more, and return when to look again."""
        directory = self._directory
        after: dict[str, Any] = {"attempts": 0, "failure": "", "caught_up_at": self._now}
        since = directory.deletions_at
        if since is None or since + DELETIONS <= self._now:
            after["deletions_at"] = self._deletions(since or directory.began_at)
        keeping.forget(directory, keeping.over(directory, self._now - EXPECTED_FOR))
        if directory.ended_at is None:
            while gone := keeping.outdated(directory, PAGE):
                self._move()
                keeping.forget(directory, gone)
            after["ended_at"] = self._now
            after["complete_at"] = directory.complete_at or self._now
            after["keys_read"] = directory.keys_reading
            after["form_read"] = directory.form_reading
        # Not for ever: after a load of many records in few minutes, each look would read all of them.
        if directory.place_at is not None and directory.place_at + SETTLED > self._now:
            after |= {"place_at": directory.place_at - OVERLAP, "place_id": ""}
        after["due_at"] = self._now + CAUGHT_UP
        return after

    def _deletions(self, since: datetime) -> datetime:
        """Forget what was deleted from `since` on, and return up to when that is known."""
        directory = self._directory
        request = {"object": directory.object, "since": (since - OVERLAP).isoformat()}
        answer = streams.ask(directory.connection, "deleted", request)
        ids = [str(one["id"]) for one in answer["records"]]
        for start in range(0, len(ids), MOST_IDS):
            some = ids[start : start + MOST_IDS]
            # One that was taken out of the recycle bin may still stand among the deletions.
            wanted = {"object": directory.object, "field": "Id", "fields": ["Id"], "values": some}
            there = {one["Id"] for one in streams.ask(directory.connection, "find", wanted)["records"]}
            gone = [one for one in some if one not in there]
            self._move()
            keeping.forget(directory, gone)
            self._lead(gone)
        # What was not finished by then comes with a later question.
        return max(since, datetime.fromisoformat(answer["covered"]))

    def _lead(self, gone: list[str]) -> None:
        """Let what people said of records that are gone hold for those into which they were merged."""
        directory = self._directory
        for _ in range(_LONGEST_CHAIN):
            ids = deciding.chosen(directory, gone)
            if not ids:
                return
            request = {"object": directory.object, "ids": ids}
            survivors = streams.ask(directory.connection, "merged", request)["merged"]
            if not survivors:
                return
            deciding.follow(directory.connection_id, directory.object, survivors)

    def _move(self, **after: Any) -> None:
        """
        Say how far it has come, and hold the directory for longer.

        :raises Lost: if it is not ours any more
        """
        rows = Directory.objects.filter(pk=self._directory.pk).held(self._owner)
        if not rows.update(lease_until=Now() + LEASE, **after):
            raise Lost
        for name, value in after.items():
            setattr(self._directory, name, value)

    def _failed(self, said: str, code: str) -> dict[str, Any]:
        attempts = self._directory.attempts + 1
        log.warning("directory.not_read", directory=self._directory.pk, code=code, attempts=attempts)
        due = self._now + BACKOFF.delay(attempt=attempts, luck=_DICE.random())
        return {"attempts": attempts, "failure": said[:500], "due_at": due}


def _stamp(text: Any) -> datetime:
    return datetime.fromisoformat(str(text)).astimezone(UTC)


def read_again(directory: Directory, *, actor: str, now: datetime) -> None:
    """
    Have everything read from the beginning; what is known stays known meanwhile.

    Where it cannot be opened any more, since its key is lost, it is forgotten, and begun anew within minutes.
    """
    after: dict[str, Any] = {"ended_at": now - RENEWED if directory.complete_at else None}
    try:
        Seal(directory)
    except vault.Unreadable:
        after |= {"unused_since": now - UNUSED, "complete_at": None}
    with transaction.atomic():
        Directory.objects.filter(pk=directory.pk).update(due_at=now, attempts=0, failure="", **after)
        audit.record(
            workspace=directory.connection.environment.workspace,
            actor=actor,
            action="customers.read_again",
            target=f"connection:{directory.connection.public_id}",
            now=now,
            details={"object": directory.object},
        )
