"""This module says what a sub-flow takes and what it gives: values with names and types."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from flows.mapping.widgets import shown
from integrator.kernel.paths import BadPath, compile_path

ROOT = "input"  # under which the steps of a sub-flow read what it takes
INSIDE = "taken"  # the exit behind which they stand in a flow that takes them
KIND = "sub_flow"  # of the step that takes them

ValueType = Literal[
    "string",
    "integer",
    "number",
    "boolean",
    "timestamp",
    "amount",
    "currency",
    "id",
    "object",
    "list",
    "unknown",
]
_WORDS = {
    "string": "Text",
    "integer": "Whole number",
    "number": "Number",
    "boolean": "Yes or no",
    "timestamp": "Time",
    "amount": "Amount in the smallest unit",
    "currency": "Currency",
    "id": "Id",
    "object": "Group of values",
    "list": "List",
    "unknown": "Anything",
}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("Use 1 to 40 small letters, digits and underscores, a letter first")
    return name


def _checked_paths(paths: list[str]) -> list[str]:
    for path in paths:
        try:
            compile_path(path)
        except BadPath as error:
            raise ValueError(str(error)) from None
    return paths


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Name = Annotated[str, AfterValidator(_checked_name)]


class Input(BaseModel):
    """A value that a sub-flow takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = Field(
        json_schema_extra=shown("Name"), description="The steps read it as input and this name."
    )
    type: ValueType = Field(
        json_schema_extra=shown("Type", words=_WORDS), default="string", description="What it is."
    )
    required: bool = Field(
        json_schema_extra=shown("It has to be there", more=True),
        default=True,
        description="A run to which it is not given fails at the step.",
    )


class Output(BaseModel):
    """A value that a sub-flow gives."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: Name = Field(
        json_schema_extra=shown("Name"),
        description="A flow that takes the steps reads it by this name of its step.",
    )
    # Not of the type Paths: where a flow takes the steps, what these read comes only after its step.
    sources: Annotated[list[str], BeforeValidator(_as_list), AfterValidator(_checked_paths)] = Field(
        json_schema_extra=shown("Read from", offers="paths", add="Add a fallback"),
        alias="from",
        min_length=1,
        max_length=20,
        description="Paths of which the first that has a value is used.",
    )
    type: ValueType = Field(
        json_schema_extra=shown("Type", words=_WORDS), default="unknown", description="What it is."
    )


_Named = TypeVar("_Named", Input, Output)


def told_apart(values: list[_Named]) -> list[_Named]:
    """
    Return `values`, of which each has its own name.

    :raises ValueError: if two have the same
    """
    names = [value.name for value in values]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"Two of them are called {', '.join(twice)}")
    return values


def mentioned(outputs: Sequence[Output]) -> list[tuple[str, str]]:
    """Return each step that `outputs` read of, with the name of the output."""
    found = ((output.name, _STEP.match(path)) for output in outputs for path in output.sources)
    return [(match[1], name) for name, match in found if match]


_STEP = re.compile(r"steps\.([a-z0-9_]{1,60})(?![A-Za-z0-9_])")
