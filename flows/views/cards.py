"""This module reads a draft as the canvas draws it: cards with the ways out of them, and what is wrong."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from flows.designing import controls, judging, tree
from flows.engine.definition import ERROR, Problem, bodies_in
from flows.engine.kind import Kind
from flows.passages import Traffic
from flows.steps import registry
from flows.views import outline, summaries, trigger_panel

GROUPS = {"": "Data", "stripe": "Stripe", "salesforce": "Salesforce", "logic": "Logic and people"}


@dataclass(frozen=True, slots=True)
class Way:
    """The steps behind one exit of a step; `joins` tells whether the run goes on behind the step."""

    exit: str
    label: str
    cards: Sequence[Card]
    joins: bool
    is_known: bool
    taken: int | None = None  # how often in the last day; None where it is not counted


@dataclass(frozen=True, slots=True)
class Card:
    """One step."""

    number: str
    id: str
    title: str
    kind: str
    icon: str
    look: str
    summary: str
    problems: Sequence[str]
    ends: bool
    ways: Sequence[Way] = field(default=())
    came: int | None = None  # how often it was come to in the last day; None where it is not counted
    failed: int = 0
    ended: int = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """A step kind as it is offered."""

    slug: str
    label: str
    help: str
    icon: str
    look: str


@dataclass(frozen=True, slots=True)
class _Told:
    """What is told of the steps of a draft beside what they are."""

    problems: Mapping[str, Sequence[str]]
    traffic: Traffic | None
    counted: frozenset[str]  # the steps that are live; a new one has not been passed by anybody


def cards_of(
    document: Mapping[str, Any],
    problems: Sequence[Problem],
    traffic: Traffic | None = None,
    live: Mapping[str, Any] | None = None,
) -> list[Card]:
    """Return the steps of a draft as cards, those of the `live` document with what ran along them."""
    kinds = kinds_of(document)
    told: dict[str, list[str]] = defaultdict(list)
    for problem in problems:
        told[problem.step].append(said(problem, kinds))
    counted = frozenset(tree.ids(live["steps"])) if live else frozenset()
    return _cards(document["steps"], "", _Told(told, traffic, counted))


def said(problem: Problem, kinds: Mapping[str, str] | None = None) -> str:
    """Say what is wrong and, within a step, where; `kinds` are those of the steps, whose forms have words."""
    kind = (kinds or {}).get(problem.step, "")
    is_named = problem.field and not judging.says_where(problem)
    place = controls.named(schema_of(kind), problem.field) if is_named else ""
    return f"{place}: {problem.message}" if place else problem.message


def told(problems: Sequence[Problem], document: Mapping[str, Any]) -> list[str]:
    """Say of each problem of a document at which step it is and, in the words of its form, where."""
    names, kinds = names_of(document), kinds_of(document)
    return [f"{names.get(one.step, one.step)}: {said(one, kinds)}" for one in problems]


def setting(kind: str, field: str) -> str:
    """
    Return what the form of `kind` calls `field`; what is none of its settings stays.

    What is about no step is about what starts the flow.
    """
    if not kind:
        return trigger_panel.setting(field)
    schema = schema_of(kind)
    return controls.named(schema, field) if field in schema.get("properties", {}) else field


@cache
def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of the settings of `kind`; an empty one if it is not installed."""
    found = registry.load().get(kind)
    return found.settings_model.model_json_schema() if found else {}


