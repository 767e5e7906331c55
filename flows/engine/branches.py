"""This module takes runs through branches of which each is taken, and says what that comes to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from flows.engine.item import Item, Note
from flows.engine.outcome import Done, Failure, GiveUp, Outcome, ReadAgain
from flows.engine.plan import Node
from flows.engine.within import (
    DOUBTFUL,
    Along,
    Ended,
    as_data,
    enter,
    is_done,
    leave,
    remembered,
    restore,
    soonest,
    state_of,
)


def take(node: Node, batch: Sequence[Item], outcomes: Sequence[Outcome], along: Along) -> list[Outcome]:
    """
    Take each run along every branch that it has not ended yet, one branch after the other.

    The runs of a batch share the calls of a branch. What became of one branch is nothing to the others.
    """
    ended: dict[int, dict[str, Ended]] = defaultdict(dict)
    for name, line in node.bodies.items():
        places = [
            place
            for place, outcome in enumerate(outcomes)
            if isinstance(outcome, Done) and name not in state_of(batch[place], node.id)
        ]
        children = [enter(batch[place]) for place in places]
        for place, child, outcome in zip(places, children, along(line, children), strict=True):
            ended[place][name] = Ended(child, outcome)
    return [
        _join(node, batch[place], ended[place]) if isinstance(outcome, Done) else outcome
        for place, outcome in enumerate(outcomes)
    ]


def _join(node: Node, parent: Item, ended: dict[str, Ended]) -> Outcome:
    """Keep which branches have ended, and return what the run comes to: it goes on when all of them have."""
    state = state_of(parent, node.id)
    for name in node.bodies:
        if name not in ended:
            restore(parent, state[name])
            continue
        one = ended[name]
        if is_done(one.outcome) or isinstance(one.outcome, GiveUp):
            state[name] = _kept(parent, one)
        leave(parent, one.item)
    going = [one for name, one in ended.items() if name not in state]
    if any(one.outcome is None for one in going):
        return ReadAgain(DOUBTFUL)
    failed = [name for name in node.bodies if "failure" in state.get(name, {})]
    unfinished = soonest(parent, going)
    if unfinished is not None:
        # It would be told only when the last of the others has ended, which may take days.
        parent.notes += [_note(node, parent, name, state[name]["reason"]) for name in failed if name in ended]
        return unfinished
    if not failed:
        return Done({"branches": list(node.bodies)})
    lost = {name: state.pop(name) for name in failed}  # a later try begins with those that failed
    return _given_up(lost, len(node.bodies))


def _kept(parent: Item, one: Ended) -> dict[str, Any]:
    kept = remembered(parent, one.item)
    if isinstance(one.outcome, GiveUp):
        kept |= {"reason": one.outcome.reason, "failure": as_data(one.outcome.failure)}
    return kept


def _note(node: Node, parent: Item, name: str, reason: str) -> Note:
    return Note(
        key=f"branch_failed:{parent.run_id}:{parent.key(node.id)}:{name}",
        kind="flow_alert",
        severity="warning",
        title=f"The branch {name} of “{node.title}” failed",
        text=f"{reason} The run waits for its other branches, and becomes a dead letter after them.",
    )


def _given_up(lost: dict[str, dict[str, Any]], of: int) -> GiveUp:
    first = Failure(**next(iter(lost.values()))["failure"])
    named = "; ".join(f"{name}: {one['reason']}" for name, one in lost.items())
    others = "the others are done" if len(lost) < of else "none is done"
    message = f"{len(lost)} of {of} branches failed, {others}. {named}"
    return GiveUp(message, Failure(first.error_class, message, first.code, first.field, first.request_id))
