"""This module creates a record in Salesforce for people to work on, such as a task, never a second one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from flows.engine.item import Item
from flows.engine.kind import Answer, Earlier, Nature, Step
from flows.engine.ports import Intent
from flows.mapping.spec import API_NAME
from flows.mapping.widgets import shown
from flows.steps import once
from flows.steps.base import StepKind
from flows.steps.ids import About, about, no_id
from flows.steps.saving import check_record, mapped_fields, nested

KEY_FIELD = "Integration_Key__c"  # unique, and set on creation only: what makes a second try harmless


class CreateSettings(BaseModel):
    """Which record is created, and what for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str = Field(default="salesforce", description="The slot whose connection is written to.")
    object: str = Field(
        json_schema_extra=shown("Salesforce object", offers="objects"),
        pattern=API_NAME,
        description="API name of the object, such as Task or Case; it has an integration key.",
    )
    record: str = Field(
        json_schema_extra=shown("Record of", offers="maps"),
        description="The earlier map step whose record is created.",
    )
    purpose: str = Field(
        json_schema_extra=shown("Purpose"),
        min_length=1,
        max_length=150,
        description="What it is for. There is one for each purpose and source, whatever the flow.",
    )
    about: About = []


class Create(StepKind):
    """Create a record for people to work on, once for each source and purpose however often it is tried."""

    slug: ClassVar[str] = "salesforce.create"
    label: ClassVar[str] = "Create a record, once"
    settings_model = CreateSettings
    nature: ClassVar[Nature] = "creates"

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the creation as a function over a batch."""
        source_of = about(settings.about)

        def intent(item: Item) -> Intent | Answer:
            source = source_of(item)
            if not source:
                return no_id("about", "It is not known what the record would be about")
            request = {
                "object": settings.object,
                "external_id_field": KEY_FIELD,
                "external_id": "{effect}",
                "values": nested(item.outputs[settings.record]),
            }
            return Intent(
                item=item,
                step=step_id,
                kind="creating",
                purpose=settings.purpose,
                record=source,
                slot=settings.slot,
                action="upsert",
                request=request,
                created=settings.object,
                repeatable=True,
            )

        return once.step_of(intent)

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return what is wrong between this step and the map step whose record it creates."""
        if settings.slot != "salesforce":
            return [("slot", "Records are created in the slot salesforce")]
        if problems := check_record(settings.record, settings.object, earlier):
            return problems
        if KEY_FIELD in mapped_fields(settings.record, earlier):
            return [("record", f"{settings.record} maps {KEY_FIELD}, which this step fills itself")]
        return []
