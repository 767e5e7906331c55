"""This module gathers what a change has to do with each line of a flow: differences, and what checks say."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.differences import Difference
from connectors.schemas import Schema
from flows import checking, fields
from flows.designing import starting
from flows.engine.definition import FlowDocument
from flows.impact import lines, sides
from flows.impact.lines import Use, Uses
from flows.impact.sides import Side
from flows.mapping.fields import SrcField
from flows.mapping.issues import Issue
from flows.mapping.sources import Sources
from flows.models import Flow, Pair
from flows.steps import registry


@dataclass(frozen=True, slots=True)
class Desk:
    """A document, and everything that is known of both sides of it."""

    document: Mapping[str, Any]
    checked: FlowDocument
    flow: Flow
    pair: Pair
    uses: Uses
    crm: Side
    stripe: Side
    events: Sequence[SrcField]
    now: datetime
    # What events of other types have, by type: to learn it many bodies are opened, and checks are many.
    others: dict[str, Sequence[SrcField]] = dataclasses.field(default_factory=dict)

    def check(
        self, document: Mapping[str, Any] | FlowDocument, *, objects: Mapping[str, Schema]
    ) -> list[Issue]:
        """Return what the checks say of `document` if these are the org's objects."""
        known = checking.Known(objects, self.events, self.others)
        return checking.check(document, self.pair, now=self.now, flow=self.flow, known=known)

    def sources(self, step: str) -> Sources:
        """Return what a step can read."""
        before = fields.step_fields(self.checked, step, place=self.pair, sources=self.events)
        return Sources([*self.events, *before])


@dataclass(slots=True)
class Matter:
    """One line, or setting of a step, and what there is about it."""

    system: str
    object: str
    step: str
    field: str
    use: Use | None = None
    issues: list[Issue] = dataclasses.field(default_factory=list)
    differences: list[Difference] = dataclasses.field(default_factory=list)
    moved: list[tuple[str, Difference]] = dataclasses.field(
        default_factory=list
    )  # of Stripe: what stands before it

    def note(self, difference: Difference) -> None:
        """Take a difference down, once."""
        if difference not in self.differences:
            self.differences.append(difference)


def desk_of(
    document: Mapping[str, Any],
    checked: FlowDocument,
    *,
    flow: Flow,
    pair: Pair,
    moment: datetime,
    now: datetime,
) -> Desk | None:
    """Return what there is to look at, or nothing if no object that the flow uses is otherwise than then."""
    uses = lines.of(checked, registry.load())
    crm = sides.salesforce(pair.salesforce, uses, moment)
    stripe = sides.stripe(pair.stripe, document, moment)
    if not crm.differences and not stripe.differences:
        return None
    events = fields.start_fields(pair, starting.of(document), now=now, ask=False)
    return Desk(document, checked, flow, pair, uses, crm, stripe, events, now)


def matters(desk: Desk) -> list[Matter]:
    """Return what is to be told, in the order of the flow's steps and lines."""
    found = _Matters(desk)
    if desk.crm.differences:
        found.take_issues()
        found.take_fields()
        found.take_objects()
    if desk.stripe.differences:
        found.take_paths()
    order = {name: place for place, name in enumerate(desk.uses.kinds)}
    return sorted(found.all(), key=lambda one: (order.get(one.step, 0), _place(one)))


def _place(matter: Matter) -> int:
    return matter.use.place or 0 if matter.use is not None else 0


class _Matters:
    """The matters of one document, by step and field."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._found: dict[tuple[str, str, str, int | None], Matter] = {}

    def all(self) -> list[Matter]:
        return list(self._found.values())

    def _at(self, system: str, object_: str, step: str, name: str, use: Use | None = None) -> Matter:
        key = (system, step, name.lower(), use.parent if use is not None else None)
        return self._found.setdefault(key, Matter(system, object_, step, name, use))

    def take_issues(self) -> None:
        """Take what the checks say now and did not say of what was there then."""
        desk = self._desk
        before = desk.check(desk.checked, objects=desk.crm.then)
        for issue in desk.check(desk.checked, objects=desk.crm.now):
            if issue in before:
                continue
            use = desk.uses.at(issue.step, issue.field)
            object_ = use.object if use else desk.uses.objects.get(issue.step, "")
            name = "" if issue.code == "no_such_object" else issue.field
            matter = self._at("salesforce", object_, issue.step, name, use)
            matter.issues.append(issue)
            for one in desk.crm.about(object_, issue.field):
                matter.note(one)

    def take_fields(self) -> None:
        """Take what is otherwise about each field that the flow names."""
        for use in self._desk.uses.all:
            for one in self._about(use):
                self._at("salesforce", use.object, use.step, use.field, use).note(one)

    def _about(self, use: Use) -> Iterator[Difference]:
        crm, (relation, name) = self._desk.crm, use.relation
        yield from crm.about(use.object, use.field, use.written)
        if relation:
            lookup = crm.fields_then(use.object).get(use.written.lower())
            for object_ in lookup.references if lookup else ():
                yield from crm.about(object_, name)

    def take_objects(self) -> None:
        """Take objects that are gone as a whole."""
        for step, object_ in self._desk.uses.objects.items():
            for one in self._desk.crm.about(object_, ""):
                if one.breaks and self._desk.uses.kinds[step] != "map":
                    self._at("salesforce", object_, step, "").note(one)

    def take_paths(self) -> None:
        """Take what is otherwise about each path of Stripe that the flow reads."""
        uses = self._desk.uses
        for step, settings in uses.settings.items():
            if uses.kinds[step] == "map":
                for use in uses.all:
                    if use.step == step and use.line is not None:
                        self._take_paths_of(step, use.raw, use)
            else:
                self._take_paths_of(step, settings, None)

    def _take_paths_of(self, step: str, value: Any, use: Use | None) -> None:
        for path in dict.fromkeys(path for text in _texts(value) for path in sides.paths_in(text)):
            for object_, before, one in sides.moved(self._desk.stripe, path):
                name = use.field if use else path
                matter = self._at("stripe", object_, step, name, use)
                matter.note(one)
                matter.moved.append((before, one))


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
