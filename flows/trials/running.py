"""This module runs a flow document on an event, in isolation and within bounds."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flows.designing import starting
from flows.designing.starting import Start
from flows.engine import batch, definition, plan
from flows.engine.batch import Finished
from flows.engine.definition import FlowDocument
from flows.engine.item import Item
from flows.engine.outcome import AskHuman, Done, End, GiveUp, Pause, RetryAt
from flows.engine.policy import Policy
from flows.engine.ways import Way
from flows.models import Pair
from flows.steps import registry
from flows.trials import results
from flows.trials.from_org import OrgOccasion
from flows.trials.occasions import Occasion
from flows.trials.results import Told, Trial
from flows.trials.tape import Tape
from flows.trials.world import NOT_READ, Limits, OutOfTime, Saved, TrialPorts

SECONDS = 5.0  # for one trial, its reads included
_MOST_WAITS = 20
_MOST_TOLD = 50
_WAITING = frozenset({"wait", "wait_for_event", "scope"})  # kinds that let a run wait for its own sake
_POLICY = Policy()


class Untriable(ValueError):
    """The document cannot be run, such as one of whose step kinds is not installed any more."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A document that is ready to be tried, on as many events as one likes."""

    document: FlowDocument
    plan: plan.Plan

    @property
    def start(self) -> Start:
        """Return what starts the flow."""
        return starting.of({"trigger": self.document.trigger.model_dump()})


@dataclass(frozen=True, slots=True)
class Tried:
    """A trial, what was read in it, and the requests that would have saved something, word for word."""

    trial: Trial
    tape: Tape
    saved: Sequence[Saved] = ()


def ready(document: Mapping[str, Any] | str) -> Ready:
    """
    Compile `document` for trials.

    :raises flows.engine.definition.InvalidDocument: if it is not finished; its problems name step and field
    :raises Untriable: if it cannot be compiled
    """
    kinds = registry.load()
    checked = definition.load(document, kinds=kinds)
    try:
        return Ready(checked, plan.build(checked, kinds=kinds))
    except Exception as problem:  # whatever an installed kind may raise
        raise Untriable(f"This cannot be run: {problem}") from problem


def try_out(
    flow: Ready,
    occasion: Occasion | OrgOccasion,
    *,
    pair: Pair | None,
    at: datetime,
    live: bool = False,
    answers: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
) -> Tried:
    """
    Take `occasion` through `flow` and return what came of it. Nothing is changed anywhere.

    `at` is the time that the flow is told. With `live`, what is not recorded is read from the connections of
    `pair`. `answers` are what people would say, by step. Whatever has to be waited for is over at once.
    """
    limits, began = Limits(at=at, seconds=seconds), time.monotonic()
    memory = {step: {"answer": answer} for step, answer in (answers or {}).items()}
    waited: list[str] = []
    reads = 0
    item = ports = None
    while True:
        undoing = item is not None and _is_undoing(item)
        kept: dict[str, Any] = item.kept if undoing and item is not None else {}
        if ports is None or not undoing:  # what is undone was done, and belongs to the same trial
            ports = _ports(flow, occasion, limits, pair, live=live)
        item = occasion.as_item(effects_within=flow.plan.effects_within, memory=memory)
        item.kept = kept
        try:
            (finished,) = batch.run(flow.plan, [item], ports, _POLICY)
        except OutOfTime:
            finished = None
        until = _wait_of(finished)
        if finished is None or until is None or len(waited) >= _MOST_WAITS:
            break
        waited.append(finished.reason)
        limits.ahead = max(limits.ahead, until - limits.at)
        reads += 0 if _is_undoing(item) else ports.reads
        occasion = replace(occasion, given=ports.tape.over(occasion.given))
    trial = _trial(finished, item, ports)
    took = round((time.monotonic() - began) * 1000, 1)
    starts = occasion.type in flow.plan.types
    trial = replace(trial, starts=starts, waited=waited, took_ms=took, reads=reads + ports.reads)
    return Tried(trial, ports.tape, tuple(ports.saved))


def _ports(
    flow: Ready, occasion: Occasion | OrgOccasion, limits: Limits, pair: Pair | None, *, live: bool
) -> TrialPorts:
    slots = pair.slots() if pair is not None else {}
    return TrialPorts(
        limits=limits,
        given=occasion.given,
        live=slots if live else {},
        pair_id=pair.pk if pair is not None else None,
        root=occasion.root(),
        reads=flow.plan.reads,
        carried=occasion.carries(flow.plan.reads),
        inboxes=slots,
    )


def _wait_of(finished: Finished | None) -> datetime | None:
    """Return until when a run waits that came to a step which waits; such time need not pass."""
    if finished is None or not isinstance(finished.outcome, Pause) or not finished.trace:
        return None
    if finished.outcome.holds != "run":
        return None
    stopped = (entry for entry in finished.trace if entry.get("kind") in _WAITING and entry["exit"] is None)
    return finished.outcome.until if any(stopped) else None


def _is_undoing(item: Item) -> bool:
    """Tell whether steps are being undone: that is decided in one try, and done in the next."""
    return any("tried" in state for state in item.kept.values())


def _trial(finished: Finished | None, item: Item, ports: TrialPorts) -> Trial:
    fate, reason = (
        ("", "It took longer than a trial may.") if finished is None else (finished.fate, finished.reason)
    )
    outcome = finished.outcome if finished is not None else None
    entries = [_entry(entry, ports) for entry in item.trace]
    return Trial(
        ending=_ending(finished),
        fate=fate,
        reason=reason,
        entries=results.bounded(entries),
        records=results.records_of(ports.saved),
        calls=results.calls_of(ports.started),
        told=[Told(note.severity, note.title, note.text) for note in item.notes[:_MOST_TOLD]],
        asked=results.question_of(item.asks, outcome) if isinstance(outcome, AskHuman) else None,
        stood_in=ports.stood_in,
        elements=_by_step(item.elements),
    )


def _by_step(counted: Mapping[Way, int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for (step, exit_name), count in counted.items():
        found[step][exit_name] = count
    return dict(found)


def _entry(entry: dict[str, Any], ports: TrialPorts) -> dict[str, Any]:
    """Return an entry of the trace; an object that was not read is not said to have been."""
    if entry.get("step") == "source" and entry.get("kind") == "fetched" and ports.stood_in:
        return {**entry, "kind": "stood_in"}
    return entry


def _ending(finished: Finished | None) -> results.Ending:
    if finished is None:
        return "out_of_time"
    match finished.outcome:
        case Done():
            return "done"
        case End():
            return "ended"
        case AskHuman():
            return "question"
        case Pause(failure=failure) | RetryAt(failure=failure) if failure and failure.code == NOT_READ:
            return "not_read"
        case Pause() | RetryAt():
            return "waits"
        case GiveUp():
            return "failed"
        case _:
            return "failed"
