"""This module takes the steps of another flow, as that flow was published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from flows.engine import contract
from flows.engine.contract import Input, Output
from flows.engine.item import Item
from flows.engine.kind import Answer, Earlier, Inside, Nature, Step
from flows.engine.outcome import Done, Failure, GiveUp
from flows.engine.ports import Ports
from flows.mapping.failure import MappingFailed
from flows.mapping.reading import first_of
from flows.mapping.widgets import shown
from flows.steps.base import StepKind
from flows.steps.values import Values, compile_values, unmapped

CARRIED = ("takes", "gives")  # settings that come with the steps; nobody fills them in


class SubFlowSettings(BaseModel):
    """Which flow's steps are taken, of which version, and with what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flow: Annotated[str, StringConstraints(min_length=1, max_length=80)] = Field(
        json_schema_extra=shown("Sub-flow", offers="sub_flows"),
        description="The address of the flow whose steps are taken, in the same integration.",
    )
    inputs: Values = Field(
        json_schema_extra=shown(
            "What it takes", offers="paths", add="Add an input", names=("Input", "sub_flow_inputs", "/flow")
        ),
        default={},
        max_length=50,
        description="Values for what the sub-flow takes, by its names.",
    )
    version: int | None = Field(
        json_schema_extra=shown("Version", more=True),
        default=None,
        ge=1,
        le=2**31 - 1,
        description="The version whose steps are taken, until another is named. Empty it to take the newest.",
    )
    takes: list[Input] | None = Field(
        json_schema_extra=shown("What the sub-flow takes", more=True),
        default=None,
        max_length=50,
        description="It comes with the steps of the sub-flow.",
    )
    gives: list[Output] = Field(
        json_schema_extra=shown("What the sub-flow gives", more=True),
        default=[],
        max_length=50,
        description="It comes with the steps of the sub-flow.",
    )


class SubFlow(StepKind):
    """Take the steps of a sub-flow, as it is published, and go on with the values that it gives."""

    slug: ClassVar[str] = contract.KIND
    label: ClassVar[str] = "Sub-flow"
    settings_model = SubFlowSettings
    nature: ClassVar[Nature] = "pure"
    inside: ClassVar[Inside] = "called"

    def bodies_of(self, settings: Any) -> tuple[str, ...]:
        """Return the exit behind which the steps stand that were taken."""
        return (contract.INSIDE,)

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return what gives every run its inputs; the engine goes through the steps."""
        inputs = compile_values(settings.inputs, "Inputs")
        gives = {output.name: first_of(output.sources) for output in settings.gives}

        def answer(item: Item) -> Answer:
            try:
                given = inputs.apply(item.context).record if inputs is not None else {}
            except MappingFailed as failed:
                return unmapped(failed)
            for one in settings.takes or ():
                if one.required and given.get(one.name) is None:
                    message = f"{one.name} has no value, which the sub-flow {settings.flow} has to have"
                    return GiveUp(message, Failure("data", message, code="required", field=one.name))
            takes = {one.name: given.get(one.name) for one in settings.takes or ()}
            return Done({"takes": takes, "gives": gives})

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            return [answer(item) for item in batch]

        return step

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return inputs that are missing or unknown, and that there are no steps yet."""
        if settings.takes is None:
            return [("flow", "Choose a flow that other flows may take, and that is published")]
        known = {one.name: one for one in settings.takes}
        missing = [name for name, one in known.items() if one.required and name not in settings.inputs]
        unknown = [name for name in settings.inputs if name not in known]
        return [
            *(("inputs", f"The sub-flow has to have {name}") for name in missing),
            *((f"inputs, {name}", f"The sub-flow takes nothing called {name}") for name in unknown),
        ]
