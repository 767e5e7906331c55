"""This module is the world as one batch of runs sees it: the real ports of the engine."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import wraps
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError
from django.db.models import QuerySet

from connectors import gateway
from connectors.budgets import Allowance
from connectors.stripe.roots import Root, reading_of, roots_from
from flows import agreements, awaiting, bulk, effects, moves, own_writes, pacing
from flows.agreeing.agreement import Agreement, Between
from flows.agreeing.own import Past
from flows.engine import records
from flows.engine.item import EffectEnd, Item, Write
from flows.engine.once import Look, Send, end_of, judge_answer, key_of
from flows.engine.pacing import Calm, Member, Pace, Standing
from flows.engine.ports import (
    Abandoned,
    Applied,
    AwaitedResult,
    EffectResult,
    Happened,
    Intent,
    Moved,
    Params,
    Rate,
    Reading,
    Result,
    Waiting,
)
from flows.engine.records import Record
from flows.lanes import CALL_DEADLINE, WorkerLease
from flows.matching import Customer, Likeness
from flows.models import AppliedVersion, ExchangeRate, Link
from flows.recognising import asking
from flows.statements import Given, Select
from flows.steps.fetched import source_of
from flows.targets import take, taken_by_others
from integrator.kernel.errors import IntegrationError, Missing

LEASE_PATIENCE = 2.0  # seconds in which a batch that holds a record we need is likely to be over
LEASE_POLL = 0.1
GOOD_TIME = 4.0  # seconds: a third of a call's deadline, so that it holds where a system asks for patience

_DICE = random.SystemRandom()

P = ParamSpec("P")
R = TypeVar("R")


def _abandoning(port: Callable[Concatenate[World, P], R]) -> Callable[Concatenate[World, P], R]:
    """Answer a failure of our own database with `Abandoned`: it is the fault of no run."""

    @wraps(port)
    def answer(world: World, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return port(world, *args, **kwargs)
        except (InterfaceError, OperationalError) as failure:
            raise Abandoned from failure

    return answer


def fit_together(connection_id: int) -> int | None:
    """Return how many calls of a connection, one after the other, are made in good time; None: any number."""
    rate = gateway.usual_rate(connection_id)
    return None if rate is None else max(1, int(rate * GOOD_TIME))


def allowance_of(connection_id: int) -> Allowance | None:
    """Return what a connection's org allows in 24 hours, as of a few seconds ago; None if it is not known."""
    return gateway.allowance(connection_id)


