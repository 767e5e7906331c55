"""This module holds what may start a flow: events of Stripe or of the org, and other flows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from flows.engine.contract import Input, Output, told_apart
from flows.mapping.rules import Rules

RECORD_CHANGES = "salesforce.change"
PLATFORM_EVENTS = "salesforce.event"
OTHER_FLOWS = "flow"

Change = Literal["created", "updated", "deleted", "undeleted"]

_API_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,79}$"
_EVENT_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,76}__e$"
_HOURS = (
    "Events that were received later than this after they happened are history: they change records, but "
)
Hours = Annotated[int, Field(ge=1, le=720, description=f"{_HOURS}start and create nothing.")]


class StripeTrigger(BaseModel):
    """What starts the flow: Stripe events of these types."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["stripe.event"] = Field(description="The kind of trigger.")
    slot: Literal["stripe"] = Field(
        default="stripe", description="The slot whose connection receives the events."
    )
    types: list[str] = Field(min_length=1, description="Event types that start the flow.")
    fetch: list[str] = Field(
        default=[],
        description="Event types whose object is always read anew, since the payload lacks something.",
    )
    effects_within_hours: Hours = 24

    @property
    def root(self) -> str:
        """Return under which name steps read what came: objects of Stripe have the names of their types."""
        return ""


class ChangeTrigger(BaseModel):
    """What starts the flow: changes of the records of one object in Salesforce."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["salesforce.change"] = Field(description="The kind of trigger.")
    slot: Literal["salesforce"] = Field(
        default="salesforce", description="The slot whose connection hears the changes."
    )
    object: str = Field(pattern=_API_NAME, description="The object, by its API name.")
    changes: list[Change] = Field(
        default=["created", "updated"],
        min_length=1,
        max_length=4,
        description="Which changes start the flow.",
    )
    fields: list[Annotated[str, Field(pattern=_API_NAME)]] = Field(
        default=[],
        max_length=100,
        description="An update starts the flow only if one of these fields changed; without any, every "
        "update does.",
    )
    when: Rules | None = Field(
        default=None,
        description="What must hold of the record as it is when the flow begins; otherwise the event is "
        "ignored.",
    )
    effects_within_hours: Hours = 24

    @property
    def root(self) -> str:
        """Return under which name steps read the record: that of its object."""
        return self.object

    @property
    def types(self) -> list[str]:
        """Return the types of event that start the flow."""
        return [f"{self.object}.{change}" for change in dict.fromkeys(self.changes)]

    @property
    def fetch(self) -> list[str]:
        """Return the types of event whose record is read anew: all that leave one."""
        return [f"{self.object}.{change}" for change in dict.fromkeys(self.changes) if change != "deleted"]


class EventTrigger(BaseModel):
    """What starts the flow: platform events of one kind, as somebody publishes them in Salesforce."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["salesforce.event"] = Field(description="The kind of trigger.")
    slot: Literal["salesforce"] = Field(
        default="salesforce", description="The slot whose connection hears the events."
    )
    event: str = Field(pattern=_EVENT_NAME, description="The platform event, by its API name.")
    effects_within_hours: Hours = 24

    @property
    def root(self) -> str:
        """Return under which name steps read what the event carries: its own."""
        return self.event

    @property
    def types(self) -> list[str]:
        """Return the types of event that start the flow."""
        return [self.event]

    @property
    def fetch(self) -> list[str]:
        """Return the types of event whose record is read anew: an event has none."""
        return []


class SubFlowTrigger(BaseModel):
    """What starts the flow: nothing by itself. It is a sub-flow, whose steps other flows take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["flow"] = Field(description="The kind of trigger.")
    slot: Literal["stripe"] = Field(default="stripe", description="It means nothing: no event comes.")
    inputs: Annotated[list[Input], AfterValidator(told_apart)] = Field(
        default=[], max_length=50, description="What a flow that takes the steps has to give them."
    )
    outputs: Annotated[list[Output], AfterValidator(told_apart)] = Field(
        default=[], max_length=50, description="What the steps give to a flow that takes them."
    )
    effects_within_hours: Hours = 24

    @property
    def root(self) -> str:
        """Return under which name steps read what came: nothing does, they read their inputs."""
        return ""

    @property
    def types(self) -> list[str]:
        """Return the types of event that start the flow: none does."""
        return []

    @property
    def fetch(self) -> list[str]:
        """Return the types of event whose object is read anew: there are none."""
        return []


Trigger = StripeTrigger | ChangeTrigger | EventTrigger | SubFlowTrigger
AnyTrigger = Annotated[Trigger, Field(discriminator="kind")]
KINDS = ("stripe.event", RECORD_CHANGES, PLATFORM_EVENTS, OTHER_FLOWS)

_ANY: TypeAdapter[Trigger] = TypeAdapter(AnyTrigger)


def read_trigger(raw: Mapping[str, Any]) -> Trigger:
    """
    Return the trigger of a document.

    :raises ValueError: if it is unfinished
    """
    return _ANY.validate_python(raw)
