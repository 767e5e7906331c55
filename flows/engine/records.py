"""This module reads the records that runs are about: what the steps name of them, as it is now."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from flows.engine.definition import FlowDocument, walk
from flows.engine.item import Source
from flows.engine.kind import Kind
from flows.engine.ports import Params, Reading, Result
from flows.engine.trigger import ChangeTrigger
from flows.mapping.chip import Chip
from flows.mapping.reading import Paths, paths_in
from flows.mapping.spec import Mapping as MappingSettings
from flows.mapping.spec import MappingLine
from flows.mapping.template import is_template, places_in
from integrator.kernel.errors import IntegrationError, Missing, Refused
from integrator.kernel.paths import BadPath, parse

MOST_FIELDS = 48  # of one call, beside the two that every reading asks for
DEEPEST = 5  # relations that one query goes through
# When a record was changed last, by whomever:
# https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/system_fields.htm
VERSION = "SystemModstamp"
CHANGED_BY = "LastModifiedBy.Name"
PLATFORM_EVENT = "__e"  # how the names of events end, which are told and not kept
GONE = "The record is not there any more, or the integration user may not see it"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_PATH = re.compile(
    r"[A-Za-z][A-Za-z0-9_]{0,79}(?:\.[A-Za-z][A-Za-z0-9_]{0,79})?"
)  # or an external id behind a look-up

_OF_THE_EVENT = re.compile(r"\b(?:event|previous)\b")

Call = Callable[[str, str, Sequence[Params]], list[Result]]


@dataclass(frozen=True, slots=True)
class Record:
    """The record of Salesforce that a run is about."""

    object: str
    id: str


def fields_read(document: FlowDocument, kinds: Mapping[str, Kind]) -> tuple[str, ...]:
    """Return the fields of the trigger's record that the flow names, with the way to those of others."""
    root = document.trigger.root
    if not root:
        return ()
    found = {field for path in _paths(document, kinds) if (field := _field(path, root))}
    found |= _written(document, kinds)
    if any(step.settings.get("two_way") is not None for step, _ in walk(document.steps)):
        found.add(CHANGED_BY)  # which a question about a conflict tells
    return tuple(sorted(found))


def reads_event(document: FlowDocument) -> bool:
    """
    Tell whether the flow may read of the event itself, such as which of its fields changed.

    In doubt it does: any text among its settings that has the word in it may be a path, however written.
    """
    steps = (step.settings for step, _ in walk(document.steps))
    texts = (text for one in (document.trigger.model_dump(), *steps) for text in _texts(one))
    return any(_OF_THE_EVENT.search(text) for text in texts)


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in plain data, the names in it too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in (*value, *value.values()):
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _paths(document: FlowDocument, kinds: Mapping[str, Kind]) -> Iterator[str]:
    settings: list[Any] = [
        kinds[step.kind].settings_model.model_validate(step.settings) for step, _ in walk(document.steps)
    ]
    for one in (document.trigger, *settings):
        if isinstance(one, MappingSettings):
            for line in one.lines:
                yield from line.reads()
            continue
        # The lines of a parent read the object that it is made of, and nothing of the run.
        for _, paths in paths_in(one, but=MappingLine):
            yield from paths
        yield from _by_name(one)
        yield from _in_texts(one)


def _by_name(settings: BaseModel) -> Iterator[str]:
    """Yield the paths of settings that hold some for each name, such as the values of a query."""
    for name, field in type(settings).model_fields.items():
        if get_origin(field.annotation) is dict and get_args(field.annotation)[1] == Paths:
            for paths in getattr(settings, name).values():
                yield from paths


