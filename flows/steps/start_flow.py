"""This module starts a Flow of Salesforce, such as dunning for a payment that failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from flows.engine.item import Item
from flows.engine.kind import Answer, Earlier, Nature, Step
from flows.engine.outcome import Failure, GiveUp
from flows.engine.ports import Intent, Params
from flows.mapping.apply import CompiledMapping
from flows.mapping.failure import MappingFailed
from flows.mapping.reading import Paths, Read, first_of
from flows.mapping.spec import API_NAME
from flows.mapping.widgets import shown
from flows.steps import once
from flows.steps.base import StepKind
from flows.steps.ids import About, about, id_in, no_id, record_id_in
from flows.steps.values import Values, compile_values, unmapped
from integrator.kernel import canonical

EFFECT_OBJECT = "Integration_Effect__c"  # a record-triggered Flow of the package acts on its creation
LONGEST_PAYLOAD = 131_072  # of its field Payload__c


class StartFlowSettings(BaseModel):
    """Which Flow is started, with what, and how often."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str = Field(default="salesforce", description="The slot whose connection is written to.")
    flow: str = Field(
        json_schema_extra=shown("Salesforce Flow", offers="flows"),
        pattern=API_NAME,
        description="API name of an active, autolaunched Flow.",
    )
    inputs: Values = Field(
        json_schema_extra=shown("Inputs", offers="paths", add="Add an input", names=("Variable",)),
        default={},
        max_length=50,
        description="Values for the Flow's input variables, by their names.",
    )
    record: Paths = Field(
        json_schema_extra=shown("Record it works on", offers="paths", add="Add a fallback"),
        default=[],
        description="Where the id of the Salesforce record is read that the Flow works on.",
    )
    about: About = []
    occurrence: Paths = Field(
        json_schema_extra=shown("What happened", offers="paths", more=True, add="Add a fallback"),
        default=["event.id"],
        min_length=1,
        description="Where the id is read of what happened. For each source and occurrence the Flow is "
        "started once; a second decline has another event and starts it again.",
    )
    through: Literal["record", "direct"] = Field(
        json_schema_extra=shown(
            "How it is started",
            more=True,
            words={"record": "By a record of the package", "direct": "By a direct call"},
        ),
        default="record",
        description="By a record of the package whose unique key lets the org act once only, or by a direct "
        "call, of which nobody can tell whether it happened if its answer is lost.",
    )
    kind: Literal["dunning", "notify", "other"] = Field(
        json_schema_extra=shown("Kind of effect", more=True, words={"notify": "Notification"}),
        default="dunning",
        description="Which kind of effect the record says it is; the org's Flow goes by it.",
    )


class StartFlow(StepKind):
    """Start a Salesforce Flow once for each occurrence, however often the run is tried or replayed."""

    slug: ClassVar[str] = "salesforce.start_flow"
    label: ClassVar[str] = "Start a Salesforce Flow"
    settings_model = StartFlowSettings
    nature: ClassVar[Nature] = "effect"

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the start as a function over a batch."""
        starting = _Starting(step_id, settings)

        return once.step_of(starting.intent)

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return what is wrong with the slot."""
        return [] if settings.slot == "salesforce" else [("slot", "Flows are started in the slot salesforce")]


class _Starting:
    """One step that starts a Flow, compiled."""

    def __init__(self, step_id: str, settings: StartFlowSettings) -> None:
        self._step_id = step_id
        self._settings = settings
        self._inputs: CompiledMapping | None = compile_values(settings.inputs, settings.flow)
        self._read_record: Read | None = first_of(settings.record) if settings.record else None
        self._source_of: Callable[[Item], str] = about(settings.about)
        self._read_occurrence: Read = first_of(settings.occurrence)

    def intent(self, item: Item) -> Intent | Answer:
        """Return the start for one run, or why there can be none."""
        source, occurrence = self._source_of(item), id_in(self._read_occurrence(item.context))
        if not source:
            return no_id("about", "It is not known what the Flow would be started for")
        if not occurrence:
            return no_id("occurrence", "It is not known which occurrence the Flow would be started for")
        try:
            inputs = self._inputs.apply(item.context).record if self._inputs is not None else {}
        except MappingFailed as failed:
            return unmapped(failed)
        request = self._request(item, inputs)
        if isinstance(request, GiveUp):
            return request
        return Intent(
            item=item,
            step=self._step_id,
            kind="starting",
            purpose=f"Start the Flow {self._settings.flow}",
            record=source,
            slot=self._settings.slot,
            action="upsert" if self._settings.through == "record" else "start_flow",
            request=request,
            occurrence=occurrence,
            repeatable=self._settings.through == "record",
        )

    def _request(self, item: Item, inputs: Mapping[str, Any]) -> Params | GiveUp:
        called = {"flow": self._settings.flow, "inputs": dict(inputs)}
        if self._settings.through == "direct":
            return called
        values = {"Kind__c": self._settings.kind, "Payload__c": canonical.dumps(called).decode("ascii")}
        if len(values["Payload__c"]) > LONGEST_PAYLOAD:
            message = f"The inputs of the Flow have more than {LONGEST_PAYLOAD} characters"
            return GiveUp(message, Failure("data", message, code="too_long", field="inputs"))
        if self._read_record is not None:
            record_id = record_id_in(self._read_record(item.context))
            if not record_id:
                return no_id("record", "There is no id of the record that the Flow would work on")
            values["Record_ID__c"] = record_id
        return {
            "object": EFFECT_OBJECT,
            "external_id_field": "External_ID__c",
            "external_id": "{effect}",
            "values": values,
        }
