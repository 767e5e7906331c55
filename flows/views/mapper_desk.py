"""This module gathers what the mapper works on: a step of a draft, fields of both sides, an event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.http import Http404
from pydantic import ValidationError

from connectors.schemas import Schema, Unavailable
from flows import designer, fields, outputs, payloads, rehearsing
from flows.designing import starting
from flows.designing.applying import TRIGGER
from flows.designing.starting import Start
from flows.engine.definition import FlowDocument
from flows.mapping import record_types
from flows.mapping.fields import SObjField, SrcField
from flows.mapping.holding import Operation
from flows.mapping.record_types import RecordType
from flows.models import Draft, Flow, Pair
from flows.views import mapper_state
from flows.views.mapper_state import Line

LAST = 50
UNCONNECTED = "Connect Stripe and Salesforce in this environment to see their fields."
FRESH_FOR = timedelta(minutes=1)
MOST_KEPT = 16
_OPERATIONS: Mapping[str, Operation] = {"salesforce.update": "update", "salesforce.create": "create"}


@dataclass(frozen=True, slots=True)
class Desk:
    """One map step of a draft, and where it belongs."""

    flow: Flow
    pair: Pair | None
    draft: Draft
    step: str
    actor: str
    values: bool  # whether this person may see the content of events

    @property
    def raw(self) -> Mapping[str, Any]:
        """
        Return the step as the draft has it now.

        :raises Http404: if there is no such step, or it maps nothing
        """
        for one in _steps(self.draft.document.get("steps") or []):
            if one.get("id") == self.step and one.get("kind") == "map":
                return one
        raise Http404

    @property
    def settings(self) -> Mapping[str, Any]:
        """Return the step's settings, which may be unfinished."""
        return self.raw.get("settings") or {}

    @property
    def target(self) -> str:
        """Return the object that the step maps to; nothing if it was not chosen yet."""
        return str(self.settings.get("target") or "")

    @property
    def start(self) -> Start:
        """Return what starts the flow."""
        return starting.of(self.draft.document)

    @property
    def operation(self) -> Operation:
        """Return what becomes of the record, as far as the steps that name it agree."""
        steps = _steps(self.draft.document.get("steps") or [])
        users = [one for one in steps if (one.get("settings") or {}).get("record") == self.step]
        found = {_OPERATIONS.get(str(one.get("kind")), "upsert") for one in users}
        return found.pop() if len(found) == 1 else "upsert"

    def lines(self) -> list[Line]:
        """Return the lines of the step, each checked on its own."""
        return mapper_state.lines_of(self.settings)

    def choices(self, *, most: int = LAST) -> list[rehearsing.Choice]:
        """Return what the step can be tried on; nothing for those who may not see events."""
        return rehearsing.choices(self.flow, self.pair, self.start, most=most) if self.values else []

    def context(self, choice: rehearsing.Choice | None) -> tuple[dict[str, Any] | None, str]:
        """Return what the step reads on an event, or why that cannot be told."""
        if choice is None:
            return None, ""
        try:
            return rehearsing.context_of(self.flow, choice, self.draft.document, self.step), ""
        except (payloads.Unreadable, ValueError) as failure:
            return None, str(failure)


@dataclass(frozen=True, slots=True)
class Sides:
    """The fields of both sides, and why the right one may be missing or old."""

    sources: Sequence[SrcField]
    targets: Sequence[SObjField] = ()
    trouble: str = ""
    by_name: Mapping[str, SObjField] = field(default_factory=dict)  # as records of the step's type have them
    types: Sequence[RecordType] = ()  # that records may have


def sit_down(flow: Flow, pair: Pair | None, step: str, *, actor: str, values: bool, now: datetime) -> Desk:
    """
    Open the draft of `flow` at a map step.

    :raises Http404: if it has no such step, or the step maps nothing
    """
    draft = designer.open_draft(flow, actor=actor, now=now)
    desk = Desk(flow, pair, draft, step, actor, values)
    desk.raw  # noqa: B018  # refuses what is no map step
    return desk