class World:
    """The ports of one flow on one pair, for one batch."""

    def __init__(
        self,
        *,
        worker: WorkerLease,
        flow_id: int,
        pair_id: int,
        slots: Mapping[str, int],
        roots: Mapping[int, Root | Record],
        clock: Callable[[], datetime],
        reads: Sequence[str] = (),
    ) -> None:
        self._worker = worker
        self._flow_id = flow_id
        self._pair_id = pair_id
        self._slots = slots
        self._roots = roots
        self._reads = reads  # the fields of a record that the flow names
        self._clock = clock
        self._remembered: dict[str, Applied] = {}
        self._leased: set[tuple[int, str]] = set()
        self._happened: dict[str, Happened] = {}  # effects of this batch, by key

    @_abandoning
    def call_many(self, slot: str, action: str, requests: Sequence[Params]) -> list[Result]:
        """
        Return one result for each request, in order; failures are returned.

        :raises Abandoned: if the lease on the lanes is gone, so that somebody else may be writing
        """
        self._worker.moved()
        if not self._worker.holds():
            raise Abandoned
        results = gateway.call_many(
            connection_id=self._slots[slot],
            action=action,
            requests=requests,
            deadline=CALL_DEADLINE.total_seconds(),
            cause=self._flow_id,
        )
        self._worker.moved()
        for result in results:
            if isinstance(result, IntegrationError):
                result.system = result.system or slot
        return results

    def read_roots(self, items: Sequence[Item]) -> list[Reading | IntegrationError]:
        """Read what each item is about anew, once however many items want it."""
        wanted = list(dict.fromkeys(self._roots[item.run_id] for item in items))
        objects = [root for root in wanted if isinstance(root, Root)]
        found: dict[Root | Record, Reading | IntegrationError] = {}
        if objects:
            answers = self.call_many("stripe", "retrieve", [_reading_request(root) for root in objects])
            found.update(zip(objects, map(_reading, answers), strict=True))
        changed = [root for root in wanted if isinstance(root, Record)]
        found.update(records.read(self.call_many, changed, self._reads).items())
        return [found[self._roots[item.run_id]] for item in items]

    @_abandoning
    def applied_versions(self, targets: Sequence[str]) -> list[Applied | None]:
        """Return what was last applied to each target, what this batch remembered included."""
        unknown = [target for target in targets if target not in self._remembered]
        rows = _APPLIED.rows(flow=self._flow_id, pair=self._pair_id, targets=unknown)
        known = {row[0]: Applied(*row[1:]) for row in rows}
        known.update(self._remembered)
        return [known.get(target) for target in targets]

    def remember(self, item: Item, write: Write) -> None:
        """Keep `write` for the closing transaction, which finds it with its run; a later one replaces it."""
        item.writes[:] = [*(known for known in item.writes if known.target != write.target), write]
        source = write.source
        self._remembered[write.target] = Applied(
            source.id, write.event_id, source.not_before, source.not_after, write.rank
        )

    @_abandoning
    def lease(self, slot: str, targets: Sequence[str]) -> frozenset[str]:
        """Return those of `targets` that nobody else writes to until this batch is closed."""
        connection = self._slots[slot]
        ends = time.monotonic() + LEASE_PATIENCE
        while asked := [target for target in targets if (connection, target) not in self._leased]:
            granted = take(self._worker, connection, asked)
            self._leased |= {(connection, target) for target in granted}
            if len(granted) == len(set(asked)) or time.monotonic() > ends:
                break
            self._worker.moved()
            time.sleep(LEASE_POLL)  # starting over would cost calls, and a batch is soon over
        return frozenset(target for target in targets if (connection, target) in self._leased)

    @_abandoning
    def leased_elsewhere(self, slot: str, targets: Sequence[str]) -> frozenset[str]:
        """Return those of `targets`, which the lanes own, that another worker has leased."""
        return taken_by_others(self._worker, self._slots[slot], targets)

    @_abandoning
    def effect_many(self, intents: Sequence[Intent]) -> list[EffectResult]:
        """
        Make each call once, whatever happened before, and return what is known of it, in order.

        :raises Abandoned: if the worker's lease is gone
        """
        keys = [key_of(intent, self._flow_id) for intent in intents]
        results: dict[str, EffectResult] = dict(self._happened)
        alone: dict[str, Intent] = {}
        for key, intent in zip(keys, intents, strict=True):
            if key not in results:
                alone.setdefault(key, intent)
        for key, result in zip(alone, self._make(list(alone.values())), strict=True):
            results[key] = result
            if isinstance(result, Happened):
                self._happened[key] = result
        return [results[key] for key in keys]

    def _make(
        self, intents: Sequence[Intent], *, absent: Mapping[int, int] = MappingProxyType({})
    ) -> list[EffectResult]:
        """Make the calls of `intents`, none of which is another's; for `absent` see `effects.prepare`."""
        if not intents:
            return []
        if not self._worker.holds():
            raise Abandoned
        prepared = effects.prepare(
            intents, flow_id=self._flow_id, pair_id=self._pair_id, now=self.now(), absent=absent
        )
        results: dict[int, EffectResult] = {}
        for sent in _by_call(prepared):
            slot, action = prepared[sent[0]].intent.slot, prepared[sent[0]].action
            answers = self.call_many(slot, action, [prepared[place].request for place in sent])
            for place, answer in zip(sent, answers, strict=True):
                one = prepared[place]
                again = isinstance(one.decision, Send) and one.decision.again
                end, results[place] = judge_answer(one.effect_id, one.intent, answer, again=again)
                one.intent.item.effect_ends.append(end)
        looked = [place for place, one in enumerate(prepared) if isinstance(one.decision, Look)]
        results.update(self._look(prepared, looked))
        for place, one in enumerate(prepared):
            if place not in results:
                results[place] = _without_a_call(one)
        return [results[place] for place in range(len(prepared))]

    def _look(self, prepared: Sequence[effects.Prepared], places: Sequence[int]) -> dict[int, EffectResult]:
        """Ask the other system for what a lost answer may have made, and make what is not there."""
        results: dict[int, EffectResult] = {}
        absent: list[int] = []
        for place in places:
            one = prepared[place]
            assert one.look_up is not None
            action, request = one.look_up
            (answer,) = self.call_many(one.intent.slot, action, [request])
            if isinstance(answer, Missing):
                absent.append(place)
            elif isinstance(answer, IntegrationError):
                results[place] = answer
            else:
                one.intent.item.effect_ends.append(EffectEnd(one.effect_id, "done", answer))
                results[place] = Happened(answer, before=True)
        looked = {prepared[place].effect_id: prepared[place].generation for place in absent}
        again = self._make([prepared[place].intent for place in absent], absent=looked)
        return {**results, **dict(zip(absent, again, strict=True))}

    @_abandoning
    def awaited(self, waits: Sequence[Waiting]) -> list[AwaitedResult]:
        """Return for each wait the event that came, or when to look again."""
        return awaiting.results(waits, slots=self._slots, now=self.now())

    @_abandoning
    def links(self, target: str, stripe_ids: Sequence[str]) -> dict[str, str]:
        """Return the record ids of Salesforce object `target` that are linked with each Stripe object."""
        known = Link.objects.filter(
            bulk.among("stripe_id", stripe_ids), pair=self._pair_id, salesforce_object=target
        )
        return dict(known.order_by("id").values_list("stripe_id", "record_id"))

    @_abandoning
    def record_ids(self, object_: str, external_ids: Sequence[str]) -> dict[str, str]:
        """Return the record ids of what was saved as Salesforce `object_` under external ids."""
        known = Link.objects.filter(
            bulk.among("external_id", external_ids), pair=self._pair_id, salesforce_object=object_
        )
        return dict(known.values_list("external_id", "record_id"))

    @_abandoning
    def agreements(self, wanted: Sequence[Between]) -> list[Agreement]:
        """Return what is known of each two, in order; an empty one where they are no link yet."""
        return agreements.find(self._pair_id, wanted)

    @_abandoning
    def last_told(self, stripe_ids: Sequence[str]) -> dict[str, tuple[datetime, str]]:
        """Return when Stripe last told of each object, and the id of the event that did."""
        return agreements.last_told(self._pair_id, stripe_ids)

    @_abandoning
    def moved(self, object_: str, keys: Sequence[str]) -> dict[str, Moved]:
        """Return of `keys` those whose record is gone, and what became of it."""
        return moves.of(self._pair_id, object_, keys)

    @_abandoning
    def own_writes(self, targets: Sequence[str]) -> dict[str, Past]:
        """Return what the flow wrote to each target because of our own writes."""
        return own_writes.of(self._flow_id, self._pair_id, targets)

    @_abandoning
    def rate(self, base: str, quote: str, day: date) -> Rate | None:
        """Return the newest rate of `day` or before; upper-case currency codes."""
        known = ExchangeRate.objects.filter(
            workspace__integrations__pairs=self._pair_id, base=base, quote=quote, day__lte=day
        )
        row = known.order_by("-day").values_list("rate", "day", "source").first()
        return None if row is None else Rate(*row)

    @_abandoning
    def turns(self, step: str, keys: Sequence[str], pace: Pace) -> list[datetime | None]:
        """Return from when on each of `keys` may pass `step`, in order; None for whom no turn is left."""
        place = pacing.Place(self._flow_id, self._pair_id, step)
        return pacing.turns(place, keys, pace, now=self.now())

    @_abandoning
    def bursts(self, step: str, members: Sequence[Member], calm: Calm) -> list[Standing]:
        """Let `members` come to where only the last of a burst goes on, and return how each stands."""
        place = pacing.Place(self._flow_id, self._pair_id, step)
        return pacing.bursts(place, members, calm, now=self.now())

    @_abandoning
    def alike(self, slot: str, object_: str, customers: Sequence[Customer]) -> list[Likeness]:
        """Return whether customers are known records; those that are new are expected from now on."""
        return asking.alike(self._slots[slot], object_, customers, now=self.now(), expecting=True)

    def now(self) -> datetime:
        """Return the time, by the database's clock."""
        return self._clock()

    def luck(self) -> float:
        """Return a number in [0, 1)."""
        return _DICE.random()


