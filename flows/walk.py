"""
This module walks Stripe's own list of events, so that an event whose delivery was lost is found.

The list is read in windows of time, oldest window first, and each window page by page. A window begins a
little before the last one ended, since an event may become visible some time after the second that it bears.
What was delivered meanwhile is known by its id and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog
from django.db import transaction

from connectors.models import Connection, Cursor
from flows import intake, signals, streams, sweeps
from flows.intake import Arrival
from flows.models import Event, Notice
from integrator.kernel import canonical
from integrator.kernel.errors import IntegrationError, Missing, Refused, Transient

log = structlog.get_logger(__name__)

STREAM = "events"
ASKED = "events:asked"  # what a person asked for, beside the regular walk

REACH = timedelta(days=30)  # https://docs.stripe.com/api/events: older events are not listed any more
EVERY = timedelta(minutes=5)
EVERY_ALONE = timedelta(seconds=30)  # where nothing is delivered and the walk is the only trigger
OVERLAP = timedelta(minutes=5)
WINDOW = timedelta(days=1)
LARGEST_PAGE = 100
PAGES = 50  # of one connection in one turn; the next turn goes on

_AS_LISTED = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Window:
    """What is being read: a span of Stripe's clock in Unix seconds, and how far down its list we are."""

    since: int
    until: int | None = None  # none: to the end of the list
    after: str = ""  # the id of the last event that was kept
    began: str = ""  # by Stripe's clock, when its first page was asked for
    newest: str = ""  # the id of the first event
    below: int | None = None  # what bears this second or a later one is through, though it told no id

    def query(self) -> dict[str, Any]:
        """Return what to ask the action `list` for."""
        end = self.until if self.below is None else self.below
        bounds = {"gte": self.since} | ({} if end is None else {"lt": end})
        cut = {"starting_after": self.after} if self.after else {}
        return {"type": "event", "params": {"created": bounds}, "limit": LARGEST_PAGE, **cut}

    @property
    def is_read(self) -> bool:
        """Tell whether its last page was kept."""
        return self.began != "" and not self.after and self.below is None

    def state(self) -> dict[str, Any]:
        """Return it as the cursor keeps it; an older release knows nothing of what is seldom there."""
        return {name: value for name, value in asdict(self).items() if name != "below" or value is not None}


def walk_due(*, now: datetime) -> int:
    """
    Walk the lists that are due, a bounded number of pages each, and return how many events were new.

    Whatever goes wrong with one connection is told at its cursor and keeps nobody else waiting.
    """
    return sum(walk(cursor, now=now) for cursor in due(now=now))


def due(*, now: datetime) -> Iterator[Cursor]:
    """Yield the cursors whose list is to be read at `now`, making those that new connections lack."""
    for connection in streams.readable(now):
        regular, _ = Cursor.objects.get_or_create(
            connection=connection, stream=STREAM, defaults={"reached_at": connection.created_at}
        )
        if next_at(regular, connection) <= now:
            yield regular
        for asked in Cursor.objects.filter(connection=connection, stream=ASKED).exclude(state={}):
            if not asked.failure or asked.checked_at is None or asked.checked_at + EVERY_ALONE <= now:
                yield asked


def next_at(cursor: Cursor, connection: Connection) -> datetime:
    """Return when the regular walk of `connection` is due next; in the past if it is due now."""
    if cursor.checked_at is None:  # never, or somebody wants it now
        return cursor.reached_at or connection.created_at
    if cursor.state and not cursor.failure:
        return cursor.checked_at  # the last turn had no time to come to the end
    return cursor.checked_at + every(connection)


def every(connection: Connection) -> timedelta:
    """Return how often the list of `connection` is read."""
    if connection.settings.get("walk_only"):
        return EVERY_ALONE
    minutes = connection.settings.get("walk_minutes")
    return EVERY if minutes is None else timedelta(minutes=float(minutes))


def look(connection: Connection, *, since: datetime, now: datetime) -> None:
    """
    Have the list read from `since` on, beside the regular walk and as soon as possible.

    One that is under way begins anew, and as far back as the one of both that goes further.
    """
    cursor, _ = Cursor.objects.get_or_create(connection=connection, stream=ASKED)
    with transaction.atomic():
        locked = Cursor.objects.select_for_update().get(pk=cursor.pk)
        if locked.state and locked.reached_at is not None:
            since = min(since, locked.reached_at)
        # Whoever walks now loses the stream with this.
        Cursor.objects.filter(pk=cursor.pk).update(
            state=_window(since, now).state(),
            reached_at=since,
            lease_owner="",
            lease_until=None,
            checked_at=None,
            failure="",
        )


def hurry(connection: Connection) -> None:
    """Have the regular walk done as soon as possible."""
    regular = Cursor.objects.filter(connection=connection, stream=STREAM)
    regular.update(checked_at=None, failure="")


def walk(cursor: Cursor, *, now: datetime, pages: int = PAGES) -> int:
    """
    Read up to `pages` pages of the list that `cursor` is about, and return how many events were new.

    Nothing is read while another process reads it, or if the key leads to another account.
    """
    held = streams.take(cursor)
    if held is None:
        return 0
    walking, failure = _Walk(held, now), ""
    try:
        streams.check_account(held.cursor.connection)
        walking.go(pages)
    except IntegrationError as problem:
        failure = str(problem)
    except streams.Lost:
        log.warning("walk.lost", connection=held.cursor.connection_id)
    except (TypeError, ValueError, KeyError, LookupError, ArithmeticError) as bug:
        log.exception("walk.failed", connection=held.cursor.connection_id)
        failure = f"Stripe's list could not be read ({type(bug).__name__})."
    held.release(now=now, failure=failure)
    return walking.new


