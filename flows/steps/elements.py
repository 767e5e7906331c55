"""
This module finds what would be the same for every element of a for-each, where each should have its own.

Whatever names the element, its number, or a step of the loop that does so itself, may be another each time.
What only some elements come to is left in peace: there may be one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.engine.definition import FlowDocument, StepDefinition
from flows.engine.kind import Kind
from flows.mapping.issues import Issue
from flows.steps.writes import Writing, walk

_ENDING = frozenset({"filter", "stop"})  # kinds behind which not every run goes on


@dataclass(frozen=True, slots=True)
class _Loop:
    """A for-each: how paths call its element, and what in them is another from one element to the next."""

    element: str
    inside: frozenset[str]  # the ids of the steps that are taken for each element
    varying: re.Pattern[str]

    def varies(self, value: Any) -> bool:
        """Tell whether a text within `value`, such as a path or an expression, may be another each time."""
        if isinstance(value, str):
            return self.varying.search(value) is not None
        parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
        return any(map(self.varies, parts))


@dataclass(frozen=True, slots=True)
class _Place:
    """A step that every element of the innermost loop around it comes to."""

    step: StepDefinition
    loop: _Loop


def issues_of(document: FlowDocument, kinds: Mapping[str, Kind], writings: Sequence[Writing]) -> list[Issue]:
    """Return a warning for each record that all elements would write, and each amount that all count."""
    places = {place.step.id: place for place in _places(document.steps, kinds, None)}
    saved = [writing for writing in writings if writing.operation == "upsert" and writing.parent is None]
    return [
        *(issue for one in saved if one.step in places for issue in _same_record(one, places[one.step].loop)),
        *(issue for place in places.values() for issue in _same_amount(place)),
    ]


def _same_record(writing: Writing, loop: _Loop) -> Iterator[Issue]:
    line = next((one for one in writing.mapping.lines if one.field == writing.key), None)
    if line is None or (writing.mapped_in in loop.inside and loop.varies(line.reads())):
        return
    message = f"Every element would write the same record: {line.field} reads nothing of {loop.element}"
    fix = f"Let it read what tells the elements apart, such as {loop.element}.id."
    yield Issue("warning", "same_for_each", line.field, message, fix, writing.mapped_in)


def _same_amount(place: _Place) -> Iterator[Issue]:
    counted = place.step.settings.get("counts_as_money")
    if not counted or place.loop.varies(counted):
        return
    message = f"Every element would count the same amount: it reads nothing of {place.loop.element}"
    fix = "Read the amount of the element, or count it in a step behind the for-each."
    yield Issue("warning", "counted_for_each", "amount", message, fix, place.step.id)


def _places(
    steps: Sequence[StepDefinition], kinds: Mapping[str, Kind], loop: _Loop | None
) -> Iterator[_Place]:
    """Yield the steps in loops that every element comes to."""
    for step in steps:
        if loop is not None:
            yield _Place(step, loop)
        body = kinds[step.kind].body
        for name, branch in step.exits.items():
            inner = _loop(step, branch) if name == body else None
            yield from _places(branch, kinds, inner)
        if any(one.kind in _ENDING for one, _ in walk([step])):
            loop = None


def _loop(step: StepDefinition, body: Sequence[StepDefinition]) -> _Loop:
    element = str(step.settings.get("name") or "each")
    inside = [one for one, _ in walk(body)]
    ids = frozenset(one.id for one in inside)
    varying: list[str] = []
    loop = _Loop(element, ids, _naming(element, varying))
    for one in inside:
        if loop.varies(one.settings) or one.settings.get("record") in varying:
            varying.append(one.id)
            loop = _Loop(element, ids, _naming(element, varying))
    return loop


def _naming(element: str, steps: Sequence[str]) -> re.Pattern[str]:
    names = [element, "number", *(f"steps.{step}" for step in steps)]
    return re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, names))})(?!\w)")
