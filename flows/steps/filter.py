"""This module lets only some runs go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from flows.engine.item import Item
from flows.engine.kind import Answer, Nature, Step
from flows.engine.outcome import Done, End
from flows.engine.ports import Ports
from flows.mapping.rules import CompiledRules, Rules
from flows.mapping.widgets import shown
from flows.steps.base import StepKind


class FilterSettings(Rules):
    """What lets a run go on, and what the rule is called."""

    name: str = Field(
        json_schema_extra=shown("Name of the rule"),
        min_length=1,
        max_length=100,
        description="The rule's name; an ignored event shows it.",
    )


class Filter(StepKind):
    """Go on only where the comparisons hold; otherwise the event is ignored and shows this rule."""

    slug: ClassVar[str] = "filter"
    label: ClassVar[str] = "Filter"
    settings_model = FilterSettings
    nature: ClassVar[Nature] = "decides"
    can_fail: ClassVar[bool] = False

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the filter as a function over a batch."""
        rules = CompiledRules(settings)
        reason = f"Filter: {settings.name}"

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            return [
                Done(seen=rules.seen(item.context))
                if rules.hold(item.context)
                else End("ignored", reason, seen=rules.seen(item.context))
                for item in batch
            ]

        return step
