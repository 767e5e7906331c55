"""This module lists and loads the template flows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from flows.engine import definition
from flows.engine.definition import FlowDocument
from flows.steps import registry

_HERE = files("flows.recipes")


class NoSuchRecipe(LookupError):
    """No template flow has this slug."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A template flow: a document that can be published as it is."""

    slug: str
    raw: dict[str, Any]
    document: FlowDocument


@dataclass(frozen=True, slots=True)
class Sample:
    """An event as Stripe would send it, and what reading its root object would give."""

    event: dict[str, Any]
    reading: dict[str, Any] | None


def slugs() -> list[str]:
    """Return the slugs of every template flow, sorted."""
    return sorted(
        entry.name.removesuffix(".json") for entry in _HERE.iterdir() if entry.name.endswith(".json")
    )


def load(slug: str) -> Recipe:
    """
    Return the template flow called `slug`.

    :raises NoSuchRecipe: if there is none
    """
    if slug not in slugs():
        raise NoSuchRecipe(f"There is no template flow {slug}")
    raw = json.loads((_HERE / f"{slug}.json").read_text("utf-8"))
    return Recipe(slug, raw, definition.load(raw, kinds=registry.load()))


def samples(slug: str) -> dict[str, Sample]:
    """Return sample events for the template flow called `slug`, by name."""
    bodies = {
        entry.name.removeprefix(f"{slug}.").removesuffix(".json"): json.loads(entry.read_text("utf-8"))
        for entry in (_HERE / "samples").iterdir()
        if entry.name.startswith(f"{slug}.") and entry.name.endswith(".json")
    }
    return {
        name: Sample(event, bodies.get(f"{name}.read"))
        for name, event in sorted(bodies.items())
        if not name.endswith(".read")
    }
