"""This module holds values with names: the inputs of a Flow, the fields of a platform event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from flows.engine.outcome import Failure, GiveUp
from flows.mapping.apply import CompiledMapping, compile_mapping
from flows.mapping.conditions import Scalar
from flows.mapping.failure import MappingFailed
from flows.mapping.reading import Paths
from flows.mapping.spec import API_NAME, AnyChip, MappingLine
from flows.mapping.spec import Mapping as MappingSettings
from flows.mapping.widgets import called, shown


class Value(BaseModel):
    """Where a value comes from: paths and chips, or a fixed value. A text alone is a path."""

    model_config = ConfigDict(
        json_schema_extra=called(plain="from"), extra="forbid", frozen=True, populate_by_name=True
    )

    sources: Paths = Field(
        json_schema_extra=shown(
            "Read from", offers="paths", add="Add a fallback", either=("Value", "From a path")
        ),
        default=[],
        alias="from",
        description="Paths of which the first that has a value is used.",
    )
    chips: list[AnyChip] = Field(
        json_schema_extra=shown("Changes", more=True, add="Add a change", either=("Value", "From a path")),
        default=[],
        max_length=20,
        description="Changes to the value, in order.",
    )
    value: Scalar = Field(
        json_schema_extra=shown("Fixed value", either=("Value", "The same always")),
        default=None,
        description="A fixed value, instead of a path.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_a_path(cls, given: Any) -> Any:
        return {"from": given} if isinstance(given, (str, list)) else given

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Value:
        is_read, is_fixed = bool(self.sources or self.chips), self.value is not None
        if not is_read and not is_fixed:
            raise ValueError("Say where the value is read, or what it is")
        if is_read and is_fixed:
            raise ValueError("Say where the value is read or what it is, not both")
        self.line("Value")  # which refuses chips that have nothing to change
        return self

    def line(self, name: str) -> MappingLine:
        """Return the value as a mapping line of the field `name`."""
        fixed = [{"chip": "constant", "value": self.value}]
        chips = self.chips if self.value is None else fixed
        return MappingLine.model_validate({"field": name, "from": self.sources, "chips": chips})


Values = dict[Annotated[str, StringConstraints(pattern=API_NAME)], Value]


def compile_values(values: Mapping[str, Value], target: str) -> CompiledMapping | None:
    """Return what reads `values` for `target`, or None where there are none."""
    if not values:
        return None
    return compile_mapping(
        MappingSettings(target=target, lines=[value.line(name) for name, value in values.items()])
    )


def unmapped(failed: MappingFailed, seen: Any = None) -> GiveUp:
    """Return the outcome of a run whose values cannot be made."""
    failure = Failure("data", str(failed), code=failed.code, field=failed.field)
    return GiveUp(f"{failed.field}: {failed}", failure, seen=seen)
