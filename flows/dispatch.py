"""This module takes events out of the inbox: each opens runs in its lanes, or gets its fate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import structlog
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet

from connectors.models import Connection
from connectors.stripe.places import PLACES
from flows import awaiting, bulk, deadletters, leading, moves, payloads, subjects, versions
from flows.bus_events import BusEvent
from flows.engine.outcome import Failure
from flows.models import Change, Event, Fate, Lane, Run
from flows.models.parents import errand_of
from flows.recognising import heard
from flows.routes import ROUTES, Door, Route
from flows.statements import Given, Select
from integrator.accounts.models import public_id

log = structlog.get_logger(__name__)

BATCH = 500
# What code raises that stumbles over something nobody thought of; a failure of the database is none of it.
BUGS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

DELETED = ".deleted"  # how the types of events end that say so
SWITCHED_OFF = leading.SWITCHED_OFF
WAITED_FOR = "; a run that waited for it goes on"
CRASHES = 3  # an event that fails its dispatch this often is shown to a person


class Waiting(NamedTuple):
    """What dispatch needs of an event."""

    id: int
    connection_id: int
    external_id: str
    origin: str
    type: str
    api_version: str
    account: str
    object_id: str
    livemode: bool | None
    unreadable: str
    dispatch_crashes: int
    body: bytes


@dataclass(slots=True)
class Verdict:
    """What becomes of one event: runs in a lane, a fate of its own, or a dead letter."""

    event: Waiting
    fate: Fate
    reason: str = ""
    code: str = ""  # of a dead letter
    lane: str = ""
    routes: Sequence[Route] = ()
    record_ids: Sequence[str] = ("",)  # each has a run of its own; events of Stripe name none
    lanes: Mapping[leading.Place, str] = field(default_factory=dict)  # of records, by pair; else it is `lane`
    amount: int | None = None
    currency: str = ""
    fetch_first: bool = False  # the object is read before anything else: the event does not carry it as it is
    foreign: bool = False  # of another API version than the connection's
    payload: Mapping[str, Any] | None = None  # what runs may wait for
    woken: set[tuple[int, str]] = field(default_factory=set)  # lanes of those that waited, by pair and key

    def openings(self) -> Iterator[tuple[Route, str, str]]:
        """Yield the runs to open: for each flow and record, with the key of its lane."""
        for route in self.routes:
            for record in self.record_ids:
                place = (route.pair_id, record)
                yield route, record, self.lanes.get(place, self.lane) if record or route.keeps else self.lane


def dispatch(*, now: datetime, limit: int = BATCH) -> int:
    """
    Look at up to `limit` events that nobody has looked at, and return how many there were.

    Runs, fates and the marks of the events commit together. On PostgreSQL several workers share the
    inbox by skipping each other's rows; on SQLite, with its one writer, the bodies are opened first and
    the rows that somebody else was quicker with are left out.
    """
    if connection.vendor == "sqlite":
        events = [Waiting(*row) for row in _undispatched(limit).rows()]
        if not events:
            return 0
        verdicts = _judge_all(events)
        with transaction.atomic():
            still = set(_UNTOUCHED.values(events=[event.id for event in events]))
            _settle([verdict for verdict in verdicts if verdict.event.id in still], now)
        return len(events)
    with transaction.atomic():
        events = [Waiting(*row) for row in _undispatched(limit).rows()]
        if events:
            _settle(_judge_all(events), now)
    return len(events)


@lru_cache(maxsize=20)
def _undispatched(limit: int) -> Select:
    """Return what reads the oldest events, and locks them where a database has several writers."""

    def build() -> QuerySet[Event, Any]:
        locked = Event.objects.undispatched().select_for_update(skip_locked=True, no_key=True)
        return locked.values_list(*Waiting._fields)[:limit]

    return Select(build)


_UNTOUCHED = Select(
    lambda: Event.objects.undispatched().filter(bulk.among("id", Given("events", "bigint"))).values_list("id")
)


def _judge_all(events: Sequence[Waiting]) -> list[Verdict]:
    doors = ROUTES.doors({event.connection_id for event in events})
    opened = payloads.open_bodies([(event.body, event.connection_id) for event in events])
    verdicts = [judge(one, doors[one.connection_id], body) for one, body in zip(events, opened, strict=True)]
    records = {
        (route.pair_id, record) for verdict in verdicts for route, record, _ in verdict.openings() if record
    }
    if records:
        lanes = leading.lanes_of(records)
        for verdict in verdicts:
            verdict.lanes = lanes
    told = [leading.Told(verdict.routes, verdict.payload or {}, verdict.lane) for verdict in verdicts]
    for place, own in leading.lanes_before_links(told).items():
        verdicts[place].lanes = own
    return verdicts


def judge(event: Waiting, door: Door, opened: payloads.Opened) -> Verdict:
    """Say what becomes of `event`, which came through `door`, by its body, which was `opened`."""
    if event.unreadable:
        return Verdict(event, Fate.DEAD, event.unreadable, "unreadable")
    if refusal := _refusal(event, door):
        return Verdict(event, Fate.REFUSED, refusal)
    try:
        payload = payloads.readable(opened)
        verdict = _lead(event, door, payload)
        verdict.payload = payload
        return verdict
    except payloads.Unreadable as failure:
        return Verdict(event, Fate.DEAD, str(failure), "sealed" if failure.sealed else "unreadable")
    except BUGS as bug:  # of which only this event may be the cause: the others are not kept waiting
        log.exception("dispatch.broke", event_id=event.id)
        return Verdict(event, Fate.DEAD, _broke(bug), "undispatchable")


def _broke(bug: Exception) -> str:
    return f"The event could not be dispatched ({type(bug).__name__})."


def _refusal(event: Waiting, door: Door) -> str:
    """Return why the event may not come through this door, or nothing."""
    if None not in (event.livemode, door.pinned_livemode) and event.livemode != door.pinned_livemode:
        came, pinned = ("live mode", "test mode") if event.livemode else ("test mode", "live mode")
        return f"the event is of {came}, the connection is pinned to {pinned}"
    if event.account and door.pinned_account and event.account != door.pinned_account:
        return f"the event is of account {event.account}, the connection is pinned to {door.pinned_account}"
    return ""


def _lead(event: Waiting, door: Door, payload: dict[str, Any]) -> Verdict:
    if door.system == Connection.System.SALESFORCE:
        return _lead_of_salesforce(event, door, payload)
    thin = payloads.is_thin(payload)
    if thin and (strange := _strange(event, payload)):
        return Verdict(event, Fate.IGNORED, strange)
    routes = _routes(event, door, payload, thin=thin)
    if not routes:
        return Verdict(event, Fate.IGNORED, f"no flow handles {event.type}")
    enabled = [route for route in routes if route.enabled]
    if not enabled:
        return Verdict(event, Fate.IGNORED, SWITCHED_OFF)
    found = payloads.object_of(payload)
    amount, currency = payloads.worth_of(found)
    payloads.KEPT.keep(event.id, payload, size=len(event.body))
    foreign = bool(event.api_version and door.api_version and event.api_version != door.api_version)
    return Verdict(
        event,
        Fate.QUEUED,
        lane=(_lane_before(event, enabled) if thin else "")
        or leading.lane_of_object(found, event.external_id),
        routes=enabled,
        amount=amount,
        currency=currency,
        fetch_first=(foreign or thin or event.origin == Event.Origin.SWEEP)
        and str(found.get("object")) in PLACES,
        foreign=foreign,
    )


def _lead_of_salesforce(event: Waiting, door: Door, payload: dict[str, Any]) -> Verdict:
    led = leading.lead(BusEvent.of(payload), door, sweep=event.origin == Event.Origin.SWEEP)
    if not led.routes:
        return Verdict(event, Fate.IGNORED, led.reason)
    payloads.KEPT.keep(event.id, payload, size=len(event.body))
    own = f"salesforce:{event.external_id}"[:300]
    return Verdict(event, Fate.QUEUED, lane=own, routes=led.routes, record_ids=led.record_ids)


def _strange(event: Waiting, payload: Mapping[str, Any]) -> str:
    """Return why nothing can be done about a thin event; nothing if it names an object that can be read."""
    related = payload.get("related_object")
    kind = related.get("type") if isinstance(related, dict) else None
    if not event.object_id or not isinstance(kind, str):
        return "the thin event names no object"
    if kind not in PLACES:
        return f"thin events about {kind} objects are not handled"
    return ""


def _routes(event: Waiting, door: Door, payload: dict[str, Any], *, thin: bool) -> list[Route]:
    """
    Return where an event leads.

    A sweep finds that an object changed, but not how: it leads to every flow that is about such objects, but
    for one that only starts with what the object does not look like. A thin event of a kind that snapshots do
    not have leads to flows about any change. One that was made to fetch a parent leads to the flow for that.
    """
    if event.origin == Event.Origin.SWEEP:
        found = payloads.object_of(payload)
        about = door.by_object.get(str(found.get("object")), [])
        if errand := errand_of(event.external_id):
            return [route for route in about if (route.flow_id, route.pair_id) == (errand.flow, errand.pair)]
        return [route for route in about if subjects.may_tell_of(route.types, found)]
    if thin:
        kind = event.type.removeprefix(subjects.THIN)
        named = str(payload["related_object"]["type"])
        return door.routes.get(kind) or door.routes.get(subjects.change_of(named), [])
    return door.routes.get(event.type, [])


def _lane_before(event: Waiting, routes: Sequence[Route]) -> str:
    """Return the lane in which the object was handled before; a thin event says not what it belongs to."""
    about = Run.objects.filter(event__connection=event.connection_id, event__object_id=event.object_id)
    pairs = {route.pair_id for route in routes}
    return about.filter(pair__in=pairs).order_by("-id").values_list("lane__key", flat=True).first() or ""


def _settle(verdicts: Sequence[Verdict], now: datetime) -> None:
    """Write all verdicts; if one of them fails the others, write each by itself."""
    try:
        with transaction.atomic():
            _write(verdicts, now)
    except (DatabaseError, ValueError):
        for verdict in verdicts:
            _settle_alone(verdict, now)


def _settle_alone(verdict: Verdict, now: datetime) -> None:
    try:
        with transaction.atomic():
            _write([verdict], now)
    except (DatabaseError, ValueError) as failure:
        crashes = verdict.event.dispatch_crashes + 1
        log.exception("dispatch.failed", event_id=verdict.event.id, crashes=crashes)
        Event.objects.filter(id=verdict.event.id).update(dispatch_crashes=crashes)
        if crashes >= CRASHES:
            _write([Verdict(verdict.event, Fate.DEAD, _broke(failure), "undispatchable")], now)


def _write(verdicts: Sequence[Verdict], now: datetime) -> None:
    met = _met(verdicts)
    opened = _open_runs([verdict for verdict in verdicts if verdict.routes or verdict.woken], now)
    deleted = [one for one in verdicts if one.payload is not None and one.event.type.endswith(DELETED)]
    moves.note([(one.event.connection_id, one.payload or {}) for one in deleted], now=now)
    told = [(one.event.connection_id, one.event.type, one.payload) for one in verdicts if one.payload]
    heard.note(told, now=now)
    awaiting.wake(met, now=now)
    dead = [verdict for verdict in verdicts if verdict.fate is Fate.DEAD]
    deadletters.file([deadletters.Obituary(verdict.event.id, _failure(verdict)) for verdict in dead], now=now)
    _mark(sorted(verdicts, key=lambda verdict: verdict.event.id), now)
    versions.tell([verdict.event for verdict in verdicts if verdict.foreign], now=now)
    _tell(verdicts, opened, now)


def _met(verdicts: Sequence[Verdict]) -> list[awaiting.Met]:
    """Return which waits of runs the events end; one that starts no flow says so."""
    came = [
        awaiting.Came(verdict.event.id, verdict.event.connection_id, verdict.event.type, verdict.payload)
        for verdict in verdicts
        if verdict.payload is not None
    ]
    met = awaiting.met_by(came) if came else []
    by_event = {verdict.event.id: verdict for verdict in verdicts}
    for one in met:
        verdict = by_event[one.event]
        if verdict.fate is Fate.IGNORED and not verdict.reason.endswith(WAITED_FOR):
            verdict.reason += WAITED_FOR
        verdict.woken.add((one.pair, one.lane))
    return met


def _mark(verdicts: Sequence[Verdict], now: datetime) -> None:
    """Mark the events as looked at. Those with runs are queued as they were: no index of fates is touched."""
    queued = [(verdict.event.id, now) for verdict in verdicts if verdict.fate is Fate.QUEUED]
    ended = [
        (verdict.event.id, now, verdict.fate.value, verdict.reason[:200])
        for verdict in verdicts
        if verdict.fate is not Fate.QUEUED
    ]
    bulk.update(Event, ("id", "dispatched_at"), queued)
    bulk.update(Event, ("id", "dispatched_at", "fate", "fate_reason"), ended)


def _failure(verdict: Verdict) -> Failure:
    error_class = "internal" if verdict.code == "undispatchable" else "data"
    return Failure(error_class, verdict.reason, code=verdict.code)


_RUN = (
    "public_id", "flow_id", "version_id", "pair_id", "event_id", "subject", "replay", "lane_id", "state",
    "fate", "reason", "attempts", "crashes_alone", "fetch_first", "steps", "amount", "currency", "created_at",
    "next_attempt_at",
)  # fmt: skip


def _open_runs(verdicts: Sequence[Verdict], now: datetime) -> dict[int, str]:
    """Open the runs of `verdicts` and return a public id of each event's; what was woken is due too."""
    wanted = {(route.pair_id, key) for verdict in verdicts for route, _, key in verdict.openings()}
    woken = {lane for verdict in verdicts for lane in verdict.woken}
    lanes = _lanes(wanted | woken, now)
    opened: dict[int, str] = {}
    rows = []
    shared: dict[leading.Place, int] = {}
    for verdict in verdicts:
        for route, record, key in verdict.openings():
            name = opened[verdict.event.id] = public_id()
            lane = lanes[route.pair_id, key]
            if record and key != leading.lane_of(record):
                shared[route.pair_id, record] = lane
            rows.append(
                (
                    name, route.flow_id, route.version_id, route.pair_id, verdict.event.id, record, 0, lane,
                    "ready", "queued", "", 0, 0, verdict.fetch_first, "", verdict.amount, verdict.currency,
                    now, now,
                )
            )  # fmt: skip
    bulk.insert(Run, _RUN, rows, conflict="DO NOTHING")
    if shared:
        leading.bring_over(shared)
    return opened


