"""This module reads claimed runs with their events, and makes them ready for the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import QuerySet

from connectors.stripe.places import PLACES
from connectors.stripe.requests import is_ours
from connectors.stripe.roots import Root, root_of, roots_from
from flows import bulk, lanes, mended, payloads, resuming
from flows.bus_events import BusEvent
from flows.engine import batch, item, plan
from flows.engine.outcome import Failure, GiveUp, Outcome
from flows.engine.records import Record
from flows.mended import Mended
from flows.models import Event, Run
from flows.started import named, source_of, told
from flows.statements import Given, Select
from integrator import vault


class Loaded(NamedTuple):
    """A claimed run with its event and its pair, as the database has it."""

    id: int
    public_id: str
    flow_id: int
    version_id: int
    version__content_hash: str
    pair_id: int
    lane_id: int
    event_id: int
    subject: str
    pair__environment_id: int
    state: str
    attempts: int
    crashes_alone: int
    fetch_first: bool
    insisted: bool
    mended: bool
    memory: dict[str, dict[str, Any]] | None
    kept: bytes  # sealed
    goes_on_from: int | None
    first_failed_at: datetime | None
    pair__stripe_id: int
    pair__salesforce_id: int
    pair__stripe__api_version: str
    event__connection_id: int
    event__external_id: str
    event__object_id: str
    event__origin: str
    event__type: str
    event__happened_at: datetime | None
    event__received_at: datetime
    event__livemode: bool | None
    event__account: str
    event__api_version: str
    payload: dict[str, Any] | None = None  # the event, where it was opened a moment ago
    body: bytes = b""  # sealed, where it was not
    mendings: Mended | None = None  # what was changed for it; of most nothing, or it does not open
    carried: item.Carried | None = None  # what it takes over from an earlier try; of most nothing

    @property
    def about(self) -> str:
        """Return the id of what the run is about; an event may name many records, each with a run."""
        return self.subject or self.event__object_id

    @property
    def is_of_salesforce(self) -> bool:
        """Tell whether the org started the run."""
        return self.event__connection_id == self.pair__salesforce_id


def load(ids: Iterable[int], *, now: datetime) -> list[Loaded]:
    """Return runs with what the engine needs of events and pairs at `now`, in the order of their `ids`."""
    rows = _THESE.rows(runs=list(ids))
    events = [row[_EVENT] for row in rows]
    kept = [payloads.KEPT.take(event) for event in events]
    unopened = [event for event, payload in zip(events, kept, strict=True) if payload is None]
    bodies: dict[int, bytes] = dict(_BODIES.rows(events=unopened)) if unopened else {}
    loaded = [
        Loaded._make(
            (*row, payload, bodies.get(event, b"") if payload is None else b"", mended.NOTHING, None)
        )
        for row, event, payload in zip(rows, events, kept, strict=True)
    ]
    return _with_carried(_with_mendings(loaded), now)


def _with_carried(runs: list[Loaded], now: datetime) -> list[Loaded]:
    """Return `runs`, those that go on at a failed step with what they take over; else they read first."""
    going_on = [(run.id, run.goes_on_from) for run in runs if run.goes_on_from and not run.fetch_first]
    if not going_on:
        return runs
    found, wanted = resuming.carried(going_on, now), dict(going_on)
    return [
        run._replace(carried=found.get(run.id), fetch_first=run.id not in found) if run.id in wanted else run
        for run in runs
    ]


def _with_mendings(runs: list[Loaded]) -> list[Loaded]:
    """Return `runs`, those that were mended with what was changed for them: None where it does not open."""
    if not any(run.mended for run in runs):
        return runs
    try:
        found = mended.of(run.id for run in runs if run.mended)
    except vault.Unreadable:  # of one of them: the others are done
        return [run._replace(mendings=_mendings(run.id)) if run.mended else run for run in runs]
    return [run._replace(mendings=found.get(run.id, mended.NOTHING)) if run.mended else run for run in runs]


def _mendings(run_id: int) -> Mended | None:
    try:
        return mended.of([run_id]).get(run_id, mended.NOTHING)
    except vault.Unreadable:
        return None


_COLUMNS = Loaded._fields[:-4]
_EVENT = _COLUMNS.index("event_id")


def _these() -> QuerySet[Run, Any]:
    wanted = Run.objects.filter(bulk.among("id", Given("runs", "bigint")))
    return wanted.order_by("id").values_list(*_COLUMNS)


def _bodies() -> QuerySet[Event, Any]:
    wanted = Event.objects.filter(bulk.among("id", Given("events", "bigint"))).order_by()
    return wanted.values_list("id", "body")


_THESE, _BODIES = Select(_these), Select(_bodies)


def moment(run: Loaded) -> datetime:
    """Return when the run's event happened."""
    return run.event__happened_at or run.event__received_at


