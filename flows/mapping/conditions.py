"""This module compares values of a run with values of the flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from flows.mapping.reading import Context, Paths, Read, first_of
from flows.mapping.widgets import called, shown

Operator = Literal[
    "equal", "not_equal", "in", "not_in", "greater", "less", "present", "empty", "starts_with", "contains"
]
# How people say them.
OPERATORS: Mapping[str, str] = {
    "equal": "is",
    "not_equal": "is not",
    "in": "is one of",
    "not_in": "is none of",
    "greater": "is more than",
    "less": "is less than",
    "present": "has a value",
    "empty": "has no value",
    "starts_with": "starts with",
    "contains": "contains",
}
Scalar = str | int | float | bool | None
Holds = Callable[[Context], bool]

_NO_NUMBER = object()  # NaN and infinity, which some JSON parsers let through: unlike everything
_NEEDS_NO_VALUE = frozenset({"present", "empty"})
_NEEDS_A_LIST = frozenset({"in", "not_in"})
_AS_THEY_ARE = frozenset({str, bool})  # types that are compared with their own by nothing but `==`


class Comparison(BaseModel):
    """One comparison of a value with another."""

    model_config = ConfigDict(
        json_schema_extra=called("One comparison"), extra="forbid", frozen=True, populate_by_name=True
    )

    path: Paths = Field(
        json_schema_extra=shown("Value", offers="paths", of="read", add="Add a fallback"),
        min_length=1,
        description="Where the value is read, or several places.",
    )
    operator: Operator = Field(
        json_schema_extra=shown("Comparison", words=OPERATORS),
        alias="is",
        description="How the two are compared.",
    )
    value: Scalar | list[Scalar] = Field(
        json_schema_extra=shown(
            "Compared with",
            add="Add a value",
            unless={"is": sorted(_NEEDS_NO_VALUE)},
            several_if={"is": sorted(_NEEDS_A_LIST)},
        ),
        default=None,
        description="What the value is compared with.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Comparison:
        if self.operator in _NEEDS_A_LIST and not isinstance(self.value, list):
            raise ValueError(f"{self.operator} needs a list of values")
        if self.operator not in _NEEDS_A_LIST and isinstance(self.value, list):
            raise ValueError(f"{self.operator} needs one value, not a list")
        if self.operator in _NEEDS_NO_VALUE and self.value is not None:
            raise ValueError(f"{self.operator} needs no value")
        return self


class AllOf(BaseModel):
    """Every comparison holds."""

    model_config = ConfigDict(
        json_schema_extra=called("All of several comparisons"), extra="forbid", frozen=True
    )

    all: list[Comparison] = Field(
        json_schema_extra=shown("Comparisons", add="Add a comparison"),
        min_length=1,
        max_length=50,
        description="Comparisons that must all hold.",
    )


class AnyOf(BaseModel):
    """At least one comparison holds."""

    model_config = ConfigDict(
        json_schema_extra=called("At least one of several"), extra="forbid", frozen=True
    )

    any: list[Comparison] = Field(
        json_schema_extra=shown("Comparisons", add="Add a comparison"),
        min_length=1,
        max_length=50,
        description="Comparisons; one must hold.",
    )


def _shape(value: Any) -> str:
    for name in ("all", "any"):
        if name in value if isinstance(value, dict) else hasattr(value, name):
            return name
    return "one"


Condition = Annotated[
    Annotated[AllOf, Tag("all")] | Annotated[AnyOf, Tag("any")] | Annotated[Comparison, Tag("one")],
    Discriminator(_shape),
]


def compile_condition(condition: AllOf | AnyOf | Comparison) -> Holds:
    """Return a closure that tells whether `condition` holds. What cannot be compared is unequal."""
    if isinstance(condition, Comparison):
        return _compile_comparison(condition)
    is_all = isinstance(condition, AllOf)
    return _joined([_compile_comparison(one) for one in comparisons_of(condition)], until=not is_all)


def _joined(holds: Sequence[Holds], *, until: bool) -> Holds:
    """Return a closure that asks one after the other until one says `until`, which then is the answer."""
    if len(holds) == 1:
        return holds[0]

    def joined(context: Context) -> bool:
        for one in holds:
            if one(context) is until:
                return until
        return not until

    return joined


def paths_of(condition: AllOf | AnyOf | Comparison) -> list[str]:
    """Return every path that `condition` reads."""
    return [path for comparison in comparisons_of(condition) for path in comparison.path]


def comparisons_of(condition: AllOf | AnyOf | Comparison) -> Sequence[Comparison]:
    """Return the comparisons that `condition` consists of."""
    if isinstance(condition, Comparison):
        return [condition]
    return condition.all if isinstance(condition, AllOf) else condition.any


def _compile_comparison(comparison: Comparison) -> Holds:
    read = first_of(comparison.path)
    compare = _OPERATORS[comparison.operator]
    given = comparison.value
    if isinstance(given, list):
        wanted: Any = [_typed(value) for value in given]
    else:
        wanted = _typed(given)
    if type(wanted) in _AS_THEY_ARE and comparison.operator in ("equal", "not_equal"):
        return _compare_plainly(read, wanted, compare, equal=comparison.operator == "equal")
    return lambda context: compare(_typed(read(context)), wanted)


def _compare_plainly(read: Read, wanted: Any, compare: Callable[[Any, Any], bool], *, equal: bool) -> Holds:
    """Return the comparison that most conditions consist of: a text with a text, a switch with a switch."""
    kind = type(wanted)

    def holds(context: Context) -> bool:
        value = read(context)
        if type(value) is kind:
            return (value == wanted) is equal
        return compare(_typed(value), wanted)

    return holds


def _typed(value: Any) -> Any:
    """Make numbers comparable without loss: an int, a Decimal and a float of JSON become Decimals."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return value
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return number if number.is_finite() else _NO_NUMBER


def _alike(left: Any, right: Any) -> tuple[Any, Any] | None:
    """Return both as one type, or None where they have none in common. Text may stand for a number."""
    if isinstance(left, Decimal) and isinstance(right, str):
        right = _number(right)
    elif isinstance(left, str) and isinstance(right, Decimal):
        left = _number(left)
    return (left, right) if type(left) is type(right) else None


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _equal(left: Any, right: Any) -> bool:
    pair = _alike(left, right)
    return pair is not None and bool(pair[0] == pair[1])


def _ordered(left: Any, right: Any) -> bool:
    """Tell whether `left` comes before `right`; numbers and texts have an order, ISO dates among them."""
    pair = _alike(left, right)
    return pair is not None and isinstance(pair[0], (Decimal, str)) and bool(pair[0] < pair[1])


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "equal": _equal,
    "not_equal": lambda value, wanted: not _equal(value, wanted),
    "in": lambda value, wanted: any(_equal(value, one) for one in wanted),
    "not_in": lambda value, wanted: not any(_equal(value, one) for one in wanted),
    "greater": lambda value, wanted: _ordered(wanted, value),
    "less": _ordered,
    "present": lambda value, _: not _is_empty(value),
    "empty": lambda value, _: _is_empty(value),
    "starts_with": lambda value, wanted: isinstance(value, str) and value.startswith(str(wanted)),
    "contains": lambda value, wanted: (
        wanted in value
        if isinstance(value, list)
        else isinstance(value, str) and isinstance(wanted, str) and wanted in value
    ),
}