class _Walk:
    """One turn on one list."""

    def __init__(self, held: streams.Held, now: datetime) -> None:
        self._held = held
        self._cursor = held.cursor
        self._now = now
        self.new = 0

    def go(self, pages: int) -> None:
        """Read until the end of the list, or as much as `pages` allow."""
        window: Window | None = Window(**self._cursor.state) if self._cursor.state else self._first()
        while window is not None and pages > 0:
            window = self._page(window)
            pages -= 1

    def _first(self) -> Window:
        """Return where the next walk begins; what Stripe does not list any more is left to a sweep."""
        reached = self._cursor.reached_at or self._cursor.connection.created_at
        oldest = self._now - REACH
        if reached < oldest:
            with transaction.atomic():
                _tell_gap(self._cursor.connection, reached, oldest, now=self._now)
                sweeps.look(self._cursor.connection, since=reached, now=self._now)
        return _window(max(reached - OVERLAP, oldest), self._now)

    def _page(self, window: Window) -> Window | None:
        """Keep one page, and return what is to be read next: nothing at the end of the list."""
        connection = self._cursor.connection
        try:
            answer = streams.ask(connection, "list", window.query())
        except (Missing, Refused):
            if window.after:  # the event that the page was to follow is listed no more: begin the window anew
                self._held.move(state=Window(window.since, window.until).state())
            raise
        found = [intake.read(_body(element), origin=Event.Origin.WALK.value) for element in answer["objects"]]
        following = _following(window, answer)
        with transaction.atomic():
            kept = intake.keep([Arrival(connection.pk, delivery, self._now) for delivery in found])
            lost = [found[place].external_id for place in kept.failed]
            _tell_missing(connection, lost, now=self._now)
            self._held.move(**self._after(following))
            if kept.new:
                transaction.on_commit(lambda: signals.work_arrived.send(sender=Event))
        self.new += kept.new
        if not following.is_read:
            return following
        return None if following.until is None else _window(_moment(following.until), self._now)

    def _after(self, window: Window) -> dict[str, Any]:
        """Return what the cursor says once the last page was kept."""
        if not window.is_read:
            return {"state": window.state()}
        position = {"position": window.newest} if window.newest else {}
        if window.until is not None:
            following = _window(_moment(window.until), self._now)
            return {"state": following.state(), "reached_at": _moment(window.until), **position}
        return {"state": {}, "reached_at": datetime.fromisoformat(window.began), **position}


def _window(since: datetime, now: datetime) -> Window:
    until = since + WINDOW
    last = until >= now - OVERLAP
    return Window(int(since.timestamp()), None if last else int(until.timestamp()))


def _following(window: Window, answer: Mapping[str, Any]) -> Window:
    """
    Return `window` as it is behind a page: with nothing to go on from if that was the last one.

    Stripe's pages follow an id. A page none of whose events tells one is followed by time instead.
    """
    events = [element for element in answer["objects"] if isinstance(element, dict)]
    ids = [name for event in events if isinstance(name := event.get("id"), str) and name]
    began = window.began or str(answer["requested_at"])
    newest = window.newest or (ids[0][:255] if ids else "")
    if not answer["has_more"]:
        return Window(window.since, window.until, "", began, newest)
    if ids and ids[-1] != window.after:
        return Window(window.since, window.until, ids[-1], began, newest, window.below)
    seconds = [second for event in events if type(second := event.get("created")) is int]
    below = min(seconds, default=0) + 1
    if ids or below <= window.since or below in (window.below, window.until):
        raise Transient("Stripe's list of events says that it goes on, but does not.", code="endless_list")
    return Window(window.since, window.until, "", began, newest, below)


def _body(element: Any) -> bytes:
    """Return an event as bytes: what Stripe would have delivered, as far as its list says."""
    try:
        return _AS_LISTED.encode(element)
    except (OverflowError, UnicodeError):  # a number of more than 64 bits
        return canonical.dumps(element)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _tell_missing(connection: Connection, ids: Sequence[str], *, now: datetime) -> None:
    """Name the events that Stripe lists and that could not be kept."""
    Notice.objects.give(
        Notice.of(
            environment_id=connection.environment_id,
            key=f"missing:{connection.pk}:{name}",
            kind="missing_event",
            severity=Notice.Severity.CRITICAL,
            title=f"Event {name} could not be kept",
            text=f"Stripe lists event {name} of {connection.name}, but it could not be stored here. "
            "Look it up at Stripe, and check the object that it is about in Salesforce.",
            now=now,
        )
        for name in ids
    )


def _tell_gap(connection: Connection, reached: datetime, oldest: datetime, *, now: datetime) -> None:
    notice = Notice.of(
        environment_id=connection.environment_id,
        key=f"gap:{connection.pk}:{reached:%Y-%m-%dT%H:%M}",
        kind="gap",
        severity=Notice.Severity.CRITICAL,
        title=f"{connection.name}: events from {reached:%Y-%m-%d} to {oldest:%Y-%m-%d} are listed no more",
        text="Stripe lists events for 30 days, and nobody looked for longer than that. The objects "
        "themselves are compared instead: what changed meanwhile is brought up to date, without starting "
        "any effects.",
        now=now,
    )
    Notice.objects.give([notice])