def kinds_of(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the kind of each step, by its id."""
    return {str(found.step["id"]): str(found.step.get("kind")) for found in tree.walk(document["steps"])}


def name_of(step: Mapping[str, Any]) -> str:
    """Return what people call a step."""
    kind = registry.load().get(str(step.get("kind")))
    return str(step.get("title") or (kind.label if kind else step.get("kind")))


def names_of(document: Mapping[str, Any]) -> dict[str, str]:
    """Return what people call each step, by its id; what is about no step is about the start of the flow."""
    named = {str(found.step["id"]): name_of(found.step) for found in tree.walk(document["steps"])}
    return {**named, "": "The flow"}


def way_names(step: Mapping[str, Any]) -> dict[str, str]:
    """Return the exits of a step behind which steps may stand, with what people call them."""
    options = (step.get("settings") or {}).get("options")
    named = {
        one.get("exit"): one.get("label")
        for one in (options if isinstance(options, list) else [])
        if isinstance(one, dict) and isinstance(one.get("exit"), str)
    }
    return {
        way: str(named.get(way) or summaries.EXITS.get(way, way.replace("_", " ")))
        for way in tree.ways(step, registry.load())
    }


def offers() -> dict[str, list[Offer]]:
    """Return every step kind, by what it has to do with."""
    found: dict[str, list[Offer]] = {name: [] for name in GROUPS.values()}
    for slug, kind in registry.load().items():
        icon, look = outline.LOOKS.get(slug, ("zap", ""))
        text = (inspect.getdoc(type(kind)) or "").partition("\n\n")[0].replace("\n", " ")
        found[GROUPS[look]].append(Offer(slug, kind.label, text, icon, look))
    return {name: group for name, group in found.items() if group}


def _cards(steps: Sequence[Mapping[str, Any]], prefix: str, told: _Told) -> list[Card]:
    return [_card(step, f"{prefix}{place}", told) for place, step in enumerate(steps, 1)]


def _card(step: Mapping[str, Any], number: str, told: _Told) -> Card:
    slug = str(step.get("kind", ""))
    kind = registry.load().get(slug)
    icon, look = outline.LOOKS.get(slug, ("zap", ""))
    traffic = told.traffic if step["id"] in told.counted else None
    return Card(
        number=number,
        id=str(step["id"]),
        title=name_of(step),
        kind=kind.label if kind else slug,
        icon=icon,
        look=look,
        summary=_summary(slug, step.get("settings") or {}),
        problems=told.problems.get(step["id"], ()),
        ends=slug == "stop",
        ways=_ways(step, kind, number, told),
        came=traffic.into(step["id"]) if traffic else None,
        failed=traffic.failed(step["id"]) if traffic else 0,
        ended=traffic.ended(step["id"]) if traffic else 0,
    )


def _summary(slug: str, settings: Mapping[str, Any]) -> str:
    if slug == "map":
        lines = settings.get("lines")
        count = len(lines) if isinstance(lines, list) else 0
        return f"{count} field{'' if count == 1 else 's'} of {settings.get('target') or 'a record'}"
    try:
        return summaries.summary_of(slug, settings)
    except (AttributeError, KeyError, TypeError):  # settings that are unfinished may have any shape
        return ""


def _ways(step: Mapping[str, Any], kind: Kind | None, number: str, told: _Told) -> list[Way]:
    """Return the ways to draw: those that always stand there, and those behind which there are steps."""
    exits: Mapping[str, Any] = step.get("exits") or {}
    if not any(exits.values()) and not _is_about_ways(kind):
        return []
    known = tree.ways({**step, "exits": {}}, registry.load())
    inside = bodies_in(kind, step.get("settings") or {}) if kind is not None else ()
    found = []
    for place, (name, label) in enumerate(way_names(step).items(), 1):
        if name == ERROR and not exits.get(name):
            continue  # nearly every step could fail: the way is drawn once somebody uses it
        below = _cards(exits.get(name) or [], f"{number}.{place}.", told)
        ends = bool(below) and below[-1].ends
        taken = _taken(step["id"], name, below, told, is_inside=name in inside)
        found.append(Way(name, label, below, joins=not ends, is_known=name in known, taken=taken))
    return found


def _taken(step: str, name: str, below: Sequence[Card], told: _Told, *, is_inside: bool) -> int | None:
    """Return how often the way was taken; what stands inside as often as something came to its first step."""
    if told.traffic is None or step not in told.counted:
        return None
    if is_inside:
        return below[0].came if below else None
    return told.traffic.out(step, name)


def _is_about_ways(kind: Kind | None) -> bool:
    """Tell whether a step is there for its ways, so that they are drawn even if nothing stands there yet."""
    return kind is not None and (bool(kind.inside) or kind.nature in ("decides", "asks"))
