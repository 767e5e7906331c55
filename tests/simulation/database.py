"""
This module is a model of our database: inbox, lanes, runs, applied versions, effects and leases.

Each method is one transaction: nobody else comes between its lines, and it happens as a whole or not at all.
Times are seconds since the start of the world, by the database's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.engine import once
from flows.engine.batch import Finished
from flows.engine.item import LATE, EffectEnd
from flows.engine.outcome import AskHuman, GiveUp, Pause, RetryAt
from flows.engine.ports import Applied, Intent
from tests.simulation.hub import moment, seconds_of
from tests.simulation.stripe import Happening

LEASE = 30.0
CALL_DEADLINE = 12.0
CONFIRM_AFTER = 660.0
DAY = 86_400.0


@dataclass(slots=True, eq=False)
class Process:
    """One life of a worker: what it holds is void once its epoch is over or its lease has run out."""

    number: int
    expires_at: float
    alive: bool = True  # as far as everybody but itself knows


@dataclass(slots=True, eq=False)
class Lane:
    """What one worker handles at a time."""

    key: str
    worker: Process | None = None
    confirm_at: float | None = None
    runs: list[Run] = field(default_factory=list)

    @property
    def is_free(self) -> bool:
        """Tell whether nobody holds it."""
        return self.worker is None

    def is_held_by(self, process: Process) -> bool:
        """Tell whether `process` holds it and is not thought dead."""
        return self.worker is process and process.alive


@dataclass(slots=True, eq=False)
class Run:
    """One handling of one event."""

    id: int
    event: Happening
    lane: Lane
    received_at: float
    due: float | None
    history: bool = False
    state: str = "ready"
    fate: str = "queued"
    attempts: int = 0
    first_failed_at: float | None = None
    read_first: bool = False
    memory: dict[str, dict[str, Any]] = field(default_factory=dict)
    asks: str = ""
    asked_at: float | None = None


@dataclass(slots=True, eq=False)
class Effect:
    """The row of a call that must happen once."""

    id: int
    state: once.State = "planned"
    sent_at: float | None = None
    generation: int = 1
    request: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    reason: str = ""


class Database:
    """Everything that survives the death of a process."""

    def __init__(self) -> None:
        self.inbox: dict[str, Run | Happening] = {}  # by the event's id: undispatched, then its run
        self.undispatched: list[tuple[Happening, float, bool]] = []
        self.lanes: dict[str, Lane] = {}
        self.runs: list[Run] = []
        self.applied: dict[str, Applied] = {}
        self.effects: dict[str, Effect] = {}
        self.leases: dict[str, Process] = {}  # of records that no lane owns
        self.late: dict[str, float] = {}  # when what lost processes had leased is to be written once more
        self.processes: list[Process] = []
        self.cursor = 0.0
        self.wrong: list[str] = []

    # Intake

    def keep(self, events: Iterable[Happening], *, now: float, history: bool = False) -> None:
        """Keep events once each, whoever brings them and how often."""
        for event in events:
            if event.id not in self.inbox:
                self.inbox[event.id] = event
                self.undispatched.append((event, now, history))

    def dispatch(self, *, now: float) -> int:
        """Open a run for each event that nobody has looked at."""
        fresh, self.undispatched = self.undispatched, []
        for event, received_at, imported in fresh:
            lane = self.lanes.setdefault(event.payment, Lane(event.payment))
            history = imported or received_at - event.at > DAY
            run = Run(len(self.runs), event, lane, received_at, now, history)
            self.inbox[event.id] = run
            self.runs.append(run)
            lane.runs.append(run)
        return len(fresh)

    # Lanes

    def register(self, *, now: float) -> Process:
        """Begin a life of a worker."""
        process = Process(len(self.processes), now + LEASE)
        self.processes.append(process)
        return process

    def holds(self, process: Process, *, now: float) -> bool:
        """Tell whether the lease is good for as long as a call may take, renewed if need be."""
        if not process.alive:
            return False
        process.expires_at = max(process.expires_at, now + LEASE)
        return True

    def claim(self, process: Process, *, now: float, limit: int) -> list[Run]:
        """Lease lanes that have a run due; return the oldest run of each."""
        if not process.alive:
            return []
        process.expires_at = now + LEASE
        claimed = []
        for lane in self.lanes.values():
            if lane.is_free and len(claimed) < limit:
                due = [run for run in lane.runs if run.due is not None and run.due <= now]
                if due:
                    lane.worker = process
                    claimed.append(due[0])
        return claimed

    def expire(self, *, now: float) -> bool:
        """
        Take the lanes of those whose leases have run out, and tell whether there were any.

        A call of theirs may still be under way.
        """
        freed = False
        for process in self.processes:
            if process.alive and process.expires_at < now:
                process.alive = False
                for lane in self.lanes.values():
                    if lane.worker is process:
                        lane.worker = None
                        lane.confirm_at = now + CONFIRM_AFTER
                        freed = True
        self._note_late([target for target, owner in self.leases.items() if not owner.alive], now)
        return freed

    def _note_late(self, targets: Sequence[str], now: float) -> None:
        """End the leases of lost processes, and note what a last call of theirs may write late."""
        for target in targets:
            del self.leases[target]
            self.late[target] = now + CONFIRM_AFTER

    def confirm(self, *, now: float) -> bool:
        """
        Open a run that reads its object for each record that a late write may have changed.

        Tell whether there were any.
        """
        waits = any(lane.confirm_at is not None for lane in self.lanes.values())
        if not (waits or self.late):  # as mostly, and this is asked again and again
            return False
        by_event = {run.event.number: run for run in self.runs}
        repeated: dict[int, Run] = {}
        for lane in self.lanes.values():
            if lane.confirm_at is not None and lane.confirm_at <= now:
                lane.confirm_at = None
                shared = {target for run in lane.runs for target in run.memory.get(LATE, ())}
                repeated |= {
                    applied.event_id: by_event[applied.event_id]
                    for target, applied in self.applied.items()
                    if target in shared or by_event[applied.event_id].lane is lane
                }
        for target in [target for target, at in self.late.items() if at <= now]:
            del self.late[target]
            if target in self.applied:
                number = self.applied[target].event_id
                repeated[number] = by_event[number]
        for run in repeated.values():
            self.replay(run, now=now)
        return bool(repeated)

    def replay(self, run: Run, *, now: float) -> None:
        """Open another run of the same event, which reads its object first."""
        again = Run(len(self.runs), run.event, run.lane, run.received_at, now, run.history)
        again.read_first = True
        self.runs.append(again)
        run.lane.runs.append(again)

    def lease(self, process: Process, targets: Sequence[str]) -> frozenset[str]:
        """Return those of `targets` that are ours until the batch is closed."""
        return frozenset(t for t in targets if self.leases.setdefault(t, process) is process)

    def leased_elsewhere(self, process: Process, targets: Sequence[str]) -> frozenset[str]:
        """Return those of `targets` that somebody else has leased."""
        return frozenset(t for t in targets if self.leases.get(t, process) is not process)

    # Effects

    def prepare(
        self, intents: Sequence[Intent], *, now: float, clock: float, absent: bool
    ) -> list[tuple[Effect, once.Decision]]:
        """Record effects and mark what is to be sent as sent, before any of it is."""
        prepared: list[tuple[Effect, once.Decision]] = []
        for intent in intents:
            effect = self.effects.setdefault(once.key_of(intent, 1), Effect(len(self.effects)))
            sent_at = None if effect.sent_at is None else moment(effect.sent_at)
            known = once.Recorded(effect.id, effect.state, sent_at, effect.result, effect.reason)
            decision = once.Send(raised=True) if absent else once.decide(known, intent, now=moment(clock))
            if isinstance(decision, once.Send):
                if decision.raised or not effect.request:
                    effect.request = once.filled(intent.request, f"eff_{effect.id}")
                effect.generation += decision.raised
                self._mark_sent(effect, clock)
            prepared.append((effect, decision))
        return prepared

    def _mark_sent(self, effect: Effect, clock: float) -> None:
        effect.state, effect.sent_at = "sent", clock

    # The end of a batch

    def close(self, process: Process, ended: Sequence[tuple[Run, Finished]], *, now: float) -> list[Run]:
        """Write how runs ended, unless their lanes are somebody else's by now; return those that wait."""
        waiting = []
        for run, finished in ended:
            if not run.lane.is_held_by(process):
                continue
            self._keep(run, finished)
            self._move(run, finished, now)
            if run.asks:
                waiting.append(run)
            run.lane.worker = None
            if finished.item.unsettled:
                run.lane.confirm_at = now + CONFIRM_AFTER
        self.leases = {target: owner for target, owner in self.leases.items() if owner is not process}
        return waiting

    def _keep(self, run: Run, finished: Finished) -> None:
        for write in finished.writes:
            source = write.source
            self.applied[write.target] = Applied(
                source.id, write.event_id, source.not_before, source.not_after, write.rank
            )
        by_id = {effect.id: effect for effect in self.effects.values()}
        for end in finished.item.effect_ends:
            keep_end(by_id[end.effect_id], end)

    def _move(self, run: Run, finished: Finished, now: float) -> None:
        if run.state == "done":
            self.wrong.append(f"run {run.id} ended twice")
        run.fate, run.asks = finished.fate, ""
        run.memory = finished.item.memory
        match finished.outcome:
            case RetryAt(when=when):
                run.state, run.due = "retrying", seconds_of(when)
                run.attempts += 1
                run.first_failed_at = now if run.first_failed_at is None else run.first_failed_at
            case Pause(until=until):
                run.due = seconds_of(until)
            case AskHuman():
                run.state, run.due = "waiting", None
                run.asks = finished.item.asks or finished.step
            case GiveUp():
                run.state, run.due = "dead", None
            case _:
                run.state, run.due = "done", None

    def answer(self, run: Run, value: str, *, now: float) -> None:
        """Let a run go on with a person's answer."""
        run.memory.setdefault(run.asks, {})["answer"] = value
        run.state, run.asks, run.due, run.read_first = "ready", "", now, True
        run.asked_at = None
        run.attempts, run.first_failed_at = 0, None

    # Questions

    def next_due(self) -> float:
        """Return when the next run is due of those whose lanes nobody holds."""
        lanes = [lane for lane in self.lanes.values() if lane.worker is None]
        times = [run.due for lane in lanes for run in lane.runs if run.due is not None]
        return min(times, default=float("inf"))


def keep_end(effect: Effect, end: EffectEnd) -> None:
    """Write how an effect ended."""
    effect.state, effect.reason = end.state, end.reason
    if end.result is not None:
        effect.result = dict(end.result)
