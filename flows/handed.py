"""This module says what a step hands to those inside of it: an element of a list, what a sub-flow takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flows.engine import contract
from flows.engine.definition import StepDefinition
from flows.mapping.fields import SrcField


def element(step: StepDefinition, known: Sequence[SrcField]) -> Iterator[SrcField]:
    """Yield the element of a for-each: what is known of the elements of the list that it goes through."""
    name = str(step.settings.get("name") or "each")
    paths = step.settings.get("list") or []
    roots = [f"{path}{inner}" for path in texts(paths) for inner in ("[0]", ".data[0]")]
    title = step.title or step.id
    yield SrcField(name, "object", desc=f"One element of what “{title}” goes through.")
    yield SrcField("number", "integer", desc="The number of the element in its list, from 1.")
    seen: set[str] = set()
    for field in known:
        root = next((root for root in roots if field.path.startswith(f"{root}.")), None)
        path = "" if root is None else f"{name}{field.path[len(root) :]}"
        if path and path not in seen:
            seen.add(path)
            yield replace(field, path=path, samples=(), seen=None)


def inputs_of(given: Any) -> Iterator[SrcField]:
    """Yield what the steps of a sub-flow read of what it takes, as far as that is declared."""
    for one in given if isinstance(given, list) else ():
        name, kind = (one.get("name"), one.get("type", "string")) if isinstance(one, Mapping) else ("", "")
        if name:
            required = one.get("required", True)
            text = "What the flow gives that takes the steps."
            yield SrcField(f"{contract.ROOT}.{name}", str(kind), desc=text, nullable=not required)


def outputs_of(step: StepDefinition) -> Iterator[SrcField]:
    """Yield what a step gives that takes a sub-flow, below its own path."""
    for one in step.settings.get("gives") or ():
        text = f"What “{step.title or step.id}” gives."
        yield SrcField(f".{one['name']}", str(one.get("type", "unknown")), desc=text, nullable=True)


def texts(value: Any) -> list[str]:
    """Return the texts in a setting that is a path, or a list of paths; none where it is unfinished."""
    values = [value] if isinstance(value, str) else value
    return [one for one in values if isinstance(one, str)] if isinstance(values, list) else []
