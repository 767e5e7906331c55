"""This module changes an object that is in Stripe already, unless a newer state was saved already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from msgspec import structs
from pydantic import BaseModel, ConfigDict, Field

from connectors.stripe.operations import UPDATES, Operation
from flows.engine.item import Item
from flows.engine.kind import Answer, Earlier, Nature, Step
from flows.engine.once import KEY_SPENT
from flows.engine.outcome import Done
from flows.engine.ports import Ports, Result
from flows.mapping.failure import MappingFailed
from flows.mapping.reading import Paths, Read, first_of
from flows.mapping.widgets import shown
from flows.steps.base import StepKind
from flows.steps.by_id import SavingById, WithoutOne
from flows.steps.caring import care_of
from flows.steps.differing import differing
from flows.steps.ids import id_in
from flows.steps.parameters import Given, Made, Name, Repeat, compile_parameters, faults
from flows.steps.saving import Care, Job
from flows.steps.sides import InStripe
from flows.steps.two_way import ObjectTwoWay, lines_of_parameters, two_way_field, unwritten
from flows.steps.values import unmapped
from integrator.kernel import canonical
from integrator.kernel.errors import IntegrationError, Missing

_SPENT = "keys_spent"  # how many keys of the same change bring no other answer any more

Changed = Literal[
    "customer",
    "product",
    "price",
    "subscription",
    "subscription_item",
    "subscription_schedule",
    "invoice",
    "payment_link",
    "payment_intent",
    "charge",
    "refund",
    "dispute",
]


class UpdateInStripeSettings(BaseModel):
    """Which object is changed, and what of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str = Field(default="stripe", description="The slot whose connection is written to.")
    object: Changed = Field(json_schema_extra=shown("What is changed"), description="The kind of object.")
    id: Paths = Field(
        json_schema_extra=shown("Its id is read from", offers="paths", add="Add a fallback"),
        min_length=1,
        description="Where the object's id is read.",
    )
    parameters: Given = Field(
        json_schema_extra=shown(
            "Parameters",
            offers="paths",
            add="Add a parameter",
            names=("Parameter", "stripe_changes", "object"),
        ),
        min_length=1,
        max_length=100,
        description="What is changed, by Stripe's names. What is not named stays as it is. To change an "
        "item of a subscription, give its id as items[0].id: without it, another item is added.",
    )
    repeat: Repeat = {}
    emptied: list[Name] = Field(
        json_schema_extra=shown(
            "Emptied without a value", offers="stripe_changes", of="object", more=True, add="Add a parameter"
        ),
        default=[],
        max_length=50,
        description="Parameters that are emptied in Stripe where they have no value. The others then stay as "
        "they are.",
    )
    missing: WithoutOne = Field(
        json_schema_extra=shown(
            "Without such an object",
            more=True,
            words={"exit": "Go the way “if there is none”", "fail": "Fail"},
        ),
        default="exit",
        description="What happens without an id, or where its object is gone: take the exit none, or fail.",
    )

    two_way: ObjectTwoWay | None = two_way_field()

    @property
    def operation(self) -> Operation:
        """Return the write of Stripe that it is."""
        return UPDATES[self.object]


class UpdateInStripe(StepKind):
    """Change an object that is in Stripe already and is known by its id, as far as it is not so already."""

    slug: ClassVar[str] = "stripe.update"
    label: ClassVar[str] = "Update in Stripe"
    exits: ClassVar[tuple[str, ...]] = ("next", "none")
    settings_model = UpdateInStripeSettings
    nature: ClassVar[Nature] = "writes"

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the change as a function over a batch."""
        read_id = first_of(settings.id)
        made = compile_parameters(
            settings.operation, settings.parameters, repeat=settings.repeat, emptied=settings.emptied
        )

        lines = lines_of_parameters(
            settings.object,
            {name: value.line("Value").reads() for name, value in settings.parameters.items()},
        )

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            side = InStripe(settings.object, lines, ports)
            care = care_of(step_id, settings.two_way, side, ports)
            updating = _Updating(step_id, settings, ports, read_id=read_id, made=made, care=care)
            return updating.change(batch)

        return step

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return what is wrong with the slot and the parameters."""
        if settings.slot != "stripe":
            return [("slot", "Objects of Stripe are changed in the slot stripe")]
        found = faults(settings.operation, settings.parameters, repeat=[*settings.repeat])
        strange = [name for name in settings.emptied if name not in settings.parameters]
        if settings.two_way is not None and (
            settings.repeat or any("[" in one for one in settings.parameters)
        ):
            return [("two_way", "Lists in Stripe, and metadata with a name in brackets, are not compared")]
        return [
            *unwritten(settings.two_way, settings.parameters),
            *(("parameters", one) for one in found),
            *(("emptied", f"{name} is none of the parameters above") for name in strange),
        ]


