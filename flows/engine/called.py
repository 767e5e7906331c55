"""This module takes runs through the steps of a sub-flow, and lets them go on with what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows.engine.contract import ROOT
from flows.engine.item import Item
from flows.engine.outcome import Done, Outcome, ReadAgain
from flows.engine.plan import Node
from flows.engine.within import DOUBTFUL, Along, enter, is_done, leave


def take(node: Node, batch: Sequence[Item], outcomes: Sequence[Outcome], along: Along) -> list[Outcome]:
    """
    Take each run through the steps inside, which know what the sub-flow takes under a root of their own.

    A sub-flow that ends itself, such as at a filter, ends there only. Whatever else the steps come to the run
    comes to: it waits, asks or fails where it would if they stood in the flow itself.
    """
    results = list(outcomes)
    (line,) = node.bodies.values()
    going = {place: outcome.output for place, outcome in enumerate(outcomes) if isinstance(outcome, Done)}
    children = [enter(batch[place], roots={ROOT: told["takes"]}) for place, told in going.items()]
    for (place, told), child, outcome in zip(going.items(), children, along(line, children), strict=True):
        results[place] = _came_to(node, batch[place], child, outcome, told)
    return results


def _came_to(
    node: Node, parent: Item, child: Item, outcome: Outcome | None, told: Mapping[str, Any]
) -> Outcome:
    for entry in child.trace:
        entry["within"] = [node.title, *entry.get("within", ())]
    leave(parent, child)
    if outcome is None:
        return ReadAgain(DOUBTFUL)
    if is_done(outcome):
        gives = {name: read(child.context) for name, read in told["gives"].items()}
        return Done(gives, seen=told["takes"])
    parent.asks = child.asks
    return outcome
