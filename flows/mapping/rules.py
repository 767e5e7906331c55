"""This module holds the settings and the code that conditions, filters and triggers share."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flows.mapping.conditions import (
    AllOf,
    AnyOf,
    Comparison,
    Holds,
    comparisons_of,
    compile_condition,
)
from flows.mapping.reading import Context, first_of
from flows.mapping.widgets import shown


class Rules(BaseModel):
    """Comparisons that must all hold, or of which one must."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    all: list[Comparison] = Field(
        json_schema_extra=shown(
            "Comparisons", add="Add a comparison", either=("What must hold", "All of these")
        ),
        default=[],
        max_length=50,
        description="Comparisons that must all hold.",
    )
    any: list[Comparison] = Field(
        json_schema_extra=shown(
            "Comparisons", add="Add a comparison", either=("What must hold", "At least one of these")
        ),
        default=[],
        max_length=50,
        description="Comparisons; one must hold.",
    )

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Rules:
        if bool(self.all) == bool(self.any):
            raise ValueError("Say either what must all hold, or of what one must hold")
        return self

    def condition(self) -> AllOf | AnyOf:
        """Return the rules as one condition."""
        return AllOf(all=self.all) if self.all else AnyOf(any=self.any)


class CompiledRules:
    """Rules that are ready to be asked."""

    def __init__(self, rules: Rules) -> None:
        condition = rules.condition()
        self.hold: Holds = compile_condition(condition)
        self._reads = {
            comparison.path[0]: first_of(comparison.path) for comparison in comparisons_of(condition)
        }

    def seen(self, context: Context) -> dict[str, Any]:
        """Return the values that were compared, for the trace."""
        return {path: read(context) for path, read in self._reads.items()}
