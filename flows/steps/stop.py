"""This module ends a run where the flow says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from flows.engine.item import Item
from flows.engine.kind import Answer, Nature, Step
from flows.engine.outcome import End
from flows.engine.ports import Ports
from flows.mapping.widgets import shown
from flows.steps.base import StepKind


class StopSettings(BaseModel):
    """How the run ends, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fate: Literal["applied", "ignored"] = Field(
        json_schema_extra=shown("How the event counts"),
        default="ignored",
        description="How the event shall count.",
    )
    reason: str = Field(
        json_schema_extra=shown("Reason"),
        min_length=1,
        max_length=200,
        description="Why; the event shows it.",
    )


class Stop(StepKind):
    """End the run here, with a reason that people see."""

    slug: ClassVar[str] = "stop"
    label: ClassVar[str] = "Stop"
    settings_model = StopSettings
    nature: ClassVar[Nature] = "decides"
    can_fail: ClassVar[bool] = False

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the stop as a function over a batch."""
        end = End(settings.fate, settings.reason)

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            return [end for _ in batch]

        return step
