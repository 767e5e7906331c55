"""
This module is, with `cel_types`, the one place that knows CEL: it compiles expressions, tells their type and
evaluates them.

An expression names paths as mapping lines do, and `value` for the value so far. What is null counts as
missing. An evaluation that cannot be done is a failure and never a value: CEL's own answer for it is a value
of type ERROR, which must not get out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

from flows.mapping import functions, instants, words
from flows.mapping.budgets import (
    LONGEST,
    MOST_PATHS,
    NoSuchValue,
    Shape,
    Size,
    TooCostly,
    inward,
    shape_of,
)
from flows.mapping.cel_types import Type, extensions, library, told
from flows.mapping.failure import MappingFailed
from flows.mapping.faults import in_plain_words, of_evaluation
from flows.mapping.reading import Context, Read
from flows.mapping.words import Named, Word
from integrator.kernel.paths import MISSING, BadPath, compile_path

VALUE: Final = "value"  # the name of the value so far
_GIVEN = "given_"  # the map that an evaluation reads its paths from
_AS_THEY_ARE = frozenset({str, bool, int, float, type(None)})
_PLACE = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an expression, and where: line and column count from 1, in characters."""

    message: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.message} (line {self.line}, column {self.column})"


class InvalidExpression(ValueError):
    """The expression cannot be evaluated."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that is ready to be evaluated."""

    text: str
    named: tuple[Named, ...]
    type: str  # what it gives where nothing is known of its paths: string, integer, ..., unknown
    _reads: tuple[tuple[str, Read], ...] = field(repr=False)
    _with_value: bool = field(repr=False)
    _shape: Shape = field(repr=False)
    _compiled: Any = field(repr=False)
    _error: Any = field(repr=False)  # the type of what could not be evaluated

    @property
    def paths(self) -> list[str]:
        """Return the paths that the expression reads, as mapping lines write them."""
        return list(_numbers(self.named))

    def evaluate(self, context: Context, value: Any, name: str) -> Any:
        """
        Return a text, number or boolean, or None for null and for an optional without a value.

        :raises MappingFailed: for the field `name`, if there is no such result
        """
        try:
            result = self._evaluate(context, value)
            return result if type(result) in _AS_THEY_ARE else _outward(result)
        except NoSuchValue as wrong:
            raise MappingFailed(name, wrong.code, str(wrong)) from None
        except (TooCostly, RecursionError) as costly:
            message = str(costly) if isinstance(costly, TooCostly) else "A value is nested too deeply"
            raise MappingFailed(name, "too_costly", message) from None

    def _evaluate(self, context: Context, value: Any) -> Any:
        size = Size()
        given: dict[str, Any] = {}
        for name, read in self._reads:
            found = read(context)
            if found is not None and found is not MISSING:
                given[name] = inward(found, size)
        data = {_GIVEN: given}
        if self._with_value:
            data[VALUE] = inward(value, size)
        self._shape.check(size)
        try:
            result = self._compiled.eval(data=data)
            if result.type() == self._error:
                raise of_evaluation(result.value(), self._name)
            return result.value()
        except (RuntimeError, TypeError) as error:
            raise of_evaluation(str(error), self._name) from None

    def _name(self, variable: str) -> str:
        """Return what people call the path that CEL knows as `variable`."""
        names = {f"p{number}": path for path, number in _numbers(self.named).items()}
        return names.get(variable, variable)


@lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """
    Return `text` ready to be evaluated; nothing is asked about whether its paths exist.

    :raises InvalidExpression: with faults that say where
    """
    named, shape = _read(text)
    type_ = _compile(text, _with_names(text, named, {}), _roots(named, {})).return_type().name()
    running = _running(text, named)
    if type_.startswith("optional_type"):
        running = f"({running}\n).orValue(dyn(null))"
    try:
        compiled = _environment((_GIVEN, VALUE)).compile(running)
    except RuntimeError as error:
        raise InvalidExpression(_faults(text, str(error))) from None
    reads = tuple((f"p{number}", compile_path(path).read) for path, number in _numbers(named).items())
    return Expression(
        text=text,
        named=tuple(named),
        type=type_of(type_),
        _reads=reads,
        _with_value=any(one.root == VALUE for one in named),
        _shape=shape,
        _compiled=compiled,
        _error=library().Type.ERROR,
    )


def typed(text: str, types: Mapping[str, str], roots: Sequence[str]) -> str:
    """
    Return what `text` gives if its paths have `types`, by path, as `SrcField.type` says them.

    :raises InvalidExpression: if it does not fit the types, or names a root that is none of `roots`
    """
    named, _ = _read(text)
    unknown = [
        Fault(f"There is no {one.root} here", *place_of(text, one.start))
        for one in named
        if one.root not in (*roots, VALUE)
    ]
    if unknown:
        raise InvalidExpression(unknown)
    typed_text = _with_names(text, named, types)
    return type_of(_compile(text, typed_text, _roots(named, types)).return_type().name())


def place_of(text: str, place: int) -> tuple[int, int]:
    """Return line and column of the character at `place`."""
    before = text[:place]
    return before.count("\n") + 1, place - (before.rfind("\n") + 1) + 1


def type_of(name: str) -> str:
    """Return what people call a type of CEL; one that may be missing is called as if it were there."""
    bare = name.removeprefix("optional_type")
    if bare.startswith("<"):
        bare = bare[1:-1]
    return _TYPES.get(bare.partition("<")[0], "unknown")


