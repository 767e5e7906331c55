"""This module changes the lines of a map step in a document that may be unfinished."""

from __future__ import annotations

from typing import Any

from flows.designing.tree import Refused, Step

Line = dict[str, Any]


def key(step_id: str, field: str) -> str:
    """Return the key of a line: Salesforce does not tell names of fields apart by case."""
    return f"{step_id}.settings.lines.{field.lower()}"


def put(step: Step, line: Line, *, was: str = "", index: int | None = None) -> Line | None:
    """
    Set `line` in place of the line of the field `was`, or of its own; return that line, None for a new one.

    :raises Refused: if the step has no lines, or another line fills the field
    """
    found = _lines(step)
    name = line["field"]
    place = _place(found, was or name)
    if was and was.lower() != name.lower() and _place(found, name) is not None:
        raise Refused(f"{name} is filled by another line already.")
    if place is not None:
        before, found[place] = found[place], line
        return before
    found.insert(len(found) if index is None else index, line)
    return None


def take(step: Step, field: str) -> tuple[Line, int]:
    """
    Take the line of `field` away and return it with its place.

    :raises Refused: if there is none
    """
    found = _lines(step)
    place = _place(found, field)
    if place is None:
        raise Refused(f"There is no line for {field}.")
    return found.pop(place), place


def place(step: Step, line: Line, index: int) -> None:
    """Put `line` at `index`, or last."""
    _lines(step).insert(index, line)


def _lines(step: Step) -> list[Line]:
    if step.get("kind") != "map":
        raise Refused(f"The step {step['id']} maps no fields.")
    found = step.setdefault("settings", {}).setdefault("lines", [])
    if not isinstance(found, list):
        raise Refused(f"The lines of {step['id']} cannot be read.")
    return found


def _place(found: list[Line], field: str) -> int | None:
    for place, line in enumerate(found):
        if isinstance(line, dict) and str(line.get("field", "")).lower() == field.lower():
            return place
    return None
