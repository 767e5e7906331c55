"""This module takes the steps of a sub-flow into another flow, under ids that say by which step they came."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from flows.designing import tree
from flows.designing.edits import At
from flows.designing.tree import Document, Refused, Step
from flows.engine import contract

DEEPEST = 5  # sub-flows within each other
_LONGEST = 60  # characters of an id; effects and passages keep no more


def calls(steps: list[Step]) -> Iterator[Step]:
    """Yield the steps that take a sub-flow, but for those that came with one."""
    for step in steps:
        if step.get("kind") == contract.KIND:
            yield step
        for name, branch in (step.get("exits") or {}).items():
            if not is_inside(step, name):
                yield from calls(branch)


def is_inside(step: Mapping[str, Any], exit_name: str) -> bool:
    """Tell whether the steps behind an exit of `step` were taken from another flow."""
    return step.get("kind") == contract.KIND and exit_name == contract.INSIDE


def came_with(steps: list[Step]) -> dict[str, Step]:
    """Return the ids of the steps that were taken from other flows, with the step of this one that did."""
    return {
        name: call
        for call in calls(steps)
        for name in tree.ids((call.get("exits") or {}).get(contract.INSIDE) or [])
    }


def take(step: Step, document: Document, number: int) -> None:
    """
    Let `step` have the steps of the sub-flow `document`, whose version has the `number`.

    The ids of its steps are those of the sub-flow's behind that of `step`, so that a newer version that keeps
    a step keeps its effects too.
    """
    trigger = document["trigger"]
    names = {old: id_under(step["id"], old) for old in tree.ids(document["steps"])}
    settings = step["settings"]
    settings["version"] = number
    settings["takes"] = trigger.get("inputs", [])
    settings["gives"] = tree.said_anew(trigger.get("outputs", []), names)
    exits = {name: branch for name, branch in step.get("exits", {}).items() if name != contract.INSIDE}
    step["exits"] = {contract.INSIDE: tree.copied(document["steps"], names), **exits}


def let_go(step: Step) -> None:
    """Let `step` have no steps of any sub-flow."""
    settings = step.get("settings") or {}
    for name in ("takes", "gives"):
        settings.pop(name, None)
    exits = step.get("exits") or {}
    exits.pop(contract.INSIDE, None)
    if not exits:
        step.pop("exits", None)


def id_under(step: str, inner: str) -> str:
    """Return the id of the step `inner` of a sub-flow that `step` takes: always the same for the two."""
    whole = f"{step}__{inner}"
    if len(whole) <= _LONGEST:
        return whole
    return f"{step[:24]}__{inner[:22]}_{hashlib.sha256(whole.encode()).hexdigest()[:10]}"


def flows_in(steps: list[Step]) -> set[str]:
    """Return the addresses of all flows whose steps stand among `steps`, however deep."""
    taken = (one.step for one in tree.walk(steps) if one.step.get("kind") == contract.KIND)
    return {str((step.get("settings") or {}).get("flow", "")) for step in taken}


def depth_of(steps: list[Step]) -> int:
    """Return how many sub-flows stand within each other among `steps`."""
    inside = (
        depth_of(branch) + is_inside(step, name)
        for step in steps
        for name, branch in (step.get("exits") or {}).items()
    )
    return max(inside, default=0)


def refuse_inside(document: Document, edit: Any) -> None:
    """
    Refuse to change a step that came with a sub-flow: that flow is where it is changed.

    :raises Refused: if `edit` would
    """
    at = getattr(edit, "at", None)
    parent = at.parent if isinstance(at, At) else ""
    inner = came_with(document["steps"])
    call = inner.get(getattr(edit, "step", "")) or inner.get(parent)
    if call is not None:
        name = (call.get("settings") or {}).get("flow", "")
        raise Refused(f"This step belongs to the sub-flow {name}. Change it there and publish a version.")
