"""This module takes a run through several branches, each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from flows.engine.item import Item
from flows.engine.kind import Answer, Inside, Nature, Step
from flows.engine.outcome import Done
from flows.engine.ports import Ports
from flows.mapping.widgets import shown
from flows.steps.base import StepKind
from flows.steps.exits import ExitName, check_names

_TAKEN = ("next",)


class ParallelBranch(BaseModel):
    """One of the branches."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exit: ExitName = Field(
        json_schema_extra=shown("Name of the branch"), description="What the branch is called."
    )


class ParallelSettings(BaseModel):
    """Which branches there are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    branches: list[ParallelBranch] = Field(
        json_schema_extra=shown("Branches", add="Add a branch"),
        min_length=2,
        max_length=10,
        description="The branches. Every run takes each of them.",
    )

    @field_validator("branches")
    @classmethod
    def _can_be_told_apart(cls, branches: list[ParallelBranch]) -> list[ParallelBranch]:
        check_names([*(branch.exit for branch in branches), *_TAKEN])
        return branches


class Parallel(StepKind):
    """Take several branches independently of each other, and go on when all of them have ended."""

    slug: ClassVar[str] = "parallel"
    label: ClassVar[str] = "Parallel branches"
    settings_model = ParallelSettings
    nature: ClassVar[Nature] = "pure"
    inside: ClassVar[Inside] = "branches"

    def bodies_of(self, settings: Any) -> tuple[str, ...]:
        """Return the branches."""
        return tuple(branch.exit for branch in settings.branches)

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return what sends every run into the branches; the engine goes through them."""

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            return [Done() for _ in batch]

        return step