def sides(desk: Desk, *, now: datetime) -> Sides:
    """Return the fields of both sides as they are now, which may ask the org."""
    if desk.pair is None:
        return Sides((), trouble=UNCONNECTED)
    sources = SOURCES.known(desk, now=now, ask=True)
    if not desk.target:
        return Sides(sources, trouble="Choose the Salesforce object in the step's settings first.")
    try:
        return _sides(desk, sources, fields.target_schema(desk.pair, desk.target, now=now))
    except Unavailable as refusal:
        return Sides(sources, trouble=str(refusal))


def known_sides(desk: Desk, *, now: datetime) -> Sides:
    """Return the fields of both sides as they were a moment ago; nobody is asked."""
    sources = SOURCES.known(desk, now=now)
    if desk.pair is None or not desk.target:
        return Sides(sources)
    try:
        return _sides(desk, sources, fields.known_target_schema(desk.pair, desk.target))
    except Unavailable:
        return Sides(sources)


def _sides(desk: Desk, sources: Sequence[SrcField], schema: Schema) -> Sides:
    types = record_types.types_in(schema.content)
    targets = fields.fields_in(schema)
    by_type = record_types.as_field(types, targets)
    targets += [by_type] if by_type is not None else []
    lines = [line.line for line in desk.lines() if line.line is not None]
    chosen = record_types.chosen(lines, types)
    by_name = {one.name.lower(): record_types.narrowed(one, chosen) for one in targets}
    return Sides(sources, targets, "", by_name, types)


def known_targets(desk: Desk) -> Mapping[str, SObjField]:
    """Return the fields of the step's object by their names in small letters, without asking anybody."""
    if desk.pair is None or not desk.target:
        return {}
    try:
        return _sides(desk, (), fields.known_target_schema(desk.pair, desk.target)).by_name
    except Unavailable:
        return {}


class Sources:
    """What steps can read, as it was at most a minute ago: to find it out, many events are opened."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], tuple[datetime, list[SrcField]]] = {}

    def known(self, desk: Desk, *, now: datetime, ask: bool = False) -> list[SrcField]:
        """
        Return what the step of `desk` could read a moment ago; new events add little to it.

        With `ask`, the org may be asked what a record consists of that starts the flow.
        """
        fields_of_events = self._read(desk, now, ask)
        return fields_of_events + _earlier(desk, fields_of_events)

    def _read(self, desk: Desk, now: datetime, ask: bool) -> list[SrcField]:
        if desk.pair is None:
            return []
        start = desk.start
        keys = [(desk.pair.pk, desk.values, start, asked) for asked in dict.fromkeys((True, ask))]
        fresh = (self._kept[key] for key in keys if key in self._kept)
        known = next((found for at, found in fresh if now - at < FRESH_FOR), None)
        if known is None:
            known = fields.start_fields(desk.pair, start, now=now, values=desk.values, ask=ask)
            while len(self._kept) >= MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[keys[-1]] = (now, known)
        return known


SOURCES = Sources()


def _earlier(desk: Desk, sources: Sequence[SrcField]) -> list[SrcField]:
    try:
        if desk.step == TRIGGER:  # where a sub-flow says what it gives, which may be unfinished
            end = {**desk.draft.document, "trigger": starting.begun(desk.start.kind, {})}
            return fields.step_fields(
                FlowDocument.model_validate(end), outputs.END, place=desk.pair, sources=sources
            )
        document = FlowDocument.model_validate(desk.draft.document)
        return fields.step_fields(document, desk.step, place=desk.pair, sources=sources)
    except (ValidationError, LookupError):
        return []  # of an unfinished flow nothing can be told about its earlier steps


def _steps(steps: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    for step in steps:
        yield step
        for branch in (step.get("exits") or {}).values():
            yield from _steps(branch)
