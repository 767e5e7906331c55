"""This module lists what is wrong with a document that may be unfinished, each thing by its step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.engine import definition
from flows.engine.definition import InvalidDocument, Problem
from flows.engine.kind import Kind

# What a form says of an empty place, where a program is told how long a list has to be.
_EMPTY = {
    ("", "steps"): "Add the first step",
    ("", "trigger, types"): "Choose the events that start the flow",
    ("", "trigger, object"): "Choose the object whose changes start the flow",
    ("", "trigger, changes"): "Choose the changes that start the flow",
    ("", "trigger, event"): "Choose the platform event that starts the flow",
    ("", "name"): "Give the flow a name",
}


def problems(document: Mapping[str, Any], kinds: Mapping[str, Kind]) -> list[Problem]:
    """Return everything that keeps `document` from being published, nothing if it could be run."""
    try:
        definition.load(document, kinds=kinds)
    except InvalidDocument as invalid:
        found = [_plainly(problem, document) for problem in invalid.problems]
        return found + [problem for problem in _of_steps(document, kinds) if problem not in found]
    return []


def says_where(problem: Problem) -> bool:
    """Tell whether the message of `problem` says by itself which place is empty."""
    return problem.message == _EMPTY.get((problem.step, problem.field))


def _plainly(problem: Problem, document: Mapping[str, Any]) -> Problem:
    told = _EMPTY.get((problem.step, problem.field))
    is_empty = told is not None and _at(document, problem.field) in (None, "", [], {})
    return Problem(told, problem.step, problem.field) if told and is_empty else problem


def _at(document: Mapping[str, Any], place: str) -> Any:
    found: Any = document
    for name in place.split(", "):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _of_steps(document: Mapping[str, Any], kinds: Mapping[str, Kind]) -> list[Problem]:
    """Return what is wrong with the steps, whatever else is missing."""
    if not document.get("steps"):
        return []
    trigger = {"kind": "stripe.event", "types": ["any.event"]}
    try:
        definition.load(
            {"format": 1, "name": "any", "trigger": trigger, "steps": document["steps"]}, kinds=kinds
        )
    except InvalidDocument as invalid:
        return invalid.problems
    return []
