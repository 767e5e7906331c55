"""
This module takes runs through steps that are done together, or undone again where one of them fails for good.

Before anything is undone, the run's closing transaction keeps that it failed, how, and what has to be undone.
From then on it only undoes, however often it is tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from flows.engine import trace
from flows.engine.definition import ERROR
from flows.engine.item import Item
from flows.engine.outcome import Done, End, Failure, GiveUp, Outcome, Pause, ReadAgain
from flows.engine.plan import Node
from flows.engine.within import (
    DOUBTFUL,
    Along,
    as_data,
    enter,
    leave,
    remembered,
    restore,
    state_of,
)

DONE, UNDONE = "done", "compensated"  # the exits of a step with such steps inside
_AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)


def take(node: Node, batch: Sequence[Item], outcomes: Sequence[Outcome], along: Along) -> list[Outcome]:
    """Take each run through the steps, or through those that undo them where that was decided before."""
    results = list(outcomes)
    going = [place for place, outcome in enumerate(outcomes) if isinstance(outcome, Done)]
    begun = {place: state_of(batch[place], node.id) for place in going}
    for place in going:
        if DONE in begun[place]:
            restore(batch[place], begun[place][DONE])
            results[place] = Done({"undone": []}, exit=DONE)
    fresh = [place for place in going if begun[place].keys().isdisjoint({DONE, "failure"})]
    line = next(iter(node.bodies.values()))
    children = [enter(batch[place]) for place in fresh]
    for place, child, outcome in zip(fresh, children, along(line, children), strict=True):
        undoes = outcomes[place].output["undoes"]  # type: ignore[union-attr]  # it is done, see `going`
        results[place] = _tried(node, batch[place], child, outcome, undoes)
    failed = [place for place in going if "failure" in begun[place] and place not in fresh]
    _undo(node, {place: batch[place] for place in failed}, results, along)
    return results


def _tried(
    node: Node, parent: Item, child: Item, outcome: Outcome | None, undoes: Mapping[str, str]
) -> Outcome:
    """Keep what the steps came to for good, and return what that means for the run."""
    state = state_of(parent, node.id)
    kept = remembered(parent, child)
    leave(parent, child)
    before: dict[str, Any] = state.pop("before", {})
    match outcome:
        case Done():
            state[DONE] = kept
            return Done({"undone": []}, exit=DONE)
        case GiveUp(failure=failure) if failure.error_class != "internal":
            undo = _to_undo([*before, *_done(undoes, child)], undoes)
            kept["outputs"] = {**before, **kept["outputs"]}
            state |= {"tried": kept, "failure": as_data(failure), "undo": undo, "undone": {}}
            if not undo:
                return _compensated(node, parent)
            return Pause(_AT_ONCE, f"It undoes what it did: {outcome.reason}", holds="run", failure=failure)
    # The next try may take another way, and what was done on this one is to be undone all the same.
    if before := before | {step: child.outputs.get(step) for step in _done(undoes, child)}:
        state["before"] = before
    if outcome is None:
        return ReadAgain(DOUBTFUL)
    parent.asks = child.asks
    return outcome


def _done(undoes: Mapping[str, str], child: Item) -> list[str]:
    """Return which of the steps were done, in order; one whose failure was handled is not."""
    ended = [entry["step"] for entry in child.trace if entry.get("exit") not in (None, "", ERROR)]
    return [step for step in ended if step in undoes]


def _to_undo(done: Sequence[str], undoes: Mapping[str, str]) -> list[str]:
    """Return which bodies undo what was done, the last first."""
    last_first = dict.fromkeys(reversed(done))
    return [undoes[step] for step in last_first]


def _undo(node: Node, failed: Mapping[int, Item], results: list[Outcome], along: Along) -> None:
    """Take each run through what undoes its steps, one body after the other, until one does not end."""
    for item in failed.values():
        _resume(node, item)
    going = dict(failed)
    while waiting := dict(_next(node, going)):
        for body, line in node.bodies.items():
            places = [place for place, name in waiting.items() if name == body]
            children = [enter(going[place]) for place in places]
            for place, child, outcome in zip(places, children, along(line, children), strict=True):
                unfinished = _undone(node, going[place], body, child, outcome)
                if unfinished is not None:
                    results[place] = unfinished
                    del going[place]
    for place, item in going.items():
        results[place] = _compensated(node, item)


def _compensated(node: Node, item: Item) -> Done:
    state = state_of(item, node.id)
    item.context[ERROR] = trace.error_entry(Failure(**state["failure"]))
    return Done({"error": item.context[ERROR], "undone": state["undo"]}, exit=UNDONE)


def _next(node: Node, going: Mapping[int, Item]) -> Iterator[tuple[int, str]]:
    for place, item in going.items():
        state = state_of(item, node.id)
        name = next((name for name in state["undo"] if name not in state["undone"]), "")
        if name:
            yield place, name


def _resume(node: Node, item: Item) -> None:
    """Let a run know again what it did, and what it has undone."""
    state = state_of(item, node.id)
    for kept in (state["tried"], *state["undone"].values()):
        restore(item, kept)
    # What undoes a step may tell why.
    item.context[ERROR] = trace.error_entry(Failure(**state["failure"]))


def _undone(node: Node, parent: Item, body: str, child: Item, outcome: Outcome | None) -> Outcome | None:
    """Keep that a body has undone its step; return what the run comes to otherwise."""
    kept: dict[str, Any] = remembered(parent, child)
    leave(parent, child)
    match outcome:
        case None:
            return ReadAgain(DOUBTFUL)
        case Done() | End():
            state_of(parent, node.id)["undone"][body] = kept
            return None
        case GiveUp(reason=reason, failure=failure):
            message = f"{body} could not undo what was done: {reason}"
            failure = msgspec.structs.replace(failure, message=message)
            return msgspec.structs.replace(outcome, reason=message, failure=failure)
        case _:
            parent.asks = child.asks
            return outcome
