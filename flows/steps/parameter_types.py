"""This module finds values that cannot be what they are read for: a parameter of Stripe, an input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.stripe import parameters
from connectors.stripe.operations import Operation
from flows.engine.definition import StepDefinition
from flows.engine.kind import Kind
from flows.mapping.issues import Issue
from flows.mapping.sources import Sources
from flows.steps.sub_flow import SubFlowSettings
from flows.steps.values import Value

_WHOLES = frozenset({"object", "list", "map"})
_WORDS = frozenset({"boolean", "currency", "enum", "id"})
# Type of a parameter -> types that never fit it; for those that are not named, whole objects and lists.
_NEVER: Mapping[str, frozenset[str]] = {
    "amount": _WHOLES | _WORDS | {"number", "string", "timestamp"},
    "integer": _WHOLES | _WORDS | {"timestamp"},
    "number": _WHOLES | _WORDS,
    "timestamp": _WHOLES | _WORDS | {"amount", "number"},
    "boolean": _WHOLES | {"amount", "currency", "id", "integer", "number", "timestamp"},
}


def issues_of(step: StepDefinition, kinds: Mapping[str, Kind], sources: Sources) -> Iterator[Issue]:
    """Yield what is wrong with the values of a step that writes in Stripe, or that takes a sub-flow."""
    settings: Any = kinds[step.kind].settings_model.model_validate(step.settings)
    if isinstance(settings, SubFlowSettings):
        yield from _of_inputs(step.id, settings, sources)
        return
    operation = getattr(settings, "operation", None)
    if not isinstance(operation, Operation):
        return
    for name, value in settings.parameters.items():
        for path in _unchanged(value):
            wanted = parameters.find(operation, name)
            kind = sources.get(path).type
            if wanted is not None and kind in _NEVER.get(wanted.type, _WHOLES):
                message = f"{path} is no value for {name}: it is of the type {kind}, not {wanted.type}"
                yield Issue("error", "wrong_type", "parameters", message, _fix(wanted.type), step.id)


def _of_inputs(step: str, settings: SubFlowSettings, sources: Sources) -> Iterator[Issue]:
    wanted = {one.name: one.type for one in settings.takes or ()}
    for name, value in settings.inputs.items():
        type_ = wanted.get(name, "unknown")
        if type_ in ("unknown", *_WHOLES):
            continue
        for path in _unchanged(value):
            kind = sources.get(path).type
            if kind in _NEVER.get(type_, _WHOLES):
                message = f"{path} is no value for {name}: it is of the type {kind}, not {type_}"
                yield Issue("error", "wrong_type", "inputs", message, _fix(type_), step)


def _unchanged(value: Value) -> list[str]:
    """Return the paths whose values are given as they are."""
    return [] if value.chips else list(value.sources)


def _fix(wanted: str) -> str:
    if wanted == "amount":
        return (
            "Make it an amount in the smallest unit, by an expression with money.minor(string(…), currency)."
        )
    return "Choose another path, or change the value."