_TYPES = {
    "STRING": "string",
    "INT": "integer",
    "UINT": "integer",
    "DOUBLE": "number",
    "BOOL": "boolean",
    "TIMESTAMP": "datetime",
    "DURATION": "duration",
    "NULL": "null",
    "LIST": "list",
    "MAP": "map",
    "BYTES": "bytes",
    "TYPE": "type",
}
_BY_SOURCE: Final[Mapping[str, Type]] = {
    "string": Type.STRING, "enum": Type.STRING, "id": Type.STRING, "currency": Type.STRING,
    "integer": Type.INT, "amount": Type.INT, "timestamp": Type.INT, "boolean": Type.BOOL,
    "list": Type.LIST, "map": Type.OBJECT,
}  # fmt: skip


def _read(text: str) -> tuple[list[Named], Shape]:
    """
    Return the paths that an expression names, and its shape.

    :raises InvalidExpression: if it is no expression, or would cost too much
    """
    if not text.strip() or len(text) > LONGEST:
        raise InvalidExpression([Fault(f"An expression has 1 to {LONGEST:,} characters")])
    try:
        parts = words.split(text)
    except words.Unreadable as error:
        raise InvalidExpression([Fault(str(error), *place_of(text, error.place))]) from None
    taken = next((part for part in parts if part.text == _GIVEN), None)
    if taken is not None:
        raise InvalidExpression([Fault(f"{_GIVEN} has another meaning", *place_of(text, taken.start))])
    named = words.paths(parts, functions=functions.is_function)
    for one in named:
        try:
            compile_path(one.text)
        except BadPath as error:
            raise InvalidExpression([Fault(str(error), *place_of(text, one.start))]) from None
    if len(named) > MOST_PATHS:
        raise InvalidExpression([Fault(f"An expression names at most {MOST_PATHS} paths")])
    try:
        return named, shape_of(parts, calls=_calls(parts))
    except TooCostly as costly:
        raise InvalidExpression([Fault(str(costly))]) from None


def _numbers(named: Sequence[Named]) -> dict[str, int]:
    """Return a number for each path that is read out of the context."""
    paths = dict.fromkeys(one.text for one in named if one.root != VALUE)
    return {path: number for number, path in enumerate(paths)}


def _calls(parts: Sequence[Word]) -> int:
    """Return how often functions of ours are called."""
    texts = [part.text for part in parts]
    names = {name.rpartition(".")[2] for name in functions.FUNCTIONS} | {"matches", "string"}
    return sum(name in names and after == "(" for name, after in pairwise(texts))


def _replaced(text: str, named: Sequence[Named], by: Callable[[int, Named], str | None]) -> str:
    parts, place = [], 0
    for number, one in enumerate(named):
        instead = by(number, one)
        if instead is not None:
            parts += [text[place : one.start], instead]
            place = one.end
    return "".join([*parts, text[place:]])


def _with_names(text: str, named: Sequence[Named], types: Mapping[str, str]) -> str:
    """Return `text` with each path of a known type as one name, every character where it was."""

    def name(number: int, one: Named) -> str | None:
        if one.form == "asked":
            short = "true"
        elif one.form == "metadata":
            short = "dyn(null)"
        elif one.form == "plain" and types.get(one.text) in _BY_SOURCE:
            short = _short_name(number)
        else:
            return None
        span = text[one.start : one.end]
        return short + "".join("\n" if letter == "\n" else " " for letter in span[len(short) :])

    return _replaced(text, named, name)


def _short_name(number: int) -> str:
    return f"P{number:02d}"


def _roots(named: Sequence[Named], types: Mapping[str, str]) -> dict[str, Type]:
    """Return the variables of the text that `_with_names` makes, with their types."""
    variables = {one.root: Type.DYN for one in named}
    for number, one in enumerate(named):
        known = _BY_SOURCE.get(types.get(one.text, ""))
        if one.form == "plain" and known is not None:
            variables[_short_name(number)] = known
    return variables


def _running(text: str, named: Sequence[Named]) -> str:
    """Return `text` with each path as a value of the map that is given to it."""

    numbers = _numbers(named)

    def read(_: int, one: Named) -> str | None:
        if one.root == VALUE:
            return None
        return _FORMS[one.form].replace("@", f"{_GIVEN}.p{numbers[one.text]}")

    return _replaced(text, named, read)


_FORMS: Final = {
    "plain": "@",
    "root": "@",
    "asked": "has(@)",
    "optional": "(has(@) ? optional.of(@) : optional.none())",
    "metadata": "(has(@) ? dyn(@) : dyn(null))",
}


def _compile(text: str, compiled: str, variables: Mapping[str, Type]) -> Any:
    """
    Return `compiled`, whose characters stand where those of `text` do, as CEL reads it.

    :raises InvalidExpression: with the places of `text`
    """
    try:
        return _new_environment(variables).compile(compiled)
    except RuntimeError as error:
        raise InvalidExpression(_faults(text, str(error))) from None


def _faults(text: str, told: str) -> list[Fault]:
    found = [
        Fault(in_plain_words(message), max(int(line), 1), max(int(column), 1))
        for line, column, message in _PLACE.findall(told)
    ]
    return found[:1] or [Fault(in_plain_words(told))]


@lru_cache(maxsize=1)
def _environment(variables: tuple[str, ...]) -> Any:
    return _new_environment(dict.fromkeys(variables, Type.DYN))


def _new_environment(variables: Mapping[str, Type]) -> Any:
    return library().NewEnv(
        variables={name: told(kind) for name, kind in variables.items()},
        extensions=extensions(),
        functions=list(functions.declarations()),
    )


def _outward(result: Any) -> Any:
    """Return a result that is no plain value as one."""
    if isinstance(result, datetime):
        seconds = int(result.timestamp())
        if not instants.is_storable(seconds):
            raise NoSuchValue("out_of_range_date", "The time lies outside of the years 1700 to 4000")
        return instants.iso(seconds)
    raise NoSuchValue(
        "not_a_value", "The expression gives a list, an object or something else that is no value"
    )