def _applied() -> QuerySet[AppliedVersion, Any]:
    versions = AppliedVersion.objects.filter(flow=Given("flow"), pair=Given("pair"))
    wanted = versions.filter(bulk.among("target", Given("targets", "text")))
    return wanted.values_list("target", "source", "event_id", "not_before", "not_after", "rank")


_APPLIED = Select(_applied)


def _by_call(prepared: Sequence[effects.Prepared]) -> list[list[int]]:
    """Return the places of those that are to be sent, together where one call can carry them."""
    calls: dict[tuple[str, str], list[int]] = {}
    for place, one in enumerate(prepared):
        if isinstance(one.decision, Send):
            calls.setdefault((one.intent.slot, one.action), []).append(place)
    return list(calls.values())


def _without_a_call(one: effects.Prepared) -> EffectResult:
    end = end_of(one.effect_id, one.decision)
    if end is not None:
        one.intent.item.effect_ends.append(end)
    assert not isinstance(one.decision, Send | Look)
    return one.decision


def _reading_request(root: Root) -> Params:
    kind, expand = reading_of(root.type)
    return {"type": kind, "id": root.id, "expand": expand}


def _reading(answer: Result) -> Reading | IntegrationError:
    if isinstance(answer, IntegrationError):
        return answer
    found = answer["object"]
    return Reading(roots=dict(roots_from(found)), source=source_of(answer))
