"""This module asks a person, and goes on as the answer says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from flows.engine.item import Item
from flows.engine.kind import Answer, Nature, Step
from flows.engine.outcome import AskHuman, Done, Option
from flows.engine.ports import Ports
from flows.mapping.reading import Paths, first_of
from flows.mapping.template import Template, compile_template
from flows.mapping.widgets import shown
from flows.steps.base import StepKind
from flows.steps.exits import ExitName, check_names


class Choice(BaseModel):
    """One answer, and the exit that it takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exit: ExitName = Field(
        json_schema_extra=shown("Name of the way"), description="The exit that the answer takes."
    )
    label: str = Field(
        json_schema_extra=shown("Button"),
        min_length=1,
        max_length=80,
        description="What the person reads on the button.",
    )
    description: str = Field(
        json_schema_extra=shown("Explanation"),
        default="",
        max_length=200,
        description="What the answer leads to.",
    )


class AskSettings(BaseModel):
    """What is asked, and what may be answered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: Template = Field(
        json_schema_extra=shown("Question", offers="places"),
        min_length=1,
        description="The question, with places such as {charge.id} for values.",
    )
    options: list[Choice] = Field(
        json_schema_extra=shown("Answers", add="Add an answer"),
        min_length=2,
        max_length=10,
        description="The answers.",
    )
    evidence: Paths = Field(
        json_schema_extra=shown("Shown beside the question", offers="paths", add="Add a value"),
        default=[],
        description="Values that are shown beside the question.",
    )

    @field_validator("options")
    @classmethod
    def _can_be_told_apart(cls, options: list[Choice]) -> list[Choice]:
        check_names([option.exit for option in options])
        return options


class Ask(StepKind):
    """Let a person decide; the run waits for the answer and goes on behind it."""

    slug: ClassVar[str] = "ask"
    label: ClassVar[str] = "Ask a person"
    settings_model = AskSettings
    nature: ClassVar[Nature] = "asks"
    can_fail: ClassVar[bool] = False

    def exits_of(self, settings: Any) -> tuple[str, ...]:
        """Return one exit for each answer."""
        return tuple(option.exit for option in settings.options)

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the question as a function over a batch."""
        render = compile_template(settings.question)
        options = tuple(Option(one.exit, one.label, one.description) for one in settings.options)
        exits = self.exits_of(settings)
        shown = [(path, first_of([path])) for path in settings.evidence]

        def ask(item: Item) -> Answer:
            answer = item.recall(step_id, "answer")
            if answer in exits:
                return Done({"answer": answer}, exit=answer)
            evidence = {path: read(item.context) for path, read in shown}
            return AskHuman(render(item.context).text, options=options, evidence=evidence)

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            return [ask(item) for item in batch]

        return step
