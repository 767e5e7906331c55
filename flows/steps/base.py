"""This module is what a step kind is written with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from flows.engine.kind import Earlier, Inside, Nature, Step
from flows.mapping.spec import API_NAME
from flows.mapping.widgets import shown

SalesforceObject = Annotated[
    str,
    Field(
        json_schema_extra=shown("Salesforce object", offers="objects"),
        pattern=API_NAME,
        description="API name of the object in Salesforce.",
    ),
]


class StepKind(ABC):
    """
    A type of step.

    The docstring of a subclass is its help text; its settings draw its form, its JSON Schema
    and its part of the API. It touches the world only through the ports that it is given.
    """

    slug: ClassVar[str]
    label: ClassVar[str]
    exits: ClassVar[tuple[str, ...]] = ("next",)
    settings_model: ClassVar[type[BaseModel]]
    nature: ClassVar[Nature] = "effect"  # what is not said is taken for the nature that forbids most
    can_fail: ClassVar[bool] = True
    body: ClassVar[str] = ""
    inside: ClassVar[Inside] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let a kind with a body take it once for each element, unless it says otherwise."""
        super().__init_subclass__(**kwargs)
        if cls.body and not cls.inside:
            cls.inside = "elements"

    def exits_of(self, settings: Any) -> tuple[str, ...]:
        """Return the exits of a step with `settings`; most kinds have the same always."""
        return self.exits

    def bodies_of(self, settings: Any) -> tuple[str, ...]:
        """Return the exits whose steps stand inside of a step with `settings`; most kinds have none."""
        return (self.body,) if self.body else ()

    @abstractmethod
    def compile(self, step_id: str, settings: Any) -> Step:
        """
        Return the function that takes a batch of runs through the step, one answer each, in order.

        Work that needs only the settings is done here, once for each version. A failure that
        a port returned is answered as it came. Anything raised is taken for a bug.
        """

    def compile_behind(self, step_id: str, settings: Any, earlier: Mapping[str, Earlier]) -> Step:
        """Return what `compile` does; a kind that has to know the `earlier` steps does it here instead."""
        return self.compile(step_id, settings)

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return (setting, problem) pairs that only show beside the `earlier` steps."""
        return []
