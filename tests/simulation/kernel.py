"""
This module is the rig of the kernel: the real engine in thousands of small worlds, each told by its seed.

A world has two phases. First everything goes wrong that may: then all faults stop, and the world must come
to rest within bounds, in the one state that the promises leave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation import flow, judging
from tests.simulation.database import Database, Run
from tests.simulation.dice import Dice, swarm
from tests.simulation.hub import Hub, Killed, TooLong
from tests.simulation.judging import Broken
from tests.simulation.org import LONGEST_CALL, Org
from tests.simulation.stripe import Happening, Stripe
from tests.simulation.worker import Worker

# The model holds no flows. Lists, whose elements all cost what a run does, come half as often as the others.
WAYS = (*("", "record", "direct", "shared") * 2, "lines")
_TROUBLE = (300.0, 1_800.0, 5_400.0)  # seconds for which faults strike at most
_LATEST = 40 * 3_600.0  # by then the world is at rest: far below the patience of a run
_WALK_EVERY = 300.0
_SWEEP_EVERY = 30.0  # seconds between two looks for leases that have run out
_HASTY = 0.3  # how often a question is answered at once
_OVERLAP = 60.0  # seconds that a walk looks back beyond its cursor


@dataclass(frozen=True, slots=True)
class Played:
    """What a world came to."""

    seed: int
    digest: str  # the same for the same seed, whatever the machine
    runs: int
    calls: int
    seconds: float  # simulated


class World:
    """One small world."""

    def __init__(self, seed: int, way: str | None = None) -> None:
        """Let the flow go the one `way`, or one that the dice choose."""
        self.seed = seed
        self.dice = dice = Dice(seed)
        self.faults = swarm(dice)
        self.hub = Hub(dice, self.faults)
        self.stripe = Stripe(dice, self.faults)
        self.org = Org(self.hub)
        self.db = Database()
        self.acknowledged: set[str] = set()
        self.history: set[str] = set()
        chosen = dice.choice(WAYS)
        self.through = chosen if way is None else way
        self._calm = self.faults.stall == 0
        self.workers = [self._a_worker() for _ in range(dice.choice((1, 2, 2, 3)))]

    def _a_worker(self) -> Worker:
        plan = flow.compiled(self.through)
        return Worker(self.hub, self.db, (self.stripe, self.org), plan=plan, ask=self._ask)

    def play(self) -> Played:
        """
        Play the world and return what it came to.

        :raises Broken: if a promise was not kept
        """
        try:
            self._trouble()
            self._calm_down()
        except TooLong as stuck:
            raise Broken(f"seed {self.seed}: {stuck}; {self._unfinished()}") from None
        finally:
            self.hub.close()
        wrong = self._judged()
        if wrong:
            raise Broken(f"seed {self.seed}: {'; '.join(wrong)}")
        return Played(self.seed, self.hub.digest(), len(self.db.runs), self.org.calls, self.hub.seconds)

    def _trouble(self) -> None:
        dice, hub = self.dice, self.hub
        self._let_history_be()
        # Seconds over which the changes are spread. Of what is shared a newer state has to come later.
        spread = dice.choice(
            (3.0, 40.0, 200.0) if self.through == "shared" else (0.4, 3.0, 3.0, 10.0, 40.0, 900.0)
        )
        for number in range(dice.choice((1, 1, 2, 3))):
            for _ in range(dice.choice((1, 2, 2, 3, 4))):
                hub.at(dice.random() * spread, lambda payment=f"pi_{number}": self._change(payment))
        for worker in self.workers:
            hub.start(worker.live)
        if dice.random() < 0.3:
            hub.at(600 * dice.random(), self._replay)
        hub.at(5.0, self._supervise)
        hub.start(self._walk)
        hub.run_for(dice.choice(_TROUBLE) * dice.random() + spread)

    def _calm_down(self) -> None:
        self.faults.stop()
        self.hub.run(until=self._at_rest, latest=_LATEST)

    # What happens in Stripe

    def _change(self, payment: str) -> None:
        event = self.stripe.change(payment, self.hub.seconds)
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
        """Keep a webhook, then acknowledge it; Stripe sends again what was not acknowledged."""
        self.stripe.tell(event)
        try:
            for step in receiving():
                if self.dice.chance(self.faults.receiver_crash):
                    raise Killed
                step(self, event)
            self._ring()
        except Killed:
            if event.id in self.acknowledged:
                if event.id not in self.db.inbox:
                    self.db.wrong.append(f"{event.id} was acknowledged and not kept")
                return
            self.hub.at(10 + 100 * self.dice.random(), lambda: self._receive(event))

    def _let_history_be(self) -> None:
        """Let some payments be old when we come: they are imported."""
        if self.dice.random() < 0.2:
            event = self.stripe.change("pi_old", 0.0)
            self.history.add(event.id)
            self.hub.at(self.dice.random(), lambda: self.db.keep([event], now=self.hub.seconds, history=True))

    def _replay(self) -> None:
        """Have a person replay an event, one that waits if there is any."""
        waiting = [run for run in self.db.runs if run.state == "waiting"]
        if self.db.runs:
            self.db.replay(self.dice.choice(waiting or self.db.runs), now=self.hub.seconds)
            self._ring()

    def _ring(self) -> None:
        for worker in self.workers:
            worker.bell.ring()

    # What we do all the time

    def _supervise(self) -> None:
        freed = self.db.expire(now=self.hub.seconds)
        if self.db.confirm(now=self.hub.seconds) or freed:
            self._ring()
        self.hub.at(_SWEEP_EVERY, self._supervise)

    def _walk(self) -> None:
        """Look through Stripe's list of events for what was missed."""
        hub = self.hub
        while True:
            hub.sleep(_WALK_EVERY * (0.5 + hub.dice.random()))
            now = hub.seconds
            listed = self.stripe.listed(self.db.cursor - _OVERLAP)
            walk(self, listed, now)
            self._ring()

    def _ask(self, run: Run) -> None:
        """Have a person look into the org, once nothing can land late any more, and answer what is asked."""
        asked_at = run.asked_at = self.hub.seconds
        settled = LONGEST_CALL + 60

        def answer(settled: float) -> None:
            if run.asked_at != asked_at:
                return  # in one sitting with another
            for waiting in self.db.runs:
                if waiting.asked_at is not None and waiting.asked_at + settled <= self.hub.seconds:
                    happened = self.org.made[waiting.event.id] > 0
                    self.db.answer(waiting, "happened" if happened else "repeat", now=self.hub.seconds)
            self._ring()

        def answer_early() -> None:
            # Somebody who knows that nothing is under way wants it done long before anybody else could know.
            if not self.org.under_way and not self.hub.stalled:
                answer(0.0)

        if self.dice.random() < _HASTY:
            self.hub.at(60 * self.dice.random(), answer_early)
        self.hub.at(settled + 600 * self.dice.random(), lambda: answer(settled))

    # The end

    def _at_rest(self) -> bool:
        db = self.db
        return (
            not self.org.under_way
            and not self.hub.stalled
            and len(db.inbox) == len(self.stripe.events)
            and not db.undispatched
            and all(run.state == "done" for run in db.runs)
            and all(lane.confirm_at is None and lane.worker is None for lane in db.lanes.values())
            and not db.late
        )

    def _unfinished(self) -> str:
        states = ", ".join(f"run {run.id} is {run.state}" for run in self.db.runs if run.state != "done")
        return states or "events are missing, or lanes never came back"

    def _judged(self) -> list[str]:
        shown = {run.event.id: run.fate for run in self.db.runs}
        wrong = judging.records(self.stripe, self.org) + judging.fates(self.stripe, shown)
        if self.through == "shared":
            wrong += judging.shared(self.stripe, self.org)
        elif self.through == "lines":
            wrong += judging.lines(self.stripe, self.org)
        elif self.through:
            wrong += judging.effects(self.stripe, self.org, history=self.history)
        if self._calm and self.org.overlaps:
            wrong.append(f"{self.org.overlaps[0]} was written by two workers at one time")
        return wrong + self.db.wrong


def receiving() -> tuple[Callable[[World, Happening], object], ...]:
    """Return the steps of receiving a webhook, between which the process may die."""
    return (
        lambda world, event: world.db.keep([event], now=world.hub.seconds),
        lambda world, event: world.acknowledged.add(event.id),
    )


def walk(world: World, listed: list[Happening], now: float) -> None:
    """Keep what Stripe has listed and move the cursor, in one transaction."""
    if world.dice.chance(world.faults.walk_crash):
        return
    world.db.keep(listed, now=now)
    world.db.cursor = now


def play(seed: int, way: str | None = None) -> Played:
    """
    Play the world of `seed`, whose flow goes one `way` if that is given.

    :raises Broken: if a promise was not kept
    """
    return World(seed, way).play()
