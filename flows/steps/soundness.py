"""This module finds what is unsound in a flow as a whole: steps that nobody reaches, loops, lost failures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from flows.engine.definition import ERROR, FlowDocument, StepDefinition
from flows.engine.kind import Kind
from flows.engine.trigger import ChangeTrigger, EventTrigger, Trigger
from flows.mapping.issues import Issue, Level
from flows.mapping.reading import paths_in
from flows.mapping.sources import Sources
from flows.mapping.spec import Mapping as MappingSettings
from flows.mapping.spec import MappingLine
from flows.steps import elements, undone
from flows.steps.writes import Writing, exclusive, in_branches_apart, walk

_WRITING = frozenset({"writes", "creates", "effect"})
_STEP = re.compile(r"^steps\.([a-z0-9_]{1,60})(?:[.\[]|$)")
_COUNTED = frozenset({"amount", "integer", "unknown"})
BATCH = 200  # records of one call: the most that Salesforce takes


def issues_of(document: FlowDocument, kinds: Mapping[str, Kind], writings: Sequence[Writing]) -> list[Issue]:
    """Return what is wrong with `document`, which is sound in itself, beside its mappings."""
    return [
        *_unreachable(document.steps, kinds),
        *_reads_ahead(document, kinds),
        *_starts_itself(document, kinds),
        *_unhandled(document, kinds),
        *_unused(document, kinds, writings),
        *_unsaid(document),
        *_twice(writings),
        *elements.issues_of(document, kinds, writings),
        *undone.issues_of(document),
    ]


def _settings(step: StepDefinition, kinds: Mapping[str, Kind]) -> Any:
    return kinds[step.kind].settings_model.model_validate(step.settings)


def _unreachable(steps: Sequence[StepDefinition], kinds: Mapping[str, Kind]) -> Iterator[Issue]:
    ended = ""
    for step in steps:
        if ended:
            message = f"No run comes here: every one ends at {ended} before"
            yield Issue("error", "unreachable", "", message, "Move the step up, or take it out.", step.id)
            return
        for branch in step.exits.values():
            yield from _unreachable(branch, kinds)
        if _ends(step, kinds):
            ended = step.title or step.id


def _ends(step: StepDefinition, kinds: Mapping[str, Kind]) -> bool:
    """Tell whether no run goes on behind `step`."""
    if step.kind == "stop":
        return True
    exits = kinds[step.kind].exits_of(_settings(step, kinds))
    return len(exits) > 1 and all(
        any(_ends(inner, kinds) for inner in step.exits.get(name, ())) for name in exits
    )


def _reads_ahead(document: FlowDocument, kinds: Mapping[str, Kind]) -> Iterator[Issue]:
    order = {step.id: place for place, (step, _) in enumerate(walk(document.steps))}
    ways = {step.id: way for step, way in walk(document.steps)}
    parallel = frozenset(step.id for step, _ in walk(document.steps) if step.kind == "parallel")
    for step, way in walk(document.steps):
        for name, path in _paths(_settings(step, kinds)):
            found = _STEP.match(path)
            if found is None or found[1] in dict(way):
                continue
            level: Level = "error"
            if found[1] not in order:
                message = f"{path} reads of a step that the flow does not have"
            elif exclusive(way, ways[found[1]]):
                level = "warning"
                message = f"{path} reads of a step on another way, which no run takes that comes here"
            elif in_branches_apart(way, ways[found[1]], parallel):
                message = f"{path} reads of a step in another branch, of which this one knows nothing"
            elif order[found[1]] >= order[step.id]:
                message = f"{path} reads of a step that comes later, so that there is never a value"
            else:
                continue
            yield Issue(level, "reads_ahead", name, message, "Choose a step before this one.", step.id)


def _paths(settings: Any) -> Iterator[tuple[str, str]]:
    """
    Yield each path that a step reads, with the field or setting that it is for.

    The lines of a parent are left out: they read the object that it is made of, and nothing of the run.
    """
    if isinstance(settings, MappingSettings):
        for line in settings.lines:
            for path in line.reads():
                yield line.field, path
        return
    for name, paths in paths_in(settings, but=MappingLine):
        for path in paths:
            yield name, path


def _starts_itself(document: FlowDocument, kinds: Mapping[str, Kind]) -> Iterator[Issue]:
    if not document.trigger.types:  # no event starts a sub-flow
        return
    for step, _ in walk(document.steps):
        settings = _settings(step, kinds)
        if kinds[step.kind].nature not in _WRITING or getattr(settings, "slot", "") != document.trigger.slot:
            continue
        if found := _started_by(document.trigger, settings):
            yield Issue("warning", "loop", "", found[0], found[1], step.id)


def _started_by(trigger: Trigger, settings: Any) -> tuple[str, str] | None:
    """Return why a step may start its own flow again, and what to do about it; None if it cannot."""
    if isinstance(trigger, ChangeTrigger):
        if str(getattr(settings, "object", "")).lower() != trigger.object.lower():
            return None
        message = f"The step writes {trigger.object}, whose changes start the flow: it may start itself again"
        return message, "Name in the trigger the fields that matter, and none that this step writes."
    if isinstance(trigger, EventTrigger):
        if str(getattr(settings, "event", "")).lower() != trigger.event.lower():
            return None
        message = f"The step publishes {trigger.event}, which starts the flow: it starts itself again"
        return message, "Publish another event, or put a filter in front."
    message = "The step writes to the system whose events start the flow: it may start itself again"
    return message, "Put a filter in front that leaves out what the flow itself has written."


def _unhandled(document: FlowDocument, kinds: Mapping[str, Kind]) -> Iterator[Issue]:
    """Find writes whose failure nobody handles; a dead letter may be what is meant."""
    handled = undone.handled(document)
    for step, _ in walk(document.steps):
        kind = kinds[step.kind]
        if kind.nature in _WRITING and kind.can_fail and ERROR not in step.exits and step.id not in handled:
            message = f"If {step.title or step.id} fails for good, the run becomes a dead letter"
            fix = "If something else is to happen then, add steps to its exit error (if it fails)."
            yield Issue("warning", "no_error_branch", "", message, fix, step.id)


def _unused(
    document: FlowDocument, kinds: Mapping[str, Kind], writings: Sequence[Writing]
) -> Iterator[Issue]:
    used = {writing.mapped_in for writing in writings}
    for step, _ in walk(document.steps):
        settings = _settings(step, kinds)
        used |= {found[1] for _, path in _paths(settings) if (found := _STEP.match(path)) is not None}
        record = getattr(settings, "record", "")
        used |= {record} if isinstance(record, str) else set()
    for step, _ in walk(document.steps):
        if step.kind == "map" and step.id not in used:
            message = "No step uses the record that is made here"
            fix = "Save it in a step behind, or take the step out."
            yield Issue("warning", "unused", "", message, fix, step.id)


def _twice(writings: Sequence[Writing]) -> Iterator[Issue]:
    """Find fields of one record that two steps fill."""
    changing = [writing for writing in writings if writing.parent is None]
    for one, other in combinations(changing, 2):
        if (one.object, one.record) != (other.object, other.record) or exclusive(one.way, other.way):
            continue
        for field in sorted(one.fields.keys() & other.fields.keys()):
            message = f"{one.step} writes {one.fields[field]} of the same record: the later value stays"
            fix = "Let one of the two fill the field."
            yield Issue("warning", "two_sources", one.fields[field], message, fix, other.step)


def shared(
    writings: Iterable[Writing], others: Mapping[str, Iterable[Writing]], *, name: str
) -> Iterator[Issue]:
    """
    Find fields of an object that another flow of the pair fills as well, by the `others`' names.

    Two flows that go by different external ids, or that rank their sources, still write one field.
    """
    ours = [writing for writing in writings if writing.parent is None]
    for flow, theirs in others.items():
        taken = {
            (writing.object, field)
            for writing in theirs
            if writing.parent is None
            for field in writing.fields
        }
        for writing in ours:
            for field, written in sorted(writing.fields.items()):
                if (writing.object, field) in taken:
                    message = (
                        f"{name} and {flow} both write {writing.object}.{written}: the later value stays"
                    )
                    fix = "Let one of the two flows own the field."
                    yield Issue("warning", "two_flows", written, message, fix, writing.step)


def unknown_paths(step: StepDefinition, kinds: Mapping[str, Kind], sources: Sources) -> Iterator[Issue]:
    """Find paths in the settings of a step, other than a mapping, that it cannot read."""
    settings, decides = _settings(step, kinds), kinds[step.kind].nature == "decides"
    if isinstance(settings, MappingSettings):
        return
    for name, paths in paths_in(settings, but=MappingLine):
        for path in paths:
            # A condition on something that is not there simply does not hold.
            for issue in sources.check(path, name, alone=len(paths) == 1 and not decides):
                yield Issue(issue.level, issue.code, name, issue.message, issue.fix, step.id)


def _unsaid(document: FlowDocument) -> Iterator[Issue]:
    """Find currencies that a template leaves open: by ISO 4217, XXX stands for none."""
    message = "The template leaves open in which currency the org sells: XXX stands for none"
    for step, _ in walk(document.steps):
        for line in step.settings.get("lines", ()):
            field, values = str(line.get("field")), [chip.get("value") for chip in line.get("chips", ())]
            if "currency" in field.lower() and "XXX" in values:
                fix = "Enter its code, such as EUR."
                yield Issue("error", "currency_not_said", field, message, fix, step.id)


def uncounted(step: StepDefinition, kinds: Mapping[str, Kind], sources: Sources) -> Iterator[Issue]:
    """Find amounts that a step should count and cannot: money is counted in whole cents, or the like."""
    counted = getattr(_settings(step, kinds), "counts_as_money", None)
    for path in counted.amount if counted is not None else ():
        if sources.get(path).type not in _COUNTED:
            message = f"{path} is no amount in the smallest unit of its currency, and would not be counted"
            yield Issue("warning", "not_an_amount", "amount", message, "Read what Stripe has.", step.id)


def calls_per_day(
    document: FlowDocument, kinds: Mapping[str, Kind], events_per_day: float
) -> tuple[float, float]:
    """
    Return how many calls of Salesforce the flow makes a day, at least and at most.

    At most each event comes alone, and every step that asks or writes is a call; at least so many come at
    once that calls are full. Branches that few runs take make it less.
    """
    calling = sum(
        kinds[step.kind].nature in _WRITING | {"reads"}
        and getattr(_settings(step, kinds), "slot", "") == "salesforce"
        for step, _ in walk(document.steps)
    )
    return events_per_day * calling / BATCH, events_per_day * calling