@dataclass(frozen=True, slots=True)
class Readied:
    """A run as the engine takes it, and the root of its object."""

    item: item.Item
    root: Root | Record


def hopeless(run: Loaded) -> Failure | None:
    """Return why the run is not tried: it is the culprit of crashes, or what was changed for it is lost."""
    if run.mendings is None:
        message = "What was changed for this run does not open: its encryption key is missing."
        return Failure("auth", message, code="sealed")
    if run.crashes_alone <= lanes.CRASHES_ALONE:
        return None
    message = f"The worker crashed {lanes.CRASHES_ALONE} times while it ran this and nothing else."
    return Failure("internal", message, code="crashed")


def ready(run: Loaded, compiled_plan: plan.Plan) -> Readied:
    """
    Return the run as the engine takes it.

    :raises payloads.Unreadable: if its body does not open any more
    """
    payload = run.payload
    if payload is None:
        payload = payloads.open_body(run.body, connection_id=run.event__connection_id)
    if run.is_of_salesforce:
        return _ready_of_salesforce(run, BusEvent.of(payload), compiled_plan)
    found = payloads.object_of(payload)
    root = _root_of(found, run)
    happened_at = moment(run)
    created = payload.get("created")
    ready = item.Item(
        run_id=run.id,
        event_id=run.event_id,
        event=item.Event(
            id=run.event__external_id,
            type=run.event__type,
            created=created if type(created) is int else int(happened_at.timestamp()),
            livemode=run.event__livemode,
            account=run.event__account,
            api_version=run.event__api_version,
            foreign=bool(run.event__api_version) and run.event__api_version != run.pair__stripe__api_version,
            ours=is_ours(payload),
        ),
        root_id=root.id,
        # A thin event only names its object, and that is nothing to map.
        context={} if payloads.is_thin(payload) or "object" not in found else dict(roots_from(found)),
        source=item.Source(str(found.get("id") or root.id), happened_at, happened_at),
        previous=_previous(payload),
        attempts=run.attempts,
        first_failed_at=run.first_failed_at,
        read_first=run.fetch_first and root.type in PLACES,
        history=_is_history(run, compiled_plan),
        insisted=run.insisted,
        memory=run.memory or {},
        kept=_kept(run),
        fixes=_mended(run).fixes,
        edits=_mended(run).edits,
        carried=run.carried,
    )
    return Readied(ready, root)


def _ready_of_salesforce(run: Loaded, event: BusEvent, compiled_plan: plan.Plan) -> Readied:
    record = Record(event.name, run.subject or run.event__external_id)
    ready = item.Item(
        run_id=run.id,
        event_id=run.event_id,
        event=named(event, run.event__external_id, run.subject, moment(run)),
        root_id=record.id,
        context=told(event, run.subject),
        source=source_of(event, record.id, moment(run)),
        attempts=run.attempts,
        first_failed_at=run.first_failed_at,
        # What is gone, or was no record, cannot be read again.
        read_first=event.is_of_records and not event.is_deletion,
        history=_is_history(run, compiled_plan),
        insisted=run.insisted,
        memory=run.memory or {},
        kept=_kept(run),
        fixes=_mended(run).fixes,
    )
    return Readied(ready, record)


def _mended(run: Loaded) -> Mended:
    return run.mendings or mended.NOTHING


def _kept(run: Loaded) -> dict[str, Any]:
    return payloads.open_kept(run.kept, run_id=run.id) if run.kept else {}


def _is_history(run: Loaded, compiled_plan: plan.Plan) -> bool:
    """Tell whether the event came so late, or from where, that it sends no letters any more."""
    if run.event__origin in (Event.Origin.SWEEP, Event.Origin.IMPORT):
        return True
    return run.event__received_at - moment(run) > compiled_plan.effects_within


def _root_of(found: Mapping[str, Any], run: Loaded) -> Root:
    try:
        return root_of(found)
    except ValueError:  # it has no id, such as a balance; there is no reading it again
        return Root(str(found.get("object")), run.event__external_id)


def _previous(payload: Mapping[str, Any]) -> dict[str, Any] | None:
    data = payload.get("data")
    previous = data.get("previous_attributes") if isinstance(data, dict) else None
    return previous if isinstance(previous, dict) else None


def given_up(run: Loaded, failure: Failure) -> batch.Finished:
    """Return the end of a run that is a dead letter before its first step."""
    return untried(run, GiveUp(failure.message, failure), "dead", failure.message)


def untried(run: Loaded, outcome: Outcome, fate: str, reason: str) -> batch.Finished:
    """Return the end of a run that was not taken through a single step."""
    source = item.Source("", run.event__received_at, run.event__received_at)
    nothing = item.Item(
        run.id, run.event_id, item.Event(run.event__external_id, run.event__type, None), "", {}, source
    )
    return batch.Finished(run.id, outcome, fate, reason, "", [], "", [], nothing)