def _lanes(keys: set[tuple[int, str]], now: datetime) -> dict[tuple[int, str], int]:
    """Make sure that each lane is there and due by `now`, and return their ids."""
    # Lanes come before runs: their locks, held until the commit, make a closing worker wait and see the runs.
    bulk.insert(
        Lane,
        ("pair_id", "key", "epoch", "ready_at", "crashes"),
        [(pair, key, 0, now, 0) for pair, key in keys],
        conflict=(
            "(pair_id, key) DO UPDATE SET ready_at = CASE WHEN flows_lane.ready_at < excluded.ready_at "
            "THEN flows_lane.ready_at ELSE excluded.ready_at END"
        ),
        order_by=("pair_id", "key"),
    )
    by_pair: dict[int, list[str]] = defaultdict(list)
    for pair, key in keys:
        by_pair[pair].append(key)
    return {
        (pair, key): lane
        for pair, names in by_pair.items()
        for lane, key in _LANES_OF_PAIR.rows(pair=pair, keys=names)
    }


def _lanes_of_pair() -> QuerySet[Lane, Any]:
    return Lane.objects.filter(bulk.among("key", Given("keys", "text")), pair=Given("pair")).values_list(
        "id", "key"
    )


_LANES_OF_PAIR = Select(_lanes_of_pair)


def _tell(verdicts: Sequence[Verdict], opened: Mapping[int, str], now: datetime) -> None:
    """Write one Change row for each environment concerned."""
    doors = ROUTES.doors(())
    fates: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    runs: dict[int, list[str]] = defaultdict(list)
    for verdict in verdicts:
        environment = doors[verdict.event.connection_id].environment_id
        fates[environment][verdict.fate.value] += 1
        if verdict.event.id in opened and len(runs[environment]) < Change.MOST_RUNS:
            runs[environment].append(opened[verdict.event.id])
    for environment, counts in fates.items():
        summary = {"fates": dict(counts), "runs": runs[environment]}
        Change.objects.record(environment_id=environment, kind="dispatched", summary=summary, now=now)
