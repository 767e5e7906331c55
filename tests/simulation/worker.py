"""This module is a worker of the model: the real engine, with ports onto the model and the outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from connectors.stripe.roots import roots_from
from flows.agreeing.agreement import Agreement, Between
from flows.agreeing.own import Past
from flows.engine import batch, once
from flows.engine.item import EffectEnd, Event, Item, Source, Write
from flows.engine.pacing import Calm, Member, Pace, Standing
from flows.engine.plan import Plan
from flows.engine.policy import Policy
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
from flows.matching import Customer, Likeness
from flows.steps import fetched
from integrator.kernel.errors import IntegrationError, Missing, Transient
from tests.simulation.database import Database, Process, Run
from tests.simulation.hub import Bell, Hub, Killed, moment
from tests.simulation.org import Org
from tests.simulation.stripe import Stripe, answer_times

POLICY = Policy()
_BATCH = 4  # lanes in one claim
_LONGEST_IDLE = 300.0
_JUMPS = (-3_600.0, -5.0, 5.0, 3_600.0)  # seconds


class ModelPorts:
    """The world of one batch."""

    def __init__(self, worker: Worker, process: Process, runs: dict[int, Run]) -> None:
        self._worker = worker
        self._hub = worker.hub
        self._db = worker.db
        self._process = process
        self._runs = runs
        self._skew = worker.host_offset
        self._remembered: dict[str, Applied] = {}

    def _check_lease(self) -> None:
        if not self._db.holds(self._process, now=self._hub.seconds):
            raise Abandoned

    def call_many(self, slot: str, action: str, requests: Sequence[Params]) -> list[Result]:
        """Call the org, if the lease is still good."""
        self._hub.step("lease?")
        self._check_lease()
        return self._worker.org.call(action, requests)

    def read_roots(self, items: Sequence[Item]) -> list[Reading | IntegrationError]:
        """Read payments anew."""
        hub, stripe = self._hub, self._worker.stripe
        hub.step("read")
        self._check_lease()
        asked = hub.seconds
        if hub.dice.chance(hub.faults.failed_read):
            hub.sleep(hub.dice.random())
            return [Transient("Stripe did not answer", code="timeout") for _ in items]
        found = {item.root_id: stripe.read(item.root_id, asked) for item in items}
        hub.sleep(hub.dice.random())
        times = answer_times(asked, hub.seconds)
        return [_reading(found[item.root_id], times) for item in items]

    def applied_versions(self, targets: Sequence[str]) -> list[Applied | None]:
        """Return what was last applied."""
        known = {**self._db.applied, **self._remembered} if self._remembered else self._db.applied
        return [known.get(target) for target in targets]

    def remember(self, item: Item, write: Write) -> None:
        """Keep `write` for the end of the batch."""
        item.writes[:] = [*(known for known in item.writes if known.target != write.target), write]
        source = write.source
        self._remembered[write.target] = Applied(
            source.id, write.event_id, source.not_before, source.not_after, write.rank
        )

    def lease(self, slot: str, targets: Sequence[str]) -> frozenset[str]:
        """Lease records that the lanes do not own."""
        self._hub.step("lease")
        return self._db.lease(self._process, targets)

    def leased_elsewhere(self, slot: str, targets: Sequence[str]) -> frozenset[str]:
        """Return those of `targets` that another worker has leased."""
        return self._db.leased_elsewhere(self._process, targets)

    def effect_many(self, intents: Sequence[Intent]) -> list[EffectResult]:
        """Make each call once."""
        return self._make(intents, absent=False)

    def _make(self, intents: Sequence[Intent], *, absent: bool) -> list[EffectResult]:
        hub = self._hub
        hub.step("prepare")
        self._check_lease()
        clock = hub.seconds + self._worker.host_offset - self._skew
        prepared = self._db.prepare(intents, now=hub.seconds, clock=clock, absent=absent)
        results: list[EffectResult] = []
        for intent, (effect, decision) in zip(intents, prepared, strict=True):
            match decision:
                case once.Send():
                    (answer,) = self.call_many(intent.slot, intent.action, [effect.request])
                    end, result = once.judge_answer(effect.id, intent, answer)
                    intent.item.effect_ends.append(end)
                case once.Look():
                    result = self._look(intent, effect.id)
                case _:
                    known = once.end_of(effect.id, decision)
                    if known is not None:
                        intent.item.effect_ends.append(known)
                    result = decision
            results.append(result)
        return results

    def _look(self, intent: Intent, effect_id: int) -> EffectResult:
        assert intent.look_up is not None
        action, request = intent.look_up
        (answer,) = self.call_many(intent.slot, action, [request])
        if isinstance(answer, Missing):
            return self._make([intent], absent=True)[0]
        if isinstance(answer, IntegrationError):
            return answer
        intent.item.effect_ends.append(EffectEnd(effect_id, "done", answer))
        return Happened(answer, before=True)

    def awaited(self, waits: Sequence[Waiting]) -> list[AwaitedResult]:
        """Refuse: the flows of the model wait for no event."""
        raise NotImplementedError

    def links(self, target: str, stripe_ids: Sequence[str]) -> dict[str, str]:
        """Return no links: the flows of the model ask for none."""
        return {}

    def agreements(self, wanted: Sequence[Between]) -> list[Agreement]:
        """Return empty agreements: the flows of the model write one way."""
        return [Agreement() for _ in wanted]

    def last_told(self, stripe_ids: Sequence[str]) -> dict[str, tuple[datetime, str]]:
        """Return nothing: the flows of the model do not ask."""
        return {}

    def record_ids(self, object_: str, external_ids: Sequence[str]) -> dict[str, str]:
        """Return no record ids: the flows of the model ask for none."""
        return {}

    def moved(self, object_: str, keys: Sequence[str]) -> dict[str, Moved]:
        """Return nothing: in the model nobody merges records."""
        return {}

    def own_writes(self, targets: Sequence[str]) -> dict[str, Past]:
        """Return nothing: the flows of the model start on events of Stripe that we have not caused."""
        return {}

    def rate(self, base: str, quote: str, day: date) -> Rate | None:
        """Return no rate: the flows of the model ask for none."""
        return None

    def alike(self, slot: str, object_: str, customers: Sequence[Customer]) -> list[Likeness]:
        """Refuse: the flows of the model recognise nobody."""
        raise NotImplementedError

    def turns(self, step: str, keys: Sequence[str], pace: Pace) -> list[datetime | None]:
        """Give everybody a turn: the flows of the model let everybody pass."""
        return [self.now() for _ in keys]

    def bursts(self, step: str, members: Sequence[Member], calm: Calm) -> list[Standing]:
        """Let everybody go on: the flows of the model have no such step."""
        return [Standing(is_last=True, goes=True, due=self.now()) for _ in members]

    def now(self) -> datetime:
        """Return the time by a host's clock, which was set by the database's when the batch began."""
        return moment(self._hub.seconds + self._worker.host_offset - self._skew)

    def luck(self) -> float:
        """Return a number in [0, 1)."""
        return self._hub.dice.random()


def _reading(found: dict[str, Any] | None, times: dict[str, str]) -> Reading | IntegrationError:
    if found is None:
        return Missing("There is no such payment")
    return Reading(dict(roots_from(found)), fetched.source_of({"object": found, **times}))


class Worker:
    """A process that handles whatever is ready, and is started anew when it dies."""

    def __init__(
        self, hub: Hub, db: Database, outside: tuple[Stripe, Org], *, plan: Plan, ask: Callable[[Run], None]
    ) -> None:
        """`ask` is told of each run that waits for a person."""
        self.hub = hub
        self.db = db
        self.stripe, self.org = outside
        self.plan = plan
        self.bell = Bell(hub)
        self._ask = ask
        self.host_offset = 0.0

    def live(self) -> None:
        """Live, die and live again."""
        while True:
            process = self.db.register(now=self.hub.seconds)
            try:
                while True:
                    if not process.alive:
                        process = self.db.register(now=self.hub.seconds)
                    if not self._pass(process):
                        self._idle()
            except Killed:
                self.hub.sleep(1 + 5 * self.hub.dice.random())

    def _idle(self) -> None:
        dice = self.hub.dice
        wait = min(max(self.db.next_due() - self.hub.seconds, 0.0), _LONGEST_IDLE)
        self.bell.wait(0.2 + wait + 2 * dice.random())

    def _pass(self, process: Process) -> bool:
        hub, db = self.hub, self.db
        if db.undispatched:
            hub.step("dispatch")
            db.dispatch(now=hub.seconds)
        hub.step("claim")
        runs = {run.id: run for run in db.claim(process, now=hub.seconds, limit=_BATCH)}
        if not runs:
            return False
        hub.note(",".join(str(number) for number in runs))
        ports = ModelPorts(self, process, runs)
        if hub.dice.chance(hub.faults.clock_jump):
            self.host_offset += hub.dice.choice(_JUMPS)
        try:
            ended = batch.run(self.plan, [_item(run) for run in runs.values()], ports, POLICY)
        except Abandoned:
            hub.note("abandoned")
            return True
        hub.step("close")
        for run in db.close(process, [(runs[one.run_id], one) for one in ended], now=hub.seconds):
            self._ask(run)
        return True


def _item(run: Run) -> Item:
    payload = run.event.payload
    about = payload["data"]["object"]
    at = moment(run.event.second)
    return Item(
        run_id=run.id,
        event_id=run.event.number,
        event=Event(run.event.id, run.event.type, payload["created"], livemode=False),
        root_id=run.event.payment,
        context=dict(roots_from(about)),
        source=Source(about["id"], at, at),
        attempts=run.attempts,
        first_failed_at=None if run.first_failed_at is None else moment(run.first_failed_at),
        read_first=run.read_first,
        history=run.history,
        # What a batch remembers counts only once it is closed.
        memory={step: dict(kept) for step, kept in run.memory.items()},
    )
