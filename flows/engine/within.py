"""
This module takes a run into the steps that stand inside of a step, and brings it out again.

What a run has done inside for good is kept, so that a later try goes on behind it and does nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from flows.engine import ways
from flows.engine.item import Item
from flows.engine.outcome import AskHuman, Done, End, Failure, Outcome, Pause, RetryAt
from flows.engine.plan import Line, Node

# What takes items along a line and returns what each came to, in order; nothing where its state is in doubt.
Along = Callable[[Line, list[Item]], Sequence[Outcome | None]]
# What takes a batch through the bodies of a node, with what its own step answered.
Take = Callable[[Node, Sequence[Item], Sequence[Outcome], Along], list[Outcome]]

DOUBTFUL = "The state of what was done inside is in doubt"
BEFORE = "This was done at an earlier try"


@dataclass(frozen=True, slots=True)
class Ended:
    """How an item ended inside; `outcome` is empty if its state is in doubt."""

    item: Item
    outcome: Outcome | None


def enter(parent: Item, **changes: Any) -> Item:
    """Return `parent` as it goes inside; what it keeps between tries is shared on purpose."""
    outputs = dict(parent.outputs)
    return replace(
        parent,
        context={**parent.context, **changes.pop("roots", {}), "steps": outputs},
        outputs=outputs,
        shown=dict(parent.shown),
        trace=[],
        inner=[],
        letters=[],
        writes=[],
        effects=[],
        effect_ends=[],
        notes=[],
        waits=[],
        unsettled=False,
        asks="",
        elements={},
        **changes,
    )


def settle(parent: Item, child: Item) -> None:
    """Put what `child` did into its `parent`, for the closing transaction."""
    parent.writes += child.writes
    parent.effects += child.effects
    parent.effect_ends += child.effect_ends
    parent.notes += child.notes
    parent.waits += child.waits
    parent.unsettled = parent.unsettled or child.unsettled
    for way, count in child.elements.items():
        parent.elements[way] = parent.elements.get(way, 0) + count


def leave(parent: Item, child: Item) -> None:
    """Let `parent` go on with what `child` knows, whose steps are its own."""
    settle(parent, child)
    parent.outputs.update(child.outputs)
    parent.shown.update(child.shown)
    parent.inner += child.trace
    parent.letters += child.letters


def count_ways(parent: Item, child: Item) -> None:
    """Count the ways that `child` took, of which its parent's trace says nothing."""
    for way in ways.taken(child.trace):
        parent.elements[way] = parent.elements.get(way, 0) + 1


def state_of(item: Item, step: str) -> dict[str, Any]:
    """Return what is kept of a step with steps inside; whoever changes it keeps the change."""
    found: dict[str, Any] = item.kept.setdefault(item.key(step), {})
    return found


def remembered(parent: Item, child: Item) -> dict[str, Any]:
    """Return what is kept of `child`, which is done for good."""
    new = {step: value for step, value in child.outputs.items() if parent.outputs.get(step) is not value}
    return {"outputs": new, "trace": child.trace, "effects": child.effects}


def restore(parent: Item, kept: Mapping[str, Any]) -> None:
    """Let `parent` go on with what was done at an earlier try."""
    parent.outputs.update(kept["outputs"])
    parent.effects += kept["effects"]
    parent.inner += [_marked(entry) for entry in kept["trace"]]


def _marked(entry: Mapping[str, Any]) -> dict[str, Any]:
    notes = entry.get("notes") or []
    return {**entry, "notes": notes if BEFORE in notes else [*notes, BEFORE]}


def is_done(outcome: Outcome | None) -> bool:
    """Tell whether the steps inside have come to their end, or ended themselves."""
    return isinstance(outcome, Done | End)


def soonest(parent: Item, ended: Sequence[Ended]) -> Outcome | None:
    """
    Return what the run does that is not done inside: the first thing that is to happen; None if nothing is.

    A connection or a flow at fault comes first, since nothing else would work. A question to a person comes
    before a wait of the run's own: it would else be asked when that is over.
    """
    unfinished = [one.outcome for one in ended]
    for outcome in unfinished:
        if isinstance(outcome, Pause) and outcome.holds != "run":
            return outcome
    waits = [one for one in unfinished if isinstance(one, Pause)]
    retries = [one for one in unfinished if isinstance(one, RetryAt)]
    if retries:
        first = min(retries, key=lambda one: one.when)
        return msgspec.structs.replace(first, when=min([first.when, *(one.until for one in waits)]))
    for one in ended:
        if isinstance(one.outcome, AskHuman):
            parent.asks = one.item.asks
            return one.outcome
    return min(waits, key=lambda one: one.until, default=None)


def as_data(failure: Failure) -> dict[str, str]:
    """Return a failure as it is kept."""
    return {name: getattr(failure, name) for name in failure.__struct_fields__}