def _written(document: FlowDocument, kinds: Mapping[str, Kind]) -> set[str]:
    """Return the fields that the flow maps for such records: what is there already is not written again."""
    if not isinstance(document.trigger, ChangeTrigger):
        return set()
    steps = [step for step, _ in walk(document.steps)]
    ways = {"id", "external_id"}  # by which a step finds what it saves
    one_way = [step.settings for step in steps if not step.settings.get("two_way")]
    saved = {settings.get("record") for settings in one_way if ways & settings.keys()}
    maps = [
        kinds[step.kind].settings_model.model_validate(step.settings) for step in steps if step.id in saved
    ]
    own = [one for one in maps if isinstance(one, MappingSettings) and one.target == document.trigger.object]
    return {line.field for one in own for line in one.lines if _PATH.fullmatch(line.field)} - {"Id"}


def _in_texts(model: BaseModel) -> Iterator[str]:
    """Yield what texts with places read, and what chips do, whose expressions name paths as well."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, str) and is_template(field):
            yield from places_in(value)
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        for part in parts:
            if isinstance(part, Chip):
                yield from part.reads()
            elif isinstance(part, BaseModel) and not isinstance(part, MappingLine):
                yield from _in_texts(part)


def _field(path: str, root: str) -> str:
    """Return the field that `path` names of the object `root`; empty where it names none."""
    try:
        first, *rest = parse(path)
    except BadPath:
        return ""
    names = [part for part in rest if isinstance(part, str) and _NAME.fullmatch(part)]
    if first != root or not names or len(names) != len(rest) or len(names) > DEEPEST + 1:
        return ""
    return ".".join(names)


def read(
    call: Call, wanted: Sequence[Record], fields: Sequence[str]
) -> dict[Record, Reading | IntegrationError]:
    """
    Return each of the `wanted` records with `fields`, by as few calls as there are objects.

    How new a reading is says the record itself, by the stamp of its last change.
    """
    by_object: dict[str, list[Record]] = {}
    for record in wanted:
        by_object.setdefault(record.object, []).append(record)
    found: dict[Record, Reading | IntegrationError] = {}
    for object_, records in by_object.items():
        if object_.endswith(PLATFORM_EVENT):
            found.update(dict.fromkeys(records, Missing("An event is no record.", code="no_record")))
        else:
            found.update(_of_one_object(call, records, fields))
    return found


def _of_one_object(
    call: Call, records: Sequence[Record], fields: Sequence[str]
) -> dict[Record, Reading | IntegrationError]:
    rest = [name for name in fields if name.lower() not in ("id", VERSION.lower())]
    parts = [rest[start : start + MOST_FIELDS] for start in range(0, len(rest), MOST_FIELDS)] or [[]]
    ids = [record.id for record in records]
    answers = call(
        "salesforce",
        "find",
        [
            {"object": records[0].object, "field": "Id", "values": ids, "fields": ["Id", VERSION, *part]}
            for part in parts
        ],
    )
    failure = next((answer for answer in answers if isinstance(answer, IntegrationError)), None)
    if failure is not None:
        return dict.fromkeys(records, failure)
    by_id: dict[str, list[dict[str, Any]]] = {}
    for answer in answers:
        assert isinstance(answer, dict)
        for row in answer["records"]:
            by_id.setdefault(str(row.get("Id")), []).append(row)
    return {record: _reading(record, by_id.get(record.id, ()), len(parts)) for record in records}


def _reading(record: Record, rows: Sequence[dict[str, Any]], parts: int) -> Reading | IntegrationError:
    if len(rows) < parts:
        return Missing(GONE, code="ENTITY_IS_DELETED")
    try:
        stamps = sorted(datetime.fromisoformat(str(row[VERSION])) for row in rows)
    except (KeyError, ValueError):
        return Refused(f"{record.object} does not say when it was changed last.", code="no_version")
    whole: dict[str, Any] = {}
    for row in rows:
        _join(whole, row)
    source = Source(record.id, not_before=stamps[0], not_after=stamps[-1], fetched=True)
    return Reading(roots={record.object: whole}, source=source)


def _join(whole: dict[str, Any], part: Mapping[str, Any]) -> None:
    """Add what `part` has to `whole`; both may hold other fields of one related record."""
    for name, value in part.items():
        known = whole.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            _join(known, value)
        else:
            whole[name] = value
