"""This module holds doubles that remember, for tests of the pure packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from connectors.stripe.operations import ACTS, MARKER
from connectors.stripe.roots import root_of, roots_from
from flows.agreeing.agreement import Agreement, Between
from flows.agreeing.own import Past
from flows.engine import once
from flows.engine.item import Event, Item, Source, Write
from flows.engine.pacing import Calm, Member, Pace, Standing
from flows.engine.ports import (
    Applied,
    Arrived,
    AwaitedResult,
    EffectResult,
    Happened,
    Intent,
    Moved,
    NothingCame,
    NotYet,
    Params,
    Rate,
    Reading,
    Result,
    Waiting,
)
from flows.matching import Answered, Customer, Likeness
from integrator.kernel.errors import IntegrationError, Missing, Refused

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class FakePorts:
    """
    The world of a batch, in memory: an org that keeps what it is sent, and a Stripe that is told what to say.

    Put a failure into `refuses` under an external id, a record id, a Stripe id or a Flow's name to have
    that refused, and an exception that is no IntegrationError to have the whole call blow up.
    """

    def __init__(self, *, now: datetime = NOON) -> None:
        self.time = now
        self.records: dict[str, dict[str, Any]] = {}  # by target
        self.calls: list[list[Params]] = []  # the requests of each call that writes
        self.asked: list[tuple[str, list[Params]]] = []  # every call: its action and its requests
        self.reads: list[list[str]] = []  # the roots of each reading
        self.refuses: dict[str, Exception] = {}
        self.readings: dict[str, Reading | IntegrationError] = {}  # by root id
        self.applied: dict[str, Applied] = {}  # by target
        self.stripe: dict[str, dict[str, Any]] = {}  # objects by id
        self.lists: dict[str, list[dict[str, Any]]] = {}  # what stands in a list, by its address
        self.query: Callable[[Params], Result] = lambda _params: {"records": []}
        self.leased_by_others: set[str] = set()  # targets
        self.leased: list[str] = []
        self.linked: dict[tuple[str, str], str] = {}  # record id by Salesforce object and Stripe id
        self.came: dict[str, Arrived] = {}  # events by the key that they are known by
        self.rates: dict[tuple[str, str], Rate] = {}
        self.effects: dict[str, once.Recorded] = {}  # by once-key
        self.merged: dict[str, Moved] = {}  # records that are gone, by what they were saved or known by
        self.alikes: dict[str, Likeness] = {}  # by the customer's id
        self.past: dict[str, Past] = {}  # by target
        self.agreed: dict[str, Agreement] = {}  # by the Stripe object's id
        self.told: dict[str, datetime] = {}  # when Stripe last told of an object
        self.gates: dict[str, tuple[datetime, int]] = {}  # by key: when it began, and turns given
        self.last: dict[str, tuple[str, datetime]] = {}  # by key: the last run, and when it may go on
        self._generations: dict[str, int] = {}  # of effects, by once-key
        self._ids: dict[str, str] = {}

    def hold(self, object_: str, record_id: str, **fields: Any) -> None:
        """Let there be a record."""
        self.records[f"{object_}:{record_id}"] = fields
        self._ids[f"{object_}:{record_id}"] = record_id

    def call_many(self, slot: str, action: str, requests: Sequence[Params]) -> list[Result]:
        """Do what the systems would."""
        answer = self._actions(slot)[action]
        self.asked.append((action, list(requests)))
        if action in {"upsert", "update", "start_flow", "publish", "create", "act"}:
            self.calls.append(list(requests))
        return [self._refusal(request) or answer(request) for request in requests]

    def _actions(self, slot: str) -> dict[str, Callable[[Params], Result]]:
        if slot == "stripe":
            return {
                "retrieve": self._retrieve,
                "list_of": self._list_of,
                "list": self._list,
                "search": self._search,
                "find_marked": self._find_marked,
                "reached": self._reached,
                "create": self._create,
                "update": self._change,
                "act": lambda request: self._change({**request, "values": request["params"]}),
            }
        return {
            "upsert": self._upsert,
            "update": self._update,
            "find": self._find,
            "query": self.query,
            "start_flow": lambda _: {"outputs": {}, "status": "Finished"},
            "publish": lambda _: {"id": "e00xx0000000001"},
        }

    def _refusal(self, request: Params) -> IntegrationError | None:
        names = (request.get(name) for name in ("external_id", "id", "flow", "event", "type"))
        refusal = next((self.refuses[name] for name in names if name in self.refuses), None)
        if refusal is None or isinstance(refusal, IntegrationError):
            return refusal
        raise refusal

    def _upsert(self, request: Params) -> Result:
        target = f"{request['object']}:{request['external_id']}"
        if (orphan := self._orphan(request["values"])) is not None:
            return orphan
        created = target not in self.records
        self.records[target] = {
            **self.records.get(target, {request["external_id_field"]: request["external_id"]}),
            **request["values"],
        }
        record_id = self._ids.setdefault(target, f"a00{len(self._ids):015d}")
        return {"id": record_id, "created": created}

    def _orphan(self, values: Mapping[str, Any]) -> IntegrationError | None:
        for name, value in values.items():
            for field, external_id in value.items() if isinstance(value, dict) else ():
                if f"{name[:-1]}c:{external_id}" not in self.records:
                    said = f"Foreign key external ID: {external_id} not found for field {field}"
                    return Refused(said, code="INVALID_FIELD", field=name)
        return None

    def _update(self, request: Params) -> Result:
        target = self._target_of(request["object"], request["id"])
        if target is None:
            return Missing("The record is not there", code="NOT_FOUND")
        self.records[target].update(request["values"])
        return {"id": request["id"], "created": False}

    def _target_of(self, object_: str, record_id: str) -> str | None:
        targets = (target for target in self.records if target.startswith(f"{object_}:"))
        return next((target for target in targets if self._ids.get(target) == record_id), None)

    def _find(self, request: Params) -> Result:
        """Compare as Salesforce does, without regard to case."""
        wanted = {str(value).casefold() for value in request["values"]}
        of_object = (target for target in self.records if target.startswith(f"{request['object']}:"))
        records = [{"Id": self._ids[target], **self.records[target]} for target in of_object]
        found = [one for one in records if str(one.get(request["field"])).casefold() in wanted]
        fields, most = (*request["fields"], request["field"]), request.get("limit")
        return {"records": [{name: one.get(name) for name in fields} for one in found[:most]]}

    def _retrieve(self, request: Params) -> Result:
        if request["id"] not in self.stripe:
            return Missing("No such object", code="resource_missing")
        moment = self.time.isoformat()
        return {"object": self.stripe[request["id"]], "requested_at": moment, "answered_at": moment}

    def _list_of(self, request: Params) -> Result:
        whole = self.lists[request["url"]]
        begin = 1 + [one["id"] for one in whole].index(request["starting_after"])
        page = whole[begin : begin + request["limit"]]
        return {"objects": page, "has_more": begin + len(page) < len(whole)}

    def _list(self, request: Params) -> Result:
        wanted = {name: value for name, value in request["params"].items() if not isinstance(value, list)}
        found: Any = self._of_type(
            request["type"], lambda one: all(one.get(n) == v for n, v in wanted.items())
        )
        whole, after = found["objects"], request.get("starting_after")
        begin = 1 + [one["id"] for one in whole].index(after) if after else 0
        page = whole[begin : begin + request.get("limit", 100)]
        return {"objects": page, "has_more": begin + len(page) < len(whole)}

    def _search(self, request: Params) -> Result:
        return self._of_type(
            request["type"], lambda one: one.get("metadata", {}).get(request["key"]) == request["value"]
        )

    def _find_marked(self, request: Params) -> Result:
        found: Any = self._search({"type": request["type"], "key": MARKER, "value": request["effect"]})
        return found["objects"][0] if found["objects"] else Missing("No such object")

    def _reached(self, request: Params) -> Result:
        place, values = ACTS[request["act"]].done or ("", frozenset())
        found = self.stripe.get(request["id"], {})
        return found if found.get(place) in values else Missing("It was not done")

    def _of_type(self, kind: str, fits: Callable[[dict[str, Any]], bool]) -> Result:
        found = [one for one in self.stripe.values() if one["object"] == kind and fits(one)]
        return {"objects": found, "has_more": False}

    def _create(self, request: Params) -> Result:
        made = {**request["params"], "id": f"{request['type']}_{len(self.stripe)}", "object": request["type"]}
        self.stripe[made["id"]] = made
        return made

    def _change(self, request: Params) -> Result:
        if request["id"] not in self.stripe:
            return Missing("No such object", code="resource_missing")
        self.stripe[request["id"]] |= request["values"]
        return self.stripe[request["id"]]

    def read_roots(self, items: Sequence[Item]) -> list[Reading | IntegrationError]:
        """Say what was put into `readings`."""
        self.reads.append([item.root_id for item in items])
        return [self.readings.get(item.root_id, Missing("No such object")) for item in items]

    def applied_versions(self, targets: Sequence[str]) -> list[Applied | None]:
        """Return what was put into `applied` or remembered."""
        return [self.applied.get(target) for target in targets]

    def remember(self, item: Item, write: Write) -> None:
        """Keep `write`."""
        item.writes.append(write)
        source = write.source
        self.applied[write.target] = Applied(
            source.id, write.event_id, source.not_before, source.not_after, write.rank
        )

    def lease(self, slot: str, targets: Sequence[str]) -> frozenset[str]:
        """Grant what nobody else has."""
        self.leased += targets
        return frozenset(targets) - self.leased_by_others

    def leased_elsewhere(self, slot: str, targets: Sequence[str]) -> frozenset[str]:
        """Return those of `targets` that others have leased."""
        return frozenset(targets) & self.leased_by_others

    def effect_many(self, intents: Sequence[Intent]) -> list[EffectResult]:
        """Decide as the product does, with rows that are kept in memory."""
        return [self._effect(intent) for intent in intents]

    def _effect(self, intent: Intent) -> EffectResult:
        key = once.key_of(intent, flow_id=1)
        number = len(self.effects) + 1
        recorded = self.effects.setdefault(key, once.Recorded(number, "planned"))
        decision = once.decide(recorded, intent, now=self.time)
        if isinstance(decision, once.Look):
            decision = self._look(intent, recorded)
        end = once.end_of(recorded.effect_id, decision)
        if isinstance(decision, once.Send):
            generation = self._generations[key] = self._generations.get(key, 1) + decision.raised
            request = once.filled(intent.request, f"eff_{recorded.effect_id}", generation=generation)
            (answer,) = self.call_many(intent.slot, intent.action, [request])
            end, decision = once.judge_answer(
                recorded.effect_id, intent, answer, again=isinstance(decision, once.Send) and decision.again
            )
        if end is not None:
            self.effects[key] = once.Recorded(
                recorded.effect_id, end.state, self.time, end.result, end.reason
            )
        assert not isinstance(decision, once.Look)
        return decision

    def _look(self, intent: Intent, recorded: once.Recorded) -> once.Decision:
        assert intent.look_up is not None
        action, request = intent.look_up
        wanted = once.filled(request, f"eff_{recorded.effect_id}", first_sent=recorded.sent_at)
        (answer,) = self.call_many(intent.slot, action, [wanted])
        return Happened(answer, before=True) if isinstance(answer, dict) else once.Send(raised=True)

    def awaited(self, waits: Sequence[Waiting]) -> list[AwaitedResult]:
        """Return what was put into `came`."""
        return [self.came.get(one.awaited.key) or self._not_yet(one) for one in waits]

    def _not_yet(self, waiting: Waiting) -> AwaitedResult:
        until = waiting.awaited.until
        return NothingCame() if self.time >= until else NotYet(until)

    def links(self, target: str, stripe_ids: Sequence[str]) -> dict[str, str]:
        """Return what was put into `linked`."""
        return {one: self.linked[target, one] for one in stripe_ids if (target, one) in self.linked}

    def agreements(self, wanted: Sequence[Between]) -> list[Agreement]:
        """Return what was put into `agreed` or kept, by the Stripe object."""
        return [self.agreed.get(one.stripe_id) or _nothing_agreed(one) for one in wanted]

    def last_told(self, stripe_ids: Sequence[str]) -> dict[str, tuple[datetime, str]]:
        """Return what was put into `told`."""
        return {name: (self.told[name], "evt_last") for name in stripe_ids if name in self.told}

    def record_ids(self, object_: str, external_ids: Sequence[str]) -> dict[str, str]:
        """Return the ids of what is in the org, as if all of it had been saved by the flow."""
        return {one: self._ids[key] for one in external_ids if (key := f"{object_}:{one}") in self._ids}

    def moved(self, object_: str, keys: Sequence[str]) -> dict[str, Moved]:
        """Return what was put into `merged`."""
        return {key: self.merged[key] for key in keys if key in self.merged}

    def own_writes(self, targets: Sequence[str]) -> dict[str, Past]:
        """Return what was put into `past`."""
        return {one: self.past[one] for one in targets if one in self.past}

    def rate(self, base: str, quote: str, day: date) -> Rate | None:
        """Return what was put into `rates`, if it is not of a later day."""
        known = self.rates.get((base, quote))
        return known if known is not None and known.day <= day else None

    def alike(self, slot: str, object_: str, customers: Sequence[Customer]) -> list[Likeness]:
        """Return what was put into `alikes`, by the customer's id; others are new."""
        return [self.alikes.get(one.id, Likeness(Answered.NEW)) for one in customers]

    def turns(self, step: str, keys: Sequence[str], pace: Pace) -> list[datetime | None]:
        """Give turns, in periods that begin with the first."""
        return [self._turn(key, pace) for key in keys]

    def _turn(self, key: str, pace: Pace) -> datetime | None:
        began, taken = self.gates.get(key, (self.time, 0))
        if self.time >= began + -(-taken // pace.limit) * pace.period:
            began, taken = self.time, 0
        ahead = taken // pace.limit - (self.time - began) // pace.period
        if ahead > pace.ahead:
            return None
        self.gates[key] = began, taken + 1
        return began + taken // pace.limit * pace.period

    def bursts(self, step: str, members: Sequence[Member], calm: Calm) -> list[Standing]:
        """Let the last of all that came go on when it is quiet."""
        for one in members:
            if one.rank > self.last.get(one.key, ("", self.time))[0]:
                self.last[one.key] = one.rank, self.time + min(calm.quiet, calm.longest)
        standings = []
        for one in members:
            rank, due = self.last[one.key]
            is_last = rank == one.rank
            standings.append(Standing(is_last, is_last and due <= self.time, due, len(members)))
        return standings

    def now(self) -> datetime:
        """Return the time, which stands still."""
        return self.time

    def luck(self) -> float:
        """Return the middle."""
        return 0.5


def _nothing_agreed(one: Between) -> Agreement:
    known = one.external_id or one.record_id or one.stripe_id
    return Agreement(None, one.stripe_id, one.object, known, one.record_id)


def an_event(
    type: str = "charge.succeeded",
    /,
    *,
    id: str = "evt_1",
    at: datetime = NOON,
    **fields: Any,
) -> dict[str, Any]:
    """Return a Stripe event about a small charge, or about the object given as `object`."""
    charge = {
        "id": "ch_1",
        "object": "charge",
        "amount": 1999,
        "currency": "usd",
        "status": "succeeded",
        "captured": True,
        "created": int(at.timestamp()),
        "livemode": False,
        "metadata": {},
        "payment_intent": "pi_1",
    }
    about = fields.pop("object", None) or {**charge, **fields}
    return {
        "id": id,
        "object": "event",
        "type": type,
        "created": int(at.timestamp()),
        "livemode": False,
        "api_version": "2026-10-28.endive",
        "data": {"object": about},
    }


def an_item(event: Mapping[str, Any] | None = None, /, *, run_id: int = 1, **fields: Any) -> Item:
    """Return a run of `event`, ready for a batch."""
    event = event or an_event()
    about = event["data"]["object"]
    at = datetime.fromtimestamp(event["created"], UTC)
    return Item(
        run_id=run_id,
        event_id=fields.pop("event_id", run_id),
        event=Event(event["id"], event["type"], event["created"], livemode=event["livemode"]),
        root_id=root_of(about).id,
        context=dict(roots_from(about)),
        source=Source(about["id"], at, at),
        previous=event["data"].get("previous_attributes"),
        **fields,
    )


def a_reading(root: Mapping[str, Any], at: datetime = NOON) -> Reading:
    """Return what reading `root` at that time gives."""
    source = Source(root["id"], at - timedelta(seconds=2), at + timedelta(seconds=1), fetched=True)
    return Reading(dict(roots_from(root)), source)
