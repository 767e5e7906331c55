"""This module refuses what a draft cannot hold: too many steps, too deep, too large, or no plain data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from flows.designing import tree
from flows.designing.tree import Document, Refused, Step
from flows.engine.definition import DEEPEST, LARGEST, MOST_STEPS, StepDefinition
from flows.engine.kind import Kind

_DEEPEST_VALUE = 60  # lists and objects within each other
_LARGEST_NUMBER = 10**30


def check_limits(document: Document) -> None:
    """
    Refuse a document that no version could hold.

    :raises Refused: if it has too many steps, steps that stand too deep, or too much in it
    """
    steps = list(tree.walk(document["steps"]))
    if len(steps) > MOST_STEPS:
        raise Refused(f"A flow has at most {MOST_STEPS} steps; this would make {len(steps)}.")
    if any(found.depth > DEEPEST for found in steps):
        raise Refused(f"Steps may stand at most {DEEPEST} deep.")
    if len(json.dumps(document)) > LARGEST:
        raise Refused(f"A flow document has at most {LARGEST // 1024} KiB.")


def check_value(value: Any) -> None:
    """
    Refuse a value that cannot be kept as JSON in every database.

    :raises Refused: if it is too deep, or holds a number without end or a character that no text may hold
    """
    level: list[Any] = [value]
    for _ in range(_DEEPEST_VALUE):
        level = [part for one in level for part in _parts(one)]
        if not level:
            return
    raise Refused("The value is nested too deeply.")


def read_steps(raw: Sequence[Mapping[str, Any]], kinds: Mapping[str, Kind]) -> list[Step]:
    """
    Return steps that were copied as JSON.

    :raises Refused: if they are no steps, or of a kind that is not installed
    """
    check_value(list(raw))
    try:
        read = [StepDefinition.model_validate(step) for step in raw]
    except (ValidationError, RecursionError):
        raise Refused("What was pasted are no steps of a flow.") from None
    steps: list[Step] = [step.model_dump(mode="json", exclude_unset=True) for step in read]
    for found in tree.walk(steps):
        if found.step["kind"] not in kinds:
            raise Refused(f"There is no step kind {found.step['kind']}.")
        found.step["exits"] = {name: branch for name, branch in found.step.get("exits", {}).items() if branch}
    names = tree.ids(steps)
    if len(set(names)) < len(names):
        raise Refused("Two of the pasted steps have the same id.")
    return steps


def _parts(value: Any) -> list[Any]:
    match value:
        case Mapping():
            return [*value, *value.values()]
        case list() | tuple():
            return list(value)
        case str() if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise Refused("A text holds a character that cannot be kept.")
        case float() if not math.isfinite(value):
            raise Refused("A number has no end.")
        case int() if abs(value) > _LARGEST_NUMBER:
            raise Refused("A number is too large.")
        case _:
            return []
