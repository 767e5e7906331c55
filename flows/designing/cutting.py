"""This module cuts a flow document off behind a step, so that it can be run as far as that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.designing.tree import Document, Refused
from flows.engine import definition
from flows.engine.kind import Kind


def up_to(document: Mapping[str, Any], step_id: str, kinds: Mapping[str, Kind]) -> Document:
    """
    Return `document` without what stands behind the step, or in other branches than its own.

    Whoever takes another branch comes to the end. A step with steps inside keeps them.
    What is no step stays as it is: whoever reads the document says so.

    :raises Refused: if there is no such step
    """
    steps = _cut(document.get("steps"), step_id, kinds)
    if steps is None:
        raise Refused(f"There is no step {step_id} in the flow.")
    return {**document, "steps": steps}


def _cut(steps: Any, step_id: str, kinds: Mapping[str, Kind]) -> list[Any] | None:
    for place, step in enumerate(steps if isinstance(steps, list) else ()):
        if not isinstance(step, Mapping):
            continue
        exits = step.get("exits")
        exits = exits if isinstance(exits, Mapping) else {}
        if step.get("id") == step_id:
            kind = kinds.get(str(step.get("kind")))
            bodies = definition.bodies_in(kind, step.get("settings") or {}) if kind else ()
            kept = {name: branch for name, branch in exits.items() if name in bodies}
            return [*steps[:place], {**step, "exits": kept}]
        for name, branch in exits.items():
            inside = _cut(branch, step_id, kinds)
            if inside is not None:
                return [*steps[:place], {**step, "exits": {name: inside}}]
    return None
