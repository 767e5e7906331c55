"""
This module is the rig of the real worker: inbox, dispatch, lanes, runner, closing and walk on SQLite.

Two workers of this process take turns wherever one of them speaks to the outside or to the database without
a transaction. They die at any statement, stand still beyond their leases and come back late.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Count
from greenlet import getcurrent

from connectors.models import Cursor
from connectors.stripe import webhooks
from flows import confirmation, intake, lanes, presence, reruns, reviews, runner, sweeps, walk
from flows.models import Attempt, Deployment, Event, Lane, LateTarget, Review, Run
from integrator.kernel.errors import Forbidden, Refused
from tests.simulation import flow, judging
from tests.simulation.dice import Dice, swarm
from tests.simulation.hub import Bell, Hub, Killed, TooLong, moment
from tests.simulation.installation import Installation, a_process, surroundings
from tests.simulation.judging import Broken
from tests.simulation.org import LONGEST_CALL, Org, Params
from tests.simulation.stripe import Happening, Stripe
from tests.simulation.systems import SimulatedSalesforce, SimulatedStripe

_TROUBLE = 240.0  # seconds
_LATEST = 12 * 3_600.0
_SWEEP_EVERY = 20.0
_WALK_EVERY = 300.0
_PAUSES = 0.05  # how often a worker is interrupted before a statement
_HASTY = 0.1  # how often questions are answered at once
_REFUSALS = 0.4  # how often an org that refuses payments does so
_MISHAPS = 2  # more of them at one run, and it would rightly count as the culprit
_DRIFTS = (  # what an org says of a field that it has no more, or that is not given to us
    Refused(f"No such column '{flow.LACKED}'", code="INVALID_FIELD", field=flow.LACKED),
    Forbidden(f"No access to {flow.LACKED}", code="INVALID_FIELD_FOR_INSERT_UPDATE", field=flow.LACKED),
)


@dataclass(frozen=True, slots=True)
class Played:
    """What a world came to."""

    seed: int
    digest: str
    runs: int
    calls: int
    seconds: float  # simulated
    resumed: int = 0  # runs that went on at the step that failed


class Processes:
    """Who lives on the one host."""

    def __init__(self) -> None:
        self._numbers = 0
        self._current: dict[Any, presence.Process] = {}
        self.alive: set[int] = set()

    def born(self) -> None:
        """Let the actor that asks be a new process."""
        self._numbers += 1
        self._current[getcurrent()] = a_process(self._numbers)
        self.alive.add(self._numbers)

    def this(self) -> presence.Process:
        """Return who the actor that asks is."""
        return self._current[getcurrent()]

    def is_alive(self, process: presence.Process) -> bool:
        """Tell whether a process still runs."""
        return process.pid in self.alive


class World:
    """One world on `installation`."""

    def __init__(self, seed: int, installation: Installation, way: str | None = None) -> None:
        """Let the flow go the one `way`, or one that the dice choose."""
        self.seed = seed
        self.installation = installation
        self.dice = dice = Dice(seed)
        self.faults = swarm(dice)
        self.hub = Hub(dice, self.faults, mishaps=_MISHAPS)
        self.stripe = Stripe(dice, self.faults)
        self.org = Org(self.hub)
        chosen = dice.choice(flow.WAYS)
        self.through = chosen if way is None else way
        self.processes = Processes()
        self.bells = [Bell(self.hub) for _ in range(dice.choice((1, 2, 2)))]
        self.leases: dict[int, lanes.WorkerLease] = {}
        self.history: set[str] = set()
        self.acknowledged: set[str] = set()
        self.culprit = "pi_0" if dice.random() < 0.15 else ""
        if self.through == flow.RETRIED:
            self.culprit, self.faults.refusal = "", _REFUSALS
        self.resumed = 0  # runs that a person had go on at the failed step
        self.untold = 0  # changes of which Stripe made no event
        self._calmed = self._resting = self._swept = False
        self._calm = self.faults.stall == 0

    def play(self) -> Played:
        """
        Play the world and return what it came to.

        :raises Broken: if a promise was not kept
        """
        systems = {
            "stripe": SimulatedStripe(self.hub, self.stripe),
            "salesforce": SimulatedSalesforce(self.org, self._meet_the_culprit),
        }
        self.installation.begin(self.through)
        with surroundings(self.hub, self.dice, systems, self.processes):
            try:
                with connection.execute_wrapper(self._statement):
                    self._trouble()
                    self.faults.stop()
                    self._calmed = True
                    self.hub.run(until=lambda: self._resting, latest=_LATEST)
            except TooLong as stuck:
                raise Broken(f"seed {self.seed}: {stuck}; {self._unfinished()}") from None
            finally:
                self.hub.close()
            wrong = self._judged()
            runs = Run.objects.count()
        if wrong:
            raise Broken(f"seed {self.seed}: {'; '.join(wrong)}")
        return Played(self.seed, self.hub.digest(), runs, self.org.calls, self.hub.seconds, self.resumed)

    def _trouble(self) -> None:
        dice, hub = self.dice, self.hub
        self._let_history_be()
        self._let_the_org_differ()
        crowd = self.through in {"shared", "held"}  # where only many at one time meet each other
        spread = dice.choice((1.0, 3.0) if crowd else (0.4, 3.0, 3.0, 40.0))
        if self.through == flow.RETRIED:
            spread = _TROUBLE  # so that something newer comes while a person is at it
        for number in range(3 if crowd else dice.choice((1, 1, 2, 3))):
            for _ in range(dice.choice((1, 2, 3))):
                hub.at(dice.random() * spread, lambda payment=f"pi_{number}": self._change(payment))
        for bell in self.bells:
            hub.start(lambda bell=bell: self._work(bell))
        hub.start(self._supervise, mortal=False)
        hub.start(self._walk)
        hub.run_for(_TROUBLE * dice.random() + spread)

    # What happens in Stripe

    def _change(self, payment: str) -> None:
        event = self.stripe.change(payment, self.hub.seconds)
        if self.dice.chance(self.faults.untold):
            self.stripe.conceal(event)
            self.untold += 1
            return
        self._send(event)
        if self.dice.chance(self.faults.doubled_webhook):
            self._send(event)

    def _send(self, event: Happening) -> None:
        dice, faults = self.dice, self.faults
        if dice.chance(faults.lost_webhook):
            return
        delay = dice.random()
        if dice.chance(faults.late_webhook):
            delay += dice.choice((2.0, 60.0, 900.0)) * dice.random()
        self.hub.at(delay, lambda: self._receive(event))

    def _receive(self, event: Happening) -> None:
        self.stripe.tell(event)
        self._keep(event, Event.Origin.LIVE)
        self.acknowledged.add(event.id)
        self.dice.choice(self.bells).ring()

    def _keep(self, event: Happening, origin: str) -> None:
        delivery = intake.read(event.body(), origin=origin)
        assert not isinstance(delivery, webhooks.Unreadable)
        pair = self.installation.pair
        intake.receive(connection_id=pair.stripe_id, deliveries=[delivery], now=self.hub.now())

    def _let_history_be(self) -> None:
        """Let a payment be old when we come: it is imported."""
        if self.dice.random() < 0.2 and self.through != flow.RETRIED:  # who retries wants the effects, too
            event = self.stripe.change("pi_old", 0.0)
            self.history.add(event.id)
            self.hub.at(0.0, lambda: self._keep(event, Event.Origin.IMPORT))

    def _let_the_org_differ(self) -> None:
        """Let the org lack a field for a while, or never take one of the lines."""
        dice, hub, org = self.dice, self.hub, self.org
        if self.through == "held":
            lacked = dice.choice(_DRIFTS)
            hub.at(2 * dice.random(), lambda: org.lacks.update({flow.LACKED: lacked}))
            hub.at(10 + 5_000 * dice.random(), org.lacks.clear)
        if self.through == "lines" and dice.random() < 0.5:
            org.refused = "li_0_1"

    # What we do

    def _work(self, bell: Bell) -> None:
        """Live, die and live again."""
        while True:
            self.processes.born()
            number = self.processes.this().pid
            try:
                lease = lanes.WorkerLease(name=f"worker {number}")
                self.leases[number] = lease
                while True:
                    if not runner.work(lease, lambda: True):
                        lease.rest()
                        bell.wait(self._idle())
            except Killed:
                self.hub.note("killed")
                self.processes.alive.discard(number)
                self.leases.pop(number, None)
                self.hub.sleep(1 + 5 * self.dice.random())

    def _idle(self) -> float:
        due = Lane.objects.filter(ready_at__isnull=False, worker=None).order_by("ready_at")
        first = due.values_list("ready_at", flat=True).first()
        wait = (first - self.hub.now()).total_seconds() if first else 300.0
        return 0.5 + max(0.0, min(wait, 300.0)) + self.dice.random()

    def _supervise(self) -> None:
        """Do what the supervisor and the heartbeats do; they do not die here."""
        while True:
            self.hub.sleep(_SWEEP_EVERY * (1 + self.dice.random()) * (3 if self._calmed else 1))
            for lease in self.leases.values():
                if lease.holding and not self.hub.stalled and lease.is_moving():
                    lease.renew()
            if self.hub.mishaps < _MISHAPS or self.culprit:
                lanes.expire()
            confirmation.open_due(now=self.hub.now())
            self._answer_questions()
            self._retry_what_was_refused()
            self._resting = self._calmed and self._at_rest()

    def _walk(self) -> None:
        """
        Look through Stripe's list of events for what was missed, and at its objects; the process may die.

        The objects are looked at whenever a person asks, and once more when all is calm.
        """
        while True:
            self.hub.sleep(_WALK_EVERY * (0.5 + self.dice.random()))
            last = self._calmed and not self.hub.stalled
            began = self.hub.now()
            try:
                walk.walk_due(now=self.hub.now())
                if self.untold and not self._swept and (last or self.dice.random() < 0.5):
                    sweeps.look(self.installation.pair.stripe, since=moment(-1), now=self.hub.now())
                    sweeps.sweep_due(now=self.hub.now())
                    self._swept = last and self._is_swept(began)
            except Killed:
                self.hub.note("walk killed")
            self.dice.choice(self.bells).ring()

    def _is_swept(self, began: datetime) -> bool:
        """Tell whether all objects were compared since then: a sweep may fail, or have begun before."""
        states = [c.state for c in Cursor.objects.filter(stream__startswith=sweeps.STREAM)]
        return all(state.get("over") and state["began"] >= began.isoformat() for state in states)

    def _answer_questions(self) -> None:
        """
        Have a person look into the org, once nothing can land late any more, and answer.

        Somebody who knows that nothing is under way may want it done long before anybody else could know.
        """
        if self.through != "direct":
            return
        hasty = not self.org.under_way and not self.hub.stalled and self.dice.random() < _HASTY
        asked_before = moment(self.hub.seconds - (0 if hasty else LONGEST_CALL + 60))
        for review in Review.objects.open().filter(created_at__lte=asked_before).select_related("run__event"):
            happened = self.org.made[review.run.event.external_id] > 0
            answer = "happened" if happened else "repeat"
            if answer not in {option["value"] for option in review.options}:
                answer = review.options[0]["value"]
            reviews.answer(review=review, value=answer, actor="ada@acme.test", now=self.hub.now())

    def _retry_what_was_refused(self) -> None:
        """Have a person try dead letters again at some time, from the failed step where that is offered."""
        if self.through != flow.RETRIED:
            return
        for run in Run.objects.filter(state="dead").order_by("id"):
            if self.dice.random() < 0.5:
                continue
            by: dict[str, Any] = {"run": run, "actor": "ada@acme.test", "now": self.hub.now()}
            try:
                reruns.retry(start="failed_step" if self.dice.random() < 0.8 else "start", **by)
                self.resumed += Run.objects.filter(pk=run.pk, goes_on_from__isnull=False).count()
            except (reruns.Busy, reruns.NotPossible):
                self._retry_whole(by)
            if self.dice.random() < 0.5:  # else a worker comes to it by itself, some time later
                self.dice.choice(self.bells).ring()

    def _retry_whole(self, by: Mapping[str, Any]) -> None:
        try:
            reruns.retry(**by)
        except (reruns.Busy, reruns.NotPossible):
            self.hub.note("not now")

    # What may go wrong on the way

    def _statement(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        """Come to a statement of a worker: it may die here, or others come first where that is possible."""
        hub = self.hub
        if hub.may_die() and self.faults.crash + self.faults.stall > 0:
            if self.dice.random() < self.faults.crash / 4:
                hub.die("statement")
            if not connection.in_atomic_block and self.dice.random() < _PAUSES:
                hub.step("statement")
        return execute(sql, params, many, context)

    def _meet_the_culprit(self, action: str, requests: Sequence[Params]) -> None:
        """Kill the worker that sends the one record which kills every worker."""
        if self.culprit and any(request.get("external_id") == self.culprit for request in requests):
            raise Killed

    # The end

    def _at_rest(self) -> bool:
        if self.org.under_way or self.hub.stalled or connection.in_atomic_block:
            return False
        ends = ("done", "dead") if self.culprit or self.org.refused else ("done",)
        return (
            not Run.objects.exclude(state__in=ends).exists()
            and not Event.objects.filter(dispatched_at=None).exists()
            and Event.objects.exclude(origin=Event.Origin.SWEEP).count() >= len(self.stripe.events)
            and not Lane.objects.exclude(confirm_at=None, worker=None).exists()
            and not LateTarget.objects.exists()
            and (self._swept or not self.untold)
        )

    def _unfinished(self) -> str:
        runs = Run.objects.exclude(state="done").values_list("event__external_id", "state", "reason")
        return (
            ", ".join(f"{event} is {state} ({reason})" for event, state, reason in runs)
            or "events are missing"
        )

    def _judged(self) -> list[str]:
        told = Event.objects.exclude(origin=Event.Origin.SWEEP)
        shown = dict(told.values_list("external_id", "fate"))
        culprits = {event.id for event in self.stripe.events if event.payment == self.culprit}
        refused = {event.id for event in self.stripe.events if event.payment == "pi_0" and self.org.refused}
        wrong = judging.records(self.stripe, self.org, besides=self.culprit)
        wrong += judging.fates(self.stripe, shown, culprits=culprits, refused=refused)
        if self.through == "shared":
            wrong += judging.shared(self.stripe, self.org, besides=self.culprit)
        elif self.through == "lines":
            wrong += judging.lines(self.stripe, self.org, besides=self.culprit)
        elif self.through == "held":
            held = Deployment.objects.filter(held_since__isnull=False).values_list("held_reason", flat=True)
            wrong += [f"The flow is held, although nothing is lacking: {reason}" for reason in held]
        elif self.through:
            wrong += judging.effects(self.stripe, self.org, history=self.history | culprits)
        if self._calm and self.org.overlaps:
            wrong.append(f"{self.org.overlaps[0]} was written by two workers at one time")
        ends = Attempt.objects.filter(outcome="done").values_list("run").annotate(Count("id"))
        wrong += [f"run {run} ended {times} times" for run, times in ends if times > 1]
        return wrong + [f"{event} was acknowledged and is lost" for event in self.acknowledged - shown.keys()]


def play(seed: int, installation: Installation, way: str | None = None) -> Played:
    """
    Play the world of `seed`, whose flow goes one `way` if that is given.

    :raises Broken: if a promise was not kept
    """
    return World(seed, installation, way).play()
