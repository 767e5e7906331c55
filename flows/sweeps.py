"""
This module sweeps the objects themselves, so that a change is found that Stripe never told of.

An object that is listed otherwise than it was when it was last handled comes in as an event of its own. Its
runs read the object first and start no effects: what is found late is history.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from connectors.models import Connection, Cursor
from flows import bulk, comparing, intake, signals, streams, subjects
from flows.comparing import Found
from flows.intake import Arrival, Delivery
from flows.models import Deployment, Event, Notice, SweptObject
from integrator.kernel import canonical
from integrator.kernel.errors import IntegrationError, Missing, Refused, Transient

log = structlog.get_logger(__name__)

STREAM = "sweep:"  # and the type of object
HOUR = 3  # UTC, when most merchants and their orgs sleep; a setting of the connection
DAYS = 35  # how far back objects are compared; a setting of the connection
AGAIN = timedelta(minutes=10)  # after a failure
LARGEST_PAGE = 100
PAGES = 20  # of one connection in one turn: the share of Stripe's rate that sweeps may take

# Object types that can be listed as a whole, with what is asked beside the time of their creation.
LISTED: dict[str, dict[str, Any]] = {
    "charge": {},
    "checkout.session": {},
    "credit_note": {},
    "customer": {},
    "dispute": {},
    "invoice": {},
    "payment_intent": {},
    "payout": {},
    "price": {},
    "product": {},
    "refund": {},
    "subscription": {"status": "all"},
    "subscription_schedule": {},
}
# These change long after they were created, and there are few of them: all are compared.
LONG_LIVED = frozenset({"price", "product", "subscription", "subscription_schedule"})


@dataclass(frozen=True, slots=True)
class Pass:
    """One sweep over the objects of a type: its number, how far back it goes, and how far it has come."""

    number: int
    since: int | None  # Unix seconds; none: all there are
    after: str = ""
    began: str = ""  # by our clock, which says when it is night
    compared: int = 0
    found: int = 0
    over: bool = False
    again: bool = False  # somebody asked after it had begun: what changed since then takes another pass

    def query(self, object_type: str) -> dict[str, Any]:
        """Return what to ask the action `list` for."""
        bounds = {} if self.since is None else {"created": {"gte": self.since}}
        cut = {"starting_after": self.after} if self.after else {}
        params = {**LISTED[object_type], **bounds}
        return {"type": object_type, "params": params, "limit": LARGEST_PAGE, **cut}

    def state(self) -> dict[str, Any]:
        """Return it as the cursor keeps it."""
        state = asdict(self)
        if not self.again:
            del state["again"]  # an older worker, which does not know it, goes on with the others
        return state


def sweep_due(*, now: datetime) -> int:
    """
    Compare objects where that is due, a bounded number of pages for each connection.

    :returns: how many objects were otherwise than when they were last handled
    """
    found = 0
    for connection in streams.readable(now):
        pages = PAGES
        for cursor in due(connection, now=now):
            sweeping = _Sweep(cursor, now)
            pages -= sweeping.go(pages)
            found += sweeping.found
            if pages <= 0:
                break
    return found


def due(connection: Connection, *, now: datetime) -> Iterator[Cursor]:
    """Yield the cursors of `connection` whose objects are to be compared at `now`."""
    for object_type in object_types(connection):
        cursor = _cursor(connection, object_type)
        if next_at(cursor, connection, now=now) <= now:
            yield cursor


def object_types(connection: Connection) -> list[str]:
    """Return the types of object that live flows of the connection are about, and that can be listed."""
    live = Deployment.objects.filter(ended_at__isnull=True, enabled=True, pair__stripe=connection)
    by_stripe = live.filter(version__document__trigger__kind="stripe.event")
    triggers = by_stripe.values_list("version__document__trigger__types", flat=True)
    named = {subjects.object_of(kind) for types in triggers for kind in types or ()}
    return sorted(named & LISTED.keys())


def next_at(cursor: Cursor, connection: Connection, *, now: datetime) -> datetime:
    """Return when the objects that `cursor` is about are compared next; in the past if that is due now."""
    under_way = bool(cursor.state) and not cursor.state.get("over")
    if cursor.failure and cursor.checked_at is not None:
        return cursor.checked_at + AGAIN
    if under_way:
        return cursor.checked_at or now
    if cursor.state.get("again"):
        return now
    if days(connection) == 0:
        return datetime.max.replace(tzinfo=UTC)
    return night_after(cursor.reached_at or connection.created_at, hour(connection))


def days(connection: Connection) -> int:
    """Return how many days back objects of `connection` are compared every night; 0: they are not."""
    return int(connection.settings.get("sweep_days", DAYS))


def hour(connection: Connection) -> int:
    """Return at which hour of the day, by UTC, what belongs to `connection` is compared."""
    return int(connection.settings.get("sweep_hour", HOUR))


def look(connection: Connection, *, since: datetime | None, now: datetime) -> list[str]:
    """
    Have all objects that were created since then compared as soon as possible, and return their types.

    A sweep that is under way and goes back as far goes on, at once if it waits after a failure. If it had
    begun before, another follows it.
    """
    types = object_types(connection)
    for object_type in types:
        cursor = _cursor(connection, object_type)
        with transaction.atomic():
            locked = Cursor.objects.select_for_update().get(pk=cursor.pk)
            wanted = _new_pass(locked, object_type, since or now - timedelta(days=days(connection) or DAYS))
            if _covers(locked.state, wanted):
                wanted = replace(Pass(**locked.state), again=bool(locked.state.get("began")))
            # Whoever sweeps now loses the stream with this, so that it reads this state.
            Cursor.objects.filter(pk=cursor.pk).update(
                state=wanted.state(), lease_owner="", lease_until=None, checked_at=None, failure=""
            )
    return types


def finish(connection: Connection, object_type: str, *, now: datetime) -> int:
    """Compare the objects of one type to the end, and return how many had changed."""
    cursor, found = _cursor(connection, object_type), 0
    while cursor.state and not cursor.state.get("over") and not cursor.failure and cursor.lease_until is None:
        sweeping = _Sweep(cursor, now)
        sweeping.go(PAGES)
        found += sweeping.found
        cursor.refresh_from_db()
    return found


def _covers(state: Mapping[str, Any], wanted: Pass) -> bool:
    if not state or state.get("over"):
        return False
    since = state.get("since")
    return since is None or (wanted.since is not None and since <= wanted.since)


def _cursor(connection: Connection, object_type: str) -> Cursor:
    cursor, _ = Cursor.objects.get_or_create(connection=connection, stream=f"{STREAM}{object_type}")
    return cursor


def night_after(moment: datetime, hour: int) -> datetime:
    """Return when it is that hour of the day, by UTC, for the first time after `moment`."""
    night = moment.astimezone(UTC).replace(hour=hour, minute=0, second=0, microsecond=0)
    return night if night > moment else night + timedelta(days=1)


def _new_pass(cursor: Cursor, object_type: str, since: datetime) -> Pass:
    bound = None if object_type in LONG_LIVED else int(since.timestamp())
    return Pass(number=int(cursor.state.get("number", 0)) + 1, since=bound)


class _Sweep:
    """One turn over the objects of one type."""

    def __init__(self, cursor: Cursor, now: datetime) -> None:
        self._cursor = cursor
        self._now = now
        self._type = cursor.stream.removeprefix(STREAM)
        self.found = 0

    def go(self, pages: int) -> int:
        """Compare up to `pages` pages, and return how many there were."""
        held = streams.take(self._cursor)
        if held is None:
            return 0
        read, failure = 0, ""
        try:
            streams.check_account(held.cursor.connection)
            current = self._current(held.cursor)
            while read < pages and not current.over:
                current = self._page(held, current)
                read += 1
        except IntegrationError as problem:
            failure = str(problem)
        except streams.Lost:
            log.warning("sweep.lost", cursor=self._cursor.pk)
        except (TypeError, ValueError, KeyError, LookupError, ArithmeticError) as bug:
            log.exception("sweep.failed", cursor=self._cursor.pk)
            failure = f"Stripe's list could not be read ({type(bug).__name__})."
        held.release(now=self._now, failure=failure)
        return max(read, 1)

    def _current(self, cursor: Cursor) -> Pass:
        if cursor.state and not cursor.state.get("over"):
            return Pass(**cursor.state)
        if cursor.state.get("again"):
            return Pass(number=int(cursor.state["number"]) + 1, since=cursor.state["since"])
        return _new_pass(cursor, self._type, self._now - timedelta(days=days(cursor.connection) or DAYS))

    def _page(self, held: streams.Held, current: Pass) -> Pass:
        """Compare one page, and return where the pass stands behind it."""
        connection = held.cursor.connection
        try:
            answer = streams.ask(connection, "list", current.query(self._type))
        except (Missing, Refused):
            if current.after:  # the object that the page was to follow is gone: begin anew
                # With another number, so that what has changed since comes in under another name.
                held.move(state=Pass(current.number + 1, current.since).state())
            raise
        listed = comparing.readable(answer["objects"])
        changed = comparing.changed(connection, self._type, listed)
        missed = comparing.missed(connection, changed)
        began = current.began or self._now.isoformat()
        following = _behind(replace(current, began=began), answer, compared=len(listed), found=len(missed))
        with transaction.atomic():
            self._let_in(connection, missed, current)
            self._remember(connection, changed)
            reached = {"reached_at": datetime.fromisoformat(following.began)} if following.over else {}
            Notice.objects.give(_report(held.cursor, following, now=self._now))
            held.move(state=following.state(), **reached)
        self.found += len(missed)
        return following

    def _let_in(self, connection: Connection, missed: Sequence[Found], current: Pass) -> None:
        arrivals = [
            Arrival(connection.pk, _delivery(connection, one, current, self._now), self._now)
            for one in missed
        ]
        kept = intake.keep(arrivals)
        for failure in kept.failed.values():
            raise failure  # nothing of the page is remembered then
        if kept.new:
            transaction.on_commit(lambda: signals.work_arrived.send(sender=Event))

    def _remember(self, connection: Connection, changed: Sequence[Found]) -> None:
        bulk.insert(
            SweptObject,
            ("connection_id", "object_type", "object_id", "fingerprint", "seen_at"),
            [(connection.pk, self._type, one.id, one.fingerprint, self._now) for one in changed],
            conflict="(connection_id, object_type, object_id) DO UPDATE SET "
            "fingerprint = excluded.fingerprint, seen_at = excluded.seen_at",
            order_by=("connection_id", "object_type", "object_id"),
        )


def _behind(current: Pass, answer: Mapping[str, Any], *, compared: int, found: int) -> Pass:
    """Return the pass as it stands behind a page."""
    ids = [element.get("id") for element in answer["objects"]]
    more = bool(answer["has_more"])
    if more and (not ids or ids[-1] == current.after):
        raise Transient("Stripe's list says that it goes on, but does not.", code="endless_list")
    return replace(
        current,
        after=str(ids[-1]) if more else "",
        compared=current.compared + compared,
        found=current.found + found,
        over=not more,
    )


def _report(cursor: Cursor, over: Pass, *, now: datetime) -> list[Notice]:
    """Return what a person is told of a pass that is over: what was missed since the pass before."""
    if not over.over or not over.found or cursor.reached_at is None:
        return []
    kind = cursor.stream.removeprefix(STREAM).replace("_", " ")
    notice = Notice.of(
        environment_id=cursor.connection.environment_id,
        key=f"swept:{cursor.pk}:{over.number}",
        kind="gap",
        severity=Notice.Severity.WARNING,
        title=f"{cursor.connection.name}: {over.found} changes of {kind} objects were missed",
        text=f"{over.compared} objects were compared, and {over.found} were otherwise than when they were "
        "last handled, which no event had told. They were let in now, without starting any effects. If that "
        "happens often, see whether webhooks arrive: on the page of the connection.",
        now=now,
    )
    return [notice]


def _delivery(connection: Connection, one: Found, current: Pass, now: datetime) -> Delivery:
    """Return the event that says that an object is as it is."""
    kind = subjects.change_of(str(one.object.get("object")))
    livemode = one.object.get("livemode")
    name = f"sweep:{one.id}:{current.number}"[:255]
    event = {
        "id": name,
        "object": "event",
        "type": kind,
        "api_version": connection.api_version,
        "created": int(now.timestamp()),
        "livemode": livemode,
        "data": {"object": one.object},
    }
    return Delivery(
        external_id=name,
        body=canonical.dumps(event),
        type=kind[:255],
        api_version=connection.api_version,
        livemode=livemode if isinstance(livemode, bool) else connection.pinned_livemode,
        object_id=one.id,
        happened_at=now.replace(microsecond=0),
        origin=Event.Origin.SWEEP.value,
    )
