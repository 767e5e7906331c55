"""This module changes a record that is in Salesforce already, unless a newer state was saved already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from flows.engine.item import Item
from flows.engine.kind import Answer, Earlier, Nature, Step
from flows.engine.outcome import Failure, GiveUp
from flows.engine.ports import Ports, Result
from flows.mapping.failure import quoted
from flows.mapping.reading import Paths, Read, first_of
from flows.mapping.widgets import shown
from flows.steps.base import SalesforceObject, StepKind
from flows.steps.by_id import SavingById, WithoutOne
from flows.steps.caring import care_of
from flows.steps.halving import in_smaller_calls
from flows.steps.ids import record_id_in
from flows.steps.refused import Refusals, settle
from flows.steps.saving import Care, Job, check_record, mapped_fields, mapping_of, request
from flows.steps.sides import InSalesforce
from flows.steps.there import stands, unchanged
from flows.steps.two_way import RecordTwoWay, lines_of_record, two_way_field, unwritten

_LARGEST_RANK = 2**63 - 1  # what the database holds


class UpdateSettings(BaseModel):
    """Which record is changed, and with which fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str = Field(default="salesforce", description="The slot whose connection is written to.")
    object: SalesforceObject
    id: Paths = Field(
        json_schema_extra=shown("Record id is read from", offers="paths", add="Add a fallback"),
        min_length=1,
        description="Where the record's id is read.",
    )
    record: str = Field(
        json_schema_extra=shown("Record of", offers="maps"),
        description="The earlier map step whose fields are written.",
    )
    missing: WithoutOne = Field(
        json_schema_extra=shown(
            "Without such a record",
            more=True,
            words={"exit": "Go the way “if there is none”", "fail": "Fail"},
        ),
        default="exit",
        description="What happens without an id, or where its record is gone: take the exit none, or fail.",
    )
    newest_by: Paths = Field(
        json_schema_extra=shown("Newest by", offers="paths", more=True, add="Add a fallback"),
        default=[],
        description="Where several Stripe objects change the same record: a whole number that says which of "
        "them counts. The highest does, such as the payment that was made last.",
    )
    two_way: RecordTwoWay | None = two_way_field()


class Update(StepKind):
    """Change a record that is in Salesforce already and is known by its id."""

    slug: ClassVar[str] = "salesforce.update"
    label: ClassVar[str] = "Update a record"
    exits: ClassVar[tuple[str, ...]] = ("next", "none")
    settings_model = UpdateSettings
    nature: ClassVar[Nature] = "writes"

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the update as a function over a batch."""
        return self.compile_behind(step_id, settings, {})

    def compile_behind(self, step_id: str, settings: Any, earlier: Mapping[str, Earlier]) -> Step:
        """Return the same; where both sides may change the record, it knows what each field is made of."""
        read_id = first_of(settings.id)
        rank = first_of(settings.newest_by) if settings.newest_by else None
        lines = lines_of_record(settings.object, mapping_of(settings.record, earlier), key="Id")

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            side = InSalesforce(settings.object, lines, ports)
            care = care_of(step_id, settings.two_way, side, ports)
            updating = _Updating(step_id, settings, ports, read_id=read_id, rank=rank, care=care)
            return updating.change(batch)

        return step

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return what is wrong between this step and the map step whose fields it writes."""
        if settings.slot != "salesforce":
            return [("slot", "Records are saved in the slot salesforce")]
        if settings.two_way is not None and settings.newest_by:
            return [("two_way", "A record that several objects change has no one other side to agree with")]
        problems = check_record(settings.record, settings.object, earlier)
        return problems or unwritten(settings.two_way, mapped_fields(settings.record, earlier))


class _Updating(SavingById):
    """One batch of updates."""

    def __init__(
        self,
        step_id: str,
        settings: UpdateSettings,
        ports: Ports,
        *,
        read_id: Read,
        rank: Read | None,
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
        self._settings = settings
        self._read_id = read_id
        self._read_rank = rank
        self._refusals = Refusals(step_id, settings.object, "Id", ports)

    def _job(self, place: int, item: Item) -> Job | Answer:
        given = self._read_id(item.context)
        record = item.outputs[self._settings.record]
        record_id = record_id_in(given)
        if not record_id:
            said = f"{quoted(given)} is no id of a record" if given else "There is no id of a record"
            return self._none(said, "no_id")
        rank = self._read_rank(item.context) if self._read_rank is not None else None
        if self._read_rank is not None and (type(rank) is not int or abs(rank) > _LARGEST_RANK):
            message = f"{quoted(rank)} does not say which source counts: it is no whole number"
            return GiveUp(message, Failure("data", message, code="not_a_number", field="newest_by"))
        return Job(place, item, record, record_id, rank)

    def _send(self, jobs: Sequence[Job]) -> Sequence[Result | Answer]:
        there = {job.place for job in jobs if self._agreeing is None and self._is_there(job)}
        done: dict[int, Answer] = {job.place: unchanged(job) for job in jobs if job.place in there}
        done |= {job.place: left for job in jobs if (left := self._refusals.left_out(job)) is not None}
        to_send = [job for job in jobs if job.place not in done]
        results: list[Result | Answer] = [*self._updated(to_send)]
        for place, answer in settle(self._refusals, to_send, results, self._updated, lambda _: None).items():
            results[place] = answer
        sent = iter(results)
        return [done[job.place] if job.place in done else next(sent) for job in jobs]

    def _updated(self, jobs: Sequence[Job]) -> Sequence[Result]:
        requests = [
            {
                "id": job.key,
                **request(self._object, job, without="Id"),
                **({"allow_duplicates": True} if self._refusals.is_saved_nonetheless(job) else {}),
            }
            for job in jobs
        ]
        return in_smaller_calls(self._update_all, requests) if requests else []

    def _update_all(self, requests: Sequence[dict[str, Any]]) -> Sequence[Result]:
        return self._ports.call_many(self._slot, "update", requests)

    def _is_there(self, job: Job) -> bool:
        return stands(job, self._object, "Id", self._newest[job.key])
