"""This module makes the parameters of a write in Stripe from values with names."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from connectors.stripe import parameters
from connectors.stripe.operations import MARKER, UPDATES, Operation
from connectors.stripe.parameters import Parameter
from flows.engine.item import Item
from flows.mapping.apply import CompiledMapping, compile_mapping
from flows.mapping.failure import MappingFailed, quoted
from flows.mapping.reading import Context, Paths, first_of
from flows.mapping.spec import Mapping as MappingSettings
from flows.mapping.widgets import shown
from flows.steps.parameter_values import check, fitted
from flows.steps.values import Value
from integrator.kernel.paths import BadPath, Segment, parse

MOST_ELEMENTS = 100
_ID_OF_AN_ELEMENT = re.compile(r".*\[\d+\]\.id")


def _is_a_path(name: str) -> str:
    try:
        parse(name)
    except BadPath as bad:
        raise ValueError(str(bad)) from None
    return name


Name = Annotated[str, StringConstraints(min_length=1, max_length=160), AfterValidator(_is_a_path)]
Given = dict[Name, Value]
Repeat = Annotated[
    dict[Name, Paths],
    Field(
        json_schema_extra=shown(
            "One for each element of a list",
            offers="paths",
            more=True,
            add="Add a list",
            names=("List parameter, such as items",),
        ),
        max_length=10,
        description="For each element of the list that is read, the parameters of this list's first place "
        "are given once: name them items[0].price and read them from the first element of the list.",
    ),
]

Made = Callable[[Item], dict[str, Any]]


def compile_parameters(
    operation: Operation,
    given: Mapping[str, Value],
    *,
    repeat: Mapping[str, Sequence[str]] = MappingProxyType({}),
    emptied: Sequence[str] = (),
) -> Made:
    """
    Return what makes the parameters of `operation` for a run, nested as Stripe takes them.

    Those in `emptied` take away what is there where they have no value. What is made raises `MappingFailed`
    where a value cannot be given.
    """
    by_list: dict[str, dict[str, Value]] = {name: {} for name in ("", *repeat)}
    for name, value in given.items():
        by_list[_list_of(name, repeat)][name] = value
    single = _Values(operation, by_list[""])
    repeated = [_Repeated(name, paths, _Values(operation, by_list[name])) for name, paths in repeat.items()]

    def make(item: Item) -> dict[str, Any]:
        found = single.of(item.context)
        for name in emptied:
            found.setdefault(name, "")
        for one in repeated:
            found |= one.of(item.context)
        params = nested(found)
        check(params)
        return params

    return make


def faults(operation: Operation, given: Mapping[str, Value], *, repeat: Sequence[str] = ()) -> list[str]:
    """Return what is wrong with parameters as they are given, before anything runs."""
    found = parameters.faults(operation, [*given])
    if any(parse(name) == ("metadata", MARKER) for name in given):
        found.append(f"The metadata key {MARKER} is filled by the step itself")
    for name in repeat:
        if not any(_list_of(one, [name]) for one in given):
            found.append(f"Nothing is given for the elements of {name}, such as {name}[0].price")
    for name, value in given.items():
        one = parameters.find(operation, name)
        if value.value is not None and one is not None:
            try:
                fitted(one, value.value, name)
            except MappingFailed as failed:
                found.append(f"{name}: {failed}")
    return found


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by paths as objects within each other: `items[0].price` is in a list of objects."""
    whole: dict[Segment, Any] = {}
    for path, value in flat.items():
        *way, last = parse(path)
        place = whole
        for segment in way:
            inner = place.get(segment)
            place[segment] = inner if isinstance(inner, dict) else {}
            place = place[segment]
        if not isinstance(place.get(last), dict):  # parts say more than the whole
            place[last] = value
    found: dict[str, Any] = _as_lists(whole)
    return found


