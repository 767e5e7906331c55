"""This module reads a flow document as people see it: numbered steps, branches, tables of mapping lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.engine.definition import bodies_in
from flows.passages import Traffic
from flows.steps import registry
from flows.views import summaries

# How each kind of step is drawn. One that is not listed, of an installed package, looks plain.
LOOKS: dict[str, tuple[str, str]] = {
    "map": ("arrow-left-right", ""),
    "currency.convert": ("refresh-cw", ""),
    "stripe.retrieve": ("credit-card", "stripe"),
    "stripe.find": ("search", "stripe"),
    "stripe.list": ("list", "stripe"),
    "stripe.create": ("list-checks", "stripe"),
    "stripe.update": ("cloud", "stripe"),
    "stripe.act": ("workflow", "stripe"),
    "salesforce.find": ("search", "salesforce"),
    "salesforce.list": ("list", "salesforce"),
    "salesforce.query": ("search", "salesforce"),
    "salesforce.recognise": ("users", "salesforce"),
    "salesforce.upsert": ("cloud", "salesforce"),
    "salesforce.update": ("cloud", "salesforce"),
    "salesforce.create": ("list-checks", "salesforce"),
    "salesforce.start_flow": ("workflow", "salesforce"),
    "salesforce.publish": ("webhook", "salesforce"),
    "condition": ("git-branch", "logic"),
    "switch": ("git-branch", "logic"),
    "filter": ("filter", "logic"),
    "for_each": ("repeat", "logic"),
    "parallel": ("layers", "logic"),
    "scope": ("undo-2", "logic"),
    "sub_flow": ("workflow", "logic"),
    "stop": ("octagon-x", "logic"),
    "ask": ("hand", "logic"),
    "approval": ("shield-check", "logic"),
    "wait": ("clock", "logic"),
    "throttle": ("layers", "logic"),
    "debounce": ("circle-dashed", "logic"),
    "wait_for_event": ("inbox", "logic"),
    "alert": ("bell", "logic"),
}

EMPTY = {"skip": "left as it is", "clear": "emptied", "fail": "refused"}


@dataclass(frozen=True, slots=True)
class Chip:
    """One change to a value on its way."""

    name: str
    details: str


@dataclass(frozen=True, slots=True)
class Line:
    """One field of the target and where its value comes from."""

    field: str
    sources: Sequence[str]
    chips: Sequence[Chip]
    empty: str


@dataclass(frozen=True, slots=True)
class Branch:
    """The steps behind one exit."""

    name: str
    steps: Sequence[Step]
    taken: int | None = None  # how often in the last day; None where that is not counted


@dataclass(frozen=True, slots=True)
class Step:
    """One step as a card."""

    number: str
    id: str
    title: str
    kind: str
    icon: str
    look: str
    summary: str
    target: str = ""
    lines: Sequence[Line] = ()
    branches: Sequence[Branch] = field(default=())
    came: int | None = None  # how often it was come to in the last day; None where that is not counted
    failed: int = 0


def steps_of(document: Mapping[str, Any], traffic: Traffic | None = None) -> list[Step]:
    """Return the steps of a published document, in reading order, with what ran along them."""
    return _steps(document.get("steps", []), "", traffic)


def _steps(definitions: Sequence[Mapping[str, Any]], prefix: str, traffic: Traffic | None) -> list[Step]:
    return [_step(definition, f"{prefix}{place}", traffic) for place, definition in enumerate(definitions, 1)]


def _step(definition: Mapping[str, Any], number: str, traffic: Traffic | None) -> Step:
    slug = str(definition.get("kind", ""))
    known = registry.load().get(slug)
    label = known.label if known else slug
    icon, look = LOOKS.get(slug, ("zap", ""))
    settings: Mapping[str, Any] = definition.get("settings") or {}
    lines = [_line(line) for line in settings.get("lines", [])] if slug == "map" else []
    return Step(
        number=number,
        id=str(definition.get("id", "")),
        title=str(definition.get("title") or label),
        kind=label,
        icon=icon,
        look=look,
        summary=_summary(slug, settings, lines),
        target=str(settings.get("target", "")),
        lines=lines,
        branches=_branches(definition, number, traffic),
        came=traffic.into(definition["id"]) if traffic else None,
        failed=traffic.failed(definition["id"]) if traffic else 0,
    )


def _summary(kind: str, settings: Mapping[str, Any], lines: Sequence[Line]) -> str:
    if lines:
        return f"{len(lines)} field{'s' if len(lines) != 1 else ''} of {settings.get('target', '')}"
    return summaries.summary_of(kind, settings)


def _branches(definition: Mapping[str, Any], number: str, traffic: Traffic | None) -> list[Branch]:
    """Return the branches that have steps, by the names that people know."""
    settings: Mapping[str, Any] = definition.get("settings") or {}
    exits: Mapping[str, Any] = definition.get("exits") or {}
    options = {
        one.get("exit"): one.get("label") for one in settings.get("options", []) if isinstance(one, dict)
    }
    return [
        Branch(
            str(options.get(name) or summaries.EXITS.get(name, name)),
            _steps(steps, f"{number}.{place}.", traffic),
            _taken(definition, name, steps, traffic),
        )
        for place, (name, steps) in enumerate(exits.items(), 1)
    ]


def _taken(
    definition: Mapping[str, Any], exit_name: str, steps: Sequence[Mapping[str, Any]], traffic: Traffic | None
) -> int | None:
    if traffic is None:
        return None
    kind = registry.load().get(str(definition.get("kind", "")))
    # What stands inside is gone through as often as something came to its first step.
    if kind is not None and exit_name in bodies_in(kind, definition.get("settings") or {}):
        return traffic.into(steps[0]["id"]) if steps else None
    return traffic.out(definition["id"], exit_name)


def _line(line: Mapping[str, Any]) -> Line:
    return Line(
        field=str(line.get("field", "")),
        sources=summaries.as_paths(line.get("from", [])),
        chips=[_chip(chip) for chip in line.get("chips", [])],
        empty=EMPTY.get(str(line.get("empty", "skip")), str(line.get("empty"))),
    )


def _chip(chip: Mapping[str, Any]) -> Chip:
    told = [
        f"{name.replace('_', ' ')}: {_value(value)}"
        for name, value in chip.items()
        if name != "chip" and value not in (None, "", [], {}, False)
    ]
    return Chip(str(chip.get("chip", "")).replace("_", " "), "; ".join(told))


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        if "path" in value or "all" in value or "any" in value:
            return summaries.condition_in_words(value)
        return ", ".join(f"{name} → {_value(part)}" for name, part in value.items())
    if isinstance(value, list):
        return " or ".join(_value(part) for part in value)
    return "yes" if value is True else str(value)
