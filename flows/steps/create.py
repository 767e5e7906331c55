"""This module creates a record in Salesforce for people to work on, such as a task, never a second one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from flows.engine.item import Item
from flows.engine.kind import Answer, Earlier, Nature, Step
from flows.engine.ports import Intent, Ports
from flows.mapping.spec import API_NAME
from flows.mapping.widgets import shown
from flows.steps import once
from flows.steps.base import StepKind
from flows.steps.ids import About, about, no_id
from flows.steps.refused import Chosen, Refusals, settle
from flows.steps.saving import Job, check_record, mapped_fields, nested
from integrator.kernel.errors import Ambiguous

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

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            refusals = Refusals(step_id, settings.object, KEY_FIELD, ports, exclusive=False)
            jobs = [
                Job(place, item, item.outputs[settings.record], source_of(item))
                for place, item in enumerate(batch)
            ]
            return _Creating(step_id, settings, refusals, ports).create(jobs)

        return step

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return what is wrong between this step and the map step whose record it creates."""
        if settings.slot != "salesforce":
            return [("slot", "Records are created in the slot salesforce")]
        if problems := check_record(settings.record, settings.object, earlier):
            return problems
        if KEY_FIELD in mapped_fields(settings.record, earlier):
            return [("record", f"{settings.record} maps {KEY_FIELD}, which this step fills itself")]
        return []


class _Creating:
    """One batch of records to create. The key of a job is what its record is about."""

    def __init__(self, step_id: str, settings: CreateSettings, refusals: Refusals, ports: Ports) -> None:
        self._step_id = step_id
        self._settings = settings
        self._refusals = refusals
        self._ports = ports
        self._instead: dict[int, Chosen | Answer] = {}  # what people chose, by place

    def create(self, jobs: Sequence[Job]) -> list[Answer]:
        left = ((job.place, self._refusals.left_out(job)) for job in jobs)
        self._instead.update((place, answer) for place, answer in left if answer is not None)
        self._instead |= self._refusals.chosen([job for job in jobs if job.place not in self._instead])
        answers = self._made(jobs)
        refused = [place for place, answer in enumerate(answers) if isinstance(answer, Ambiguous)]
        if refused:
            some, why = [jobs[place] for place in refused], [answers[place] for place in refused]
            after = settle(self._refusals, some, why, self._made, lambda _: None, together=len(jobs))
            for number, answer in after.items():
                answers[refused[number]] = answer
        return answers

    def _made(self, jobs: Sequence[Job]) -> list[Answer]:
        intents = iter([self._intent(job) for job in jobs])
        return once.step_of(lambda _: next(intents))([job.item for job in jobs], self._ports)

    def _intent(self, job: Job) -> Intent | Answer:
        if not job.key:
            return no_id("about", "It is not known what the record would be about")
        instead = self._instead.get(job.place)
        if instead is not None and not isinstance(instead, Chosen):
            return instead
        return Intent(
            item=job.item,
            step=self._step_id,
            kind="creating",
            purpose=self._settings.purpose,
            record=job.key,
            slot=self._settings.slot,
            action="upsert" if instead is None else "update",
            request=self._new(job) if instead is None else self._marked(instead),
            created=self._settings.object,
            repeatable=True,
        )

    def _new(self, job: Job) -> dict[str, Any]:
        request = {
            "object": self._settings.object,
            "external_id_field": KEY_FIELD,
            "external_id": "{effect}",
            "values": nested(job.record),
        }
        return request | ({"allow_duplicates": True} if self._refusals.is_saved_nonetheless(job) else {})

    def _marked(self, chosen: Chosen) -> dict[str, Any]:
        """Return what is written to a record that is there: the key alone, and never over another key."""
        values = {} if chosen.held else {KEY_FIELD: "{effect}"}
        request = {"object": self._settings.object, "id": chosen.record_id, "values": values}
        return {**request, "allow_duplicates": True}  # a person has looked at what it looks like
