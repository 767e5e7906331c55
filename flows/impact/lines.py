"""This module lists where a flow uses objects of Salesforce: its mapping lines, and settings of its steps."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flows.engine.definition import FlowDocument, StepDefinition
from flows.engine.kind import Kind
from flows.mapping.spec import MappingLine, written_field
from flows.steps import soql
from flows.steps.writes import Writing, walk, writings

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")


@dataclass(frozen=True, slots=True)
class Use:
    """
    One field of an object, and the step that uses it.

    `line` is the mapping line that fills it, and `place` its place among the lines of a map step, from 1. A
    setting that only names the field has neither. A line of a parent has the place of that `parent` among
    those of its step instead, from 0.
    """

    step: str
    title: str
    object: str
    field: str
    line: MappingLine | None = None
    place: int | None = None
    raw: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # the line as the document writes it
    key_of: tuple[str, ...] = ()  # steps that find their records by the field
    operation: str = ""  # how the record is written
    parent: int | None = None

    @property
    def written(self) -> str:
        """Return the field of the object that is filled: of `Customer__r.Key__c` it is `Customer__c`."""
        return written_field(self.field)

    @property
    def relation(self) -> tuple[str, str]:
        """Return the relation and the field at its other end, both empty where the line uses none."""
        relation, dot, name = self.field.partition(".")
        return (relation, name) if dot else ("", "")


@dataclass(frozen=True, slots=True)
class Uses:
    """Everything that a flow uses, and the object that each of its steps is about."""

    all: list[Use]
    objects: Mapping[str, str]  # by step
    titles: Mapping[str, str]  # by step
    settings: Mapping[str, Mapping[str, Any]]  # of each step
    kinds: Mapping[str, str]  # slugs of the steps' kinds

    def names(self) -> set[str]:
        """Return the objects."""
        return {use.object for use in self.all} | set(self.objects.values())

    def at(self, step: str, name: str) -> Use | None:
        """Return what the step has to do with the field of that name, lines first."""
        wanted = name.lower()
        fitting = [use for use in self.all if use.step == step and use.field.lower() == wanted]
        return next((use for use in fitting if use.line is not None), next(iter(fitting), None))


def of(document: FlowDocument, kinds: Mapping[str, Kind]) -> Uses:
    """Return what `document`, which is sound in itself, uses of Salesforce."""
    steps = {step.id: step for step, _ in walk(document.steps)}
    titles = {name: step.title or kinds[step.kind].label for name, step in steps.items()}
    found: dict[tuple[str, str, str, int | None], Use] = {}
    objects: dict[str, str] = {}
    parents: Counter[str] = Counter()  # by step, as far as they have been looked at
    for writing in writings(document, kinds):
        parent = None if writing.parent is None else parents[writing.step]
        for use in _of_writing(writing, parent, steps, titles):
            key = (use.step, use.object, use.field, parent)
            known = found.get(key)
            keys = (*known.key_of, *use.key_of) if known else use.key_of
            found[key] = dataclasses.replace(use, key_of=tuple(dict.fromkeys(keys)))
        if parent is None:
            objects |= {writing.step: writing.object, writing.mapped_in: writing.object}
        else:
            parents[writing.step] += 1
    for step in steps.values():
        for object_, name in _named(step):
            objects.setdefault(step.id, object_)
            use = Use(step.id, titles[step.id], object_, name)
            found.setdefault((use.step, use.object, use.field, None), use)
    return Uses(
        list(found.values()),
        objects,
        titles,
        {name: step.settings for name, step in steps.items()},
        {name: step.kind for name, step in steps.items()},
    )


def _of_writing(
    writing: Writing, parent: int | None, steps: Mapping[str, StepDefinition], titles: Mapping[str, str]
) -> Iterator[Use]:
    step = writing.mapped_in if parent is None else writing.step
    settings = steps[step].settings
    raw = (settings if parent is None else settings["parents"][parent]).get("lines", [])
    for number, line in enumerate(writing.mapping.lines):
        is_key = bool(writing.key) and line.field.lower() == writing.key.lower()
        yield Use(
            step=step,
            title=titles[step],
            object=writing.object,
            field=line.field,
            line=line,
            place=number + 1 if parent is None else None,
            raw=raw[number] if number < len(raw) else {},
            key_of=(writing.step,) if is_key else (),
            operation=writing.operation,
            parent=parent,
        )


def _named(step: StepDefinition) -> Iterator[tuple[str, str]]:
    """Yield the fields that a step's settings name of its object; of a query all its words may be some."""
    settings = step.settings
    if isinstance(event := settings.get("event"), str):
        yield from ((event, str(name)) for name in settings.get("values", ()))
        return
    if isinstance(text := settings.get("soql"), str):
        name = soql.object_of(text)
        if name:
            yield from ((name, word) for word in dict.fromkeys(_WORD.findall(text)))
        return
    object_ = settings.get("object")
    if not isinstance(object_, str):
        return
    rows = (*settings.get("by", ()), *settings.get("where", ()))
    ways = [row.get("field") for row in rows if isinstance(row, Mapping)]
    named = (*settings.get("fields", ()), *settings.get("shows", ()), settings.get("order_by"))
    for name in (*ways, *named):
        if isinstance(name, str) and name:
            yield object_, name