def _as_lists(value: Any) -> Any:
    """Return objects whose names are all numbers as lists; what was left out leaves no gap."""
    if not isinstance(value, dict):
        return value
    if value and all(isinstance(name, int) for name in value):
        return [_as_lists(value[place]) for place in sorted(value)]
    return {str(name): _as_lists(part) for name, part in value.items()}


class _Values:
    """Values with the names of parameters, compiled."""

    def __init__(self, operation: Operation, given: Mapping[str, Value]) -> None:
        # A parameter's path is no name of a Salesforce field, which is all that a line could be checked for.
        lines = [value.line("Value").model_copy(update={"field": name}) for name, value in given.items()]
        settings = MappingSettings.model_construct(target="", lines=lines)
        self._mapping: CompiledMapping = compile_mapping(settings)
        self._parameters = {name: _parameter(operation, name) for name in given}
        # A mapping leaves an empty text out, which for Stripe takes away what is there.
        self._cleared = [name for name, value in given.items() if value.value == ""]
        self._needed = [name for name, one in self._parameters.items() if _is_needed(operation, name, one)]

    def of(self, context: Context) -> dict[str, Any]:
        found: dict[str, Any] = dict.fromkeys(self._cleared, "")
        for name, value in self._mapping.apply(context).record.items():
            found[name] = fitted(self._parameters[name], value, name)
        for name in self._needed:
            if name not in found:
                raise MappingFailed(name, "required_empty", f"{name} has no value, and is not left out")
        return found


def _parameter(operation: Operation, name: str) -> Parameter:
    """Return what is known of a parameter; one of which nothing is known is sent as text."""
    return parameters.find(operation, name) or Parameter(name, "unknown")


def _is_needed(operation: Operation, name: str, one: Parameter) -> bool:
    """
    Tell whether Stripe would do something else without the parameter, rather than less.

    A refund without its amount gives back everything, a capture takes everything, and an item without its id
    is another item. What a change leaves out stays as it is.
    """
    if _ID_OF_AN_ELEMENT.fullmatch(name):
        return True
    is_change = operation is UPDATES.get(operation.type)
    return one.type == "amount" and not is_change


class _Repeated:
    """A list of which each element is made from one element of a list that the run reads."""

    def __init__(self, name: str, paths: Sequence[str], values: _Values) -> None:
        self._name = name
        self._ways = [(parse(path), first_of([path])) for path in paths]
        self._values = values

    def of(self, context: Context) -> dict[str, Any]:
        """Return the parameters of all elements, by paths with their places."""
        found: dict[str, Any] = {}
        way, elements = self._elements(context)
        for place, element in enumerate(elements):
            made = self._values.of(_with(context, way, [element]))
            found |= {
                f"{self._name}[{place}]{path[len(self._name) + 3 :]}": value for path, value in made.items()
            }
        return found

    def _elements(self, context: Context) -> tuple[Sequence[Segment], list[Any]]:
        for way, read in self._ways:
            value = read(context)
            if value is None:
                continue
            if not isinstance(value, list):
                raise MappingFailed(self._name, "not_a_list", f"{quoted(value)} is no list")
            if len(value) > MOST_ELEMENTS:
                said = f"The list has {len(value)} elements; a write takes {MOST_ELEMENTS}"
                raise MappingFailed(self._name, "too_many_in_a_write", said)
            return way, value
        return (), []


def _with(whole: Any, way: Sequence[Segment], value: Any) -> Any:
    """Return `whole` with `value` at the end of `way`; nothing else is copied than what leads there."""
    if not way:
        return value
    segment, *rest = way
    if isinstance(whole, list) and isinstance(segment, int):
        return [*whole[:segment], _with(whole[segment], rest, value), *whole[segment + 1 :]]
    return {**whole, segment: _with(whole[segment], rest, value)}


def _list_of(name: str, lists: Collection[str]) -> str:
    """Return which of `lists` a parameter stands in the first place of; empty if it is in none."""
    return next((one for one in lists if f"{name}.".startswith((f"{one}[0].", f"{one}[0]["))), "")
