"""This module is the form of what starts a flow, beside the canvas."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel

from flows.designing import controls as drawn
from flows.designing import forms, starting
from flows.designing.arranging import arranged
from flows.designing.controls import Control
from flows.designing.starting import STRIPE_EVENTS
from flows.engine.definition import Problem
from flows.engine.trigger import (
    OTHER_FLOWS,
    PLATFORM_EVENTS,
    RECORD_CHANGES,
    ChangeTrigger,
    EventTrigger,
    StripeTrigger,
    SubFlowTrigger,
)
from flows.mapping.widgets import FORM, shown

CHOICES: tuple[tuple[str, str], ...] = (
    (STRIPE_EVENTS, "Events of Stripe"),
    (RECORD_CHANGES, "Changes of a record in Salesforce"),
    (PLATFORM_EVENTS, "A platform event of Salesforce"),
    (OTHER_FLOWS, "Other flows, as a sub-flow"),
)
_FIXED: Mapping[str, Sequence[str]] = {OTHER_FLOWS: ("kind", "effects_within_hours")}
_ALWAYS_FIXED = ("kind",)
_MODELS: Mapping[str, type[BaseModel]] = {
    STRIPE_EVENTS: StripeTrigger,
    RECORD_CHANGES: ChangeTrigger,
    PLATFORM_EVENTS: EventTrigger,
    OTHER_FLOWS: SubFlowTrigger,
}
_HOURS = shown("Hours until an event is history", more=True)
_SHOWN: Mapping[str, Mapping[str, Any]] = {
    STRIPE_EVENTS: {
        "types": shown("Events that start it", offers="event_types", add="Add an event"),
        "fetch": shown(
            "Events whose object is read anew", offers="event_types", more=True, add="Add one to read anew"
        ),
        "effects_within_hours": _HOURS,
    },
    RECORD_CHANGES: {
        "object": shown("Object", offers="changing_objects"),
        "changes": shown("Changes that start it", ticked=True),
        "fields": shown(
            "Only if one of these fields changed", offers="fields", of="object", add="Add a field"
        ),
        "when": shown("Only if", add="Add a condition"),
        "effects_within_hours": _HOURS,
    },
    PLATFORM_EVENTS: {
        "event": shown("Platform event", offers="platform_events"),
        "effects_within_hours": _HOURS,
    },
    OTHER_FLOWS: {
        "inputs": shown("What it takes", add="Add an input"),
        "outputs": shown("What it gives", add="Add an output"),
    },
}
_PLACE = "trigger"  # what problems of it begin with


def parts(document: Mapping[str, Any]) -> list[Control]:
    """Return the controls of what starts the flow of `document`, which kind it is of first."""
    trigger, start = document["trigger"], starting.of(document)
    kind = Control("kind", "What starts it", "choice", value=start.kind, required=True, options=CHOICES)
    found = forms.controls(_schema(start.kind), trigger, without=_fixed(start.kind))
    rows = found[0].parts[:1] if found[0].kind == "rows" else found[:1]
    for first in rows:
        first.is_first = not first.value
    return [kind, *found]


def place(found: Sequence[Control], problems: Sequence[Problem]) -> None:
    """Put each problem of the trigger beside the control that it is about."""
    known = {control.place: control for control in drawn.every(found) if control.place}
    for problem in problems:
        words = [word for word in problem.field.split(", ") if word not in (_PLACE, *_MODELS)]
        if problem.step or not problem.field.startswith(_PLACE) or not words:
            continue
        while words and (near := known.get(tuple(words))) is None:
            words.pop()
        if words and near is not None:
            only = near.parts[0] if near.kind == "rows" and near.is_alone and near.parts else near
            only.problems.append(problem.message)


def read(document: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """
    Return the trigger that a sent form comes to; one of another kind begins anew.

    :raises forms.Unreadable: if a control cannot be read
    """
    trigger = copy.deepcopy(document["trigger"])
    kind = starting.of(document).kind
    wanted = given.get("kind", kind)
    if wanted != kind and wanted in _MODELS:
        return starting.begun(wanted, trigger)
    act, _, where = given.get("@act", "").partition(":")
    schema = _schema(kind)
    return arranged(schema, forms.read(schema, trigger, given, without=_fixed(kind)), act, where, given)


def setting(field: str) -> str:
    """Return what the form calls a setting of a trigger; what is none of them stays."""
    known = (form[field] for form in _SHOWN.values() if field in form)
    return next((str(told[FORM]["label"]) for told in known), field)


def _fixed(kind: str) -> Sequence[str]:
    return _FIXED.get(kind, _ALWAYS_FIXED)


@cache
def _schema(kind: str) -> dict[str, Any]:
    schema = _MODELS[kind].model_json_schema()
    for name, how in _SHOWN[kind].items():
        schema["properties"][name] = {**schema["properties"][name], FORM: how[FORM]}
    return schema
