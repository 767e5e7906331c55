"""This module does steps together: if one fails for good, what the others did is undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from flows.engine.item import Item
from flows.engine.kind import Answer, Inside, Nature, Step
from flows.engine.outcome import Done
from flows.engine.ports import Ports
from flows.engine.undoing import DONE, UNDONE
from flows.mapping.widgets import shown
from flows.steps.base import StepKind
from flows.steps.exits import ExitName, check_names

TRY = "try"


class Undo(BaseModel):
    """What undoes one of the steps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,60}$")] = Field(
        json_schema_extra=shown("Step", offers="inside"), description="The step that is undone."
    )
    exit: ExitName = Field(
        json_schema_extra=shown("Name of what undoes it"),
        description="What the steps that undo it are called, such as cancel_subscription.",
    )


class ScopeSettings(BaseModel):
    """Which of the steps can be undone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    undo: list[Undo] = Field(
        json_schema_extra=shown("To be undone", add="Add a step"),
        default=[],
        max_length=20,
        description="Steps that are undone if a later one fails, the last that was done first.",
    )

    @field_validator("undo")
    @classmethod
    def _can_be_told_apart(cls, undo: list[Undo]) -> list[Undo]:
        check_names([*(one.exit for one in undo), TRY, DONE, UNDONE])
        if len({one.step for one in undo}) < len(undo):
            raise ValueError("A step may be undone in one way only")
        return undo


class Scope(StepKind):
    """Do the steps inside together: if one of them fails for good, what was done before it is undone."""

    slug: ClassVar[str] = "scope"
    label: ClassVar[str] = "All or nothing"
    exits: ClassVar[tuple[str, ...]] = (DONE, UNDONE)
    settings_model = ScopeSettings
    nature: ClassVar[Nature] = "pure"
    can_fail: ClassVar[bool] = False
    inside: ClassVar[Inside] = "undoing"

    def bodies_of(self, settings: Any) -> tuple[str, ...]:
        """Return the steps that are done together, and those that undo each of them."""
        return (TRY, *(one.exit for one in settings.undo))

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return what sends every run into the steps; the engine goes through them."""
        undoes = {one.step: one.exit for one in settings.undo}

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            return [Done({"undoes": undoes}) for _ in batch]

        return step
