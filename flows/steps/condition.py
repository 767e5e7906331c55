"""This module lets a run go one way or another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from flows.engine.item import Item
from flows.engine.kind import Answer, Nature, Step
from flows.engine.outcome import Done
from flows.engine.ports import Ports
from flows.mapping.rules import CompiledRules, Rules
from flows.steps.base import StepKind


class Condition(StepKind):
    """Go one way where the comparisons hold and the other way where they do not."""

    slug: ClassVar[str] = "condition"
    label: ClassVar[str] = "Condition"
    exits: ClassVar[tuple[str, ...]] = ("yes", "no")
    settings_model = Rules
    nature: ClassVar[Nature] = "decides"
    can_fail: ClassVar[bool] = False

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the condition as a function over a batch."""
        rules = CompiledRules(settings)

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            return [
                Done(exit="yes" if rules.hold(item.context) else "no", seen=rules.seen(item.context))
                for item in batch
            ]

        return step
