"""This module publishes a platform event in Salesforce, for whatever listens there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flows.engine.item import Item
from flows.engine.kind import Answer, Earlier, Nature, Step
from flows.engine.ports import Intent
from flows.mapping.failure import MappingFailed
from flows.mapping.reading import Context, Paths, first_of
from flows.mapping.widgets import shown
from flows.steps import once
from flows.steps.base import StepKind
from flows.steps.ids import About, about, id_in, no_id
from flows.steps.saving import check_record
from flows.steps.values import Values, compile_values, unmapped

EVENT_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,76}__e$"


class PublishSettings(BaseModel):
    """Which event is published, and with which fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str = Field(default="salesforce", description="The slot whose connection is written to.")
    event: str = Field(
        json_schema_extra=shown("Platform event", offers="platform_events"),
        pattern=EVENT_NAME,
        description="API name of the platform event; it ends with __e.",
    )
    values: Values = Field(
        json_schema_extra=shown(
            "Fields of the event",
            add="Add a field",
            names=("Field", "fields", "event"),
            either=("What it holds", "Values given here"),
        ),
        default={},
        max_length=100,
        description="The event's fields, by their API names.",
    )
    record: str = Field(
        json_schema_extra=shown(
            "Record of", offers="maps", either=("What it holds", "The record of a map step")
        ),
        default="",
        description="The earlier map step whose record is published instead.",
    )
    about: About = []
    occurrence: Paths = Field(
        json_schema_extra=shown("What happened", offers="paths", more=True, add="Add a fallback"),
        default=["event.id"],
        min_length=1,
        description="Where the id is read of what happened. The event is published once for each source and "
        "occurrence.",
    )

    @model_validator(mode="after")
    def _has_one_source(self) -> PublishSettings:
        if bool(self.values) is bool(self.record):
            raise ValueError("Say either the event's values or the map step that makes them")
        return self


class Publish(StepKind):
    """Publish a platform event once for each occurrence; if the answer is lost, a person is asked."""

    slug: ClassVar[str] = "salesforce.publish"
    label: ClassVar[str] = "Publish a platform event"
    settings_model = PublishSettings
    nature: ClassVar[Nature] = "effect"

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the publication as a function over a batch."""
        values_of = _compile_values(settings)
        source_of, read_occurrence = about(settings.about), first_of(settings.occurrence)

        def intent(item: Item) -> Intent | Answer:
            source, occurrence = source_of(item), id_in(read_occurrence(item.context))
            if not source or not occurrence:
                return no_id("occurrence" if source else "about", "It is not known what the event is about")
            try:
                values = values_of(item)
            except MappingFailed as failed:
                return unmapped(failed)
            return Intent(
                item=item,
                step=step_id,
                kind="notifying",
                purpose=f"Publish the event {settings.event}",
                record=source,
                slot=settings.slot,
                action="publish",
                request={"event": settings.event, "values": values},
                occurrence=occurrence,
            )

        return once.step_of(intent)

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return what is wrong between this step and the map step whose record it publishes."""
        if settings.slot != "salesforce":
            return [("slot", "Events are published in the slot salesforce")]
        return check_record(settings.record, settings.event, earlier) if settings.record else []


def _compile_values(settings: PublishSettings) -> Callable[[Item], dict[str, Any]]:
    """Return what reads the event's values; it raises `MappingFailed` where one cannot be made."""
    compiled = compile_values(settings.values, settings.event)
    if compiled is None:
        return lambda item: dict(item.outputs[settings.record])

    def values(item: Item) -> dict[str, Any]:
        context: Context = item.context
        return compiled.apply(context).record

    return values