class _Updating(SavingById):
    """One batch of changes."""

    linked: ClassVar[bool] = False  # a link names the record of Salesforce that an object belongs to

    def __init__(
        self,
        step_id: str,
        settings: UpdateInStripeSettings,
        ports: Ports,
        *,
        read_id: Read,
        made: Made,
        care: Care,
    ) -> None:
        super().__init__(
            step_id,
            settings.object,
            ports,
            slot=settings.slot,
            without_one=settings.missing,
            care=care,
        )
        self._read_id = read_id
        self._made = made

    def _job(self, place: int, item: Item) -> Job | Answer:
        own_id = id_in(self._read_id(item.context))
        if not own_id:
            return self._none("There is no id of an object", "no_id")
        try:
            return Job(place, item, self._made(item), own_id)
        except MappingFailed as failed:
            return unmapped(failed)

    def _send(self, jobs: Sequence[Job]) -> Sequence[Result | Answer]:
        """Send what differs from the objects as they are: a change of nothing would only be told as one."""
        found = self._found(jobs)
        results: list[Result | Answer] = [*found]
        requests: dict[int, dict[str, Any]] = {}
        for place, (job, answer) in enumerate(zip(jobs, found, strict=True)):
            if isinstance(answer, Missing):
                continue
            if values := _to_send(job, answer):
                key = self._key(job, values)
                requests[place] = {"object": self._object, "id": job.key, "values": values, "key": key}
            else:
                results[place] = {"id": job.key, "unchanged": True}
        sent = self._ports.call_many(self._slot, "update", [*requests.values()]) if requests else []
        for place, result in zip(requests, sent, strict=True):
            results[place] = result
        return results

    def _found(self, jobs: Sequence[Job]) -> Sequence[Result]:
        """Return the objects as they are; where both sides may change them, they were compared already."""
        if self._agreeing is not None:
            return [{"object": {}}] * len(jobs)
        return self._ports.call_many(
            self._slot, "retrieve", [{"type": self._object, "id": job.key} for job in jobs]
        )

    def _answer(self, job: Job, result: Result | Answer) -> Answer:
        answer = super()._answer(job, result)
        if isinstance(answer, Done) and isinstance(result, dict) and result.get("unchanged"):
            return structs.replace(answer, effect="unchanged")
        return answer

    def _key(self, job: Job, values: Mapping[str, Any]) -> str:
        """Return what makes a second try of the same change the same request; another change is another."""
        step = job.item.key(self._step_id)
        spent = job.item.recall(self._step_id, _SPENT) or 0
        # Where both sides may change it, the same change of something else is another request: Stripe would
        # answer the second with what it said to the first.
        found = [self._agreeing.state_of(job)] if self._agreeing is not None else []
        return canonical.fingerprint([job.item.run_id, step, job.key, values, spent, *found])

    def _failed(self, job: Job, failure: IntegrationError) -> Answer:
        if failure.code == KEY_SPENT:
            spent = job.item.recall(self._step_id, _SPENT) or 0
            job.item.keep(self._step_id, _SPENT, spent + 1)
        return super()._failed(job, failure)


def _to_send(job: Job, found: Result) -> Mapping[str, Any]:
    """Return what is to be sent of a change; all of it where the object could not be read, or is deleted."""
    if isinstance(found, IntegrationError) or found["object"].get("deleted"):
        return job.record
    return differing(job.record, found["object"])
