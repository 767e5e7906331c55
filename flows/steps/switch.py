"""This module sends a run one of several ways, by a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flows.engine.item import Item
from flows.engine.kind import Answer, Nature, Step
from flows.engine.outcome import Done
from flows.engine.ports import Ports
from flows.mapping.conditions import Comparison, Scalar, compile_condition
from flows.mapping.reading import Paths, first_of
from flows.mapping.widgets import shown
from flows.steps.base import StepKind
from flows.steps.exits import ExitName, check_names

OTHERWISE = "otherwise"


class Case(BaseModel):
    """One way, and the values that take it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exit: ExitName = Field(json_schema_extra=shown("Name of the way"), description="What the way is called.")
    values: list[Scalar] = Field(
        json_schema_extra=shown("Values", add="Add a value"),
        min_length=1,
        max_length=100,
        description="The values that go this way.",
    )


class SwitchSettings(BaseModel):
    """Which value decides, and what ways there are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Paths = Field(
        json_schema_extra=shown("Value that decides", offers="paths", add="Add a fallback"),
        min_length=1,
        description="Where the value is read.",
    )
    cases: list[Case] = Field(
        json_schema_extra=shown("Ways", add="Add a way"),
        min_length=1,
        max_length=30,
        description="The ways. All other values take the way otherwise.",
    )

    @model_validator(mode="after")
    def _tells_them_apart(self) -> SwitchSettings:
        check_names([*(case.exit for case in self.cases), OTHERWISE])
        values = [(type(value).__name__, value) for case in self.cases for value in case.values]
        if len(set(values)) < len(values):
            raise ValueError("A value may stand in one case only")
        return self


class Switch(StepKind):
    """Go one of several ways, by a value; whatever is in no case goes its own way."""

    slug: ClassVar[str] = "switch"
    label: ClassVar[str] = "Switch"
    exits: ClassVar[tuple[str, ...]] = (OTHERWISE,)
    settings_model = SwitchSettings
    nature: ClassVar[Nature] = "decides"
    can_fail: ClassVar[bool] = False

    def exits_of(self, settings: Any) -> tuple[str, ...]:
        """Return the ways, the one for all other values last."""
        return (*(case.exit for case in settings.cases), OTHERWISE)

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the switch as a function over a batch."""
        read = first_of(settings.path)
        name = settings.path[0]
        ways = [
            (
                case.exit,
                compile_condition(
                    Comparison.model_validate({"path": settings.path, "is": "in", "value": case.values})
                ),
            )
            for case in settings.cases
        ]

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            return [
                Done(
                    exit=next((way for way, holds in ways if holds(item.context)), OTHERWISE),
                    seen={name: read(item.context)},
                )
                for item in batch
            ]

        return step
