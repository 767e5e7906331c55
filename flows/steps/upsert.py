"""This module saves a record in Salesforce by its external id, unless a newer state was saved already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from flows.engine.item import Item, Write
from flows.engine.kind import Answer, Earlier, Nature, Step
from flows.engine.outcome import Failure, GiveUp
from flows.engine.ports import Ports, Result
from flows.mapping.conditions import Condition, compile_condition
from flows.mapping.reading import Context, Paths, first_of
from flows.mapping.spec import API_NAME
from flows.mapping.widgets import shown
from flows.steps import taking_over
from flows.steps.base import SalesforceObject, StepKind
from flows.steps.caring import care_of
from flows.steps.following import Following
from flows.steps.halving import in_smaller_calls
from flows.steps.ids import LONGEST
from flows.steps.parents import Orphan, Parent, Parents
from flows.steps.refused import Chosen, Refusals, settle
from flows.steps.saving import Care, Job, Saving, check_record, mapped_fields, mapping_of, request
from flows.steps.sides import InSalesforce
from flows.steps.there import stands, unchanged
from flows.steps.two_way import RecordTwoWay, lines_of_record, two_way_field, unwritten
from integrator.kernel.errors import Ambiguous, IntegrationError

_LARGEST_AMOUNT = 2**63 - 1  # what the database holds

_Money = tuple[int | None, str]
_Worth = Callable[[Context], _Money]


class CountsAsMoney(BaseModel):
    """What the record is worth on the dashboard once it is saved."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amount: Paths = Field(
        json_schema_extra=shown("Amount", offers="paths", add="Add a fallback"),
        min_length=1,
        description="Where the amount is read, in cents or what the currency has instead.",
    )
    currency: Paths = Field(
        json_schema_extra=shown("Currency", offers="paths", add="Add a fallback"),
        min_length=1,
        description="Where its currency is read.",
    )
    when: Condition | None = Field(
        json_schema_extra=shown("Only while", ask="What must hold", add="Add a condition"),
        default=None,
        description="It counts only while this holds.",
    )


class UpsertSettings(BaseModel):
    """Which record is saved, and by which field it is found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str = Field(default="salesforce", description="The slot whose connection is written to.")
    object: SalesforceObject
    external_id: str = Field(
        json_schema_extra=shown("External ID field", offers="external_ids", of="object"),
        pattern=API_NAME,
        description="API name of its external id field.",
    )
    record: str = Field(
        json_schema_extra=shown("Record of", offers="maps"),
        description="The earlier map step whose record is saved.",
    )
    counts_as_money: CountsAsMoney | None = Field(
        json_schema_extra=shown("Count it in the money total", more=True, add="Count it"),
        default=None,
        description="Count the record in the total of money synced.",
    )
    parents: list[Parent] = Field(
        json_schema_extra=shown("Missing parents", more=True, add="Add a parent"),
        default=[],
        max_length=10,
        description="Records that it refers to; where one is not in the org yet, it is saved first.",
    )
    two_way: RecordTwoWay | None = two_way_field()


class Upsert(StepKind):
    """Save the record in Salesforce: update the one with this external id, or create it."""

    slug: ClassVar[str] = "salesforce.upsert"
    label: ClassVar[str] = "Save a record"
    settings_model = UpsertSettings
    nature: ClassVar[Nature] = "writes"

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the upsert as a function over a batch."""
        return self.compile_behind(step_id, settings, {})

    def compile_behind(self, step_id: str, settings: Any, earlier: Mapping[str, Earlier]) -> Step:
        """Return the same; where both sides may change the record, it knows what each field is made of."""
        worth = _compile_worth(settings.counts_as_money)
        parents = Parents(settings.parents)
        key = settings.external_id
        lines = lines_of_record(settings.object, mapping_of(settings.record, earlier), key=key)

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            following = Following(step_id, settings.object, key, ports)
            side = InSalesforce(settings.object, lines, ports, key, following.survivors)
            care = care_of(step_id, settings.two_way, side, ports)
            upserting = _Upserting(
                step_id,
                settings,
                ports,
                worth=worth,
                parents=parents,
                following=following,
                care=care,
            )
            return upserting.upsert(batch)

        return step

    def check(self, settings: Any, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
        """Return what is wrong between this step and the map step whose record it saves."""
        if settings.slot != "salesforce":
            return [("slot", "Records are saved in the slot salesforce")]
        if problems := check_record(settings.record, settings.object, earlier):
            return problems
        fields = mapped_fields(settings.record, earlier)
        if settings.external_id not in fields:
            return [("external_id", f"{settings.record} does not map {settings.external_id}")]
        if problems := unwritten(settings.two_way, fields - {settings.external_id}):
            return problems
        related = {field.partition(".")[0] for field in fields if "." in field}
        return [
            ("parents", f"{settings.record} maps no field of {parent.field}")
            for parent in settings.parents
            if parent.field not in related
        ]


class _Upserting(Saving):
    """One batch of upserts."""

    def __init__(
        self,
        step_id: str,
        settings: UpsertSettings,
        ports: Ports,
        *,
        worth: _Worth,
        parents: Parents,
        following: Following,
        care: Care,
    ) -> None:
        super().__init__(step_id, settings.object, ports, care=care)
        self._settings = settings
        self._worth = worth
        self._parents = parents
        self._following = following
        self._refusals = Refusals(step_id, settings.object, settings.external_id, ports)
        self._chosen: dict[int, str] = {}  # records that are updated by their ids, by place in the batch

    def upsert(self, batch: Sequence[Item]) -> list[Answer]:
        answers: dict[int, Answer] = {}
        jobs: list[Job] = []
        field = self._settings.external_id
        for place, item in enumerate(batch):
            record = item.outputs[self._settings.record]
            external_id = record.get(field)
            if isinstance(external_id, str) and 0 < len(external_id) <= LONGEST:
                jobs.append(Job(place, item, record, external_id))
            else:
                answers[place] = _no_external_id(field, record)
        jobs, stopped = self._following.follow(jobs)
        answers |= stopped
        answers.update(self.save(jobs))
        return [answers[place] for place in range(len(batch))]

    def _owns(self, job: Job) -> bool:
        # Where both sides may change the record, the run may stand in the lane of the record itself.
        is_own = job.key == job.item.root_id and self._agreeing is None
        return is_own and job.key not in self._following.survivors

    def _send(self, jobs: Sequence[Job]) -> Sequence[Result | Answer]:
        key = self._settings.external_id
        there = {
            job.place
            for job in jobs
            if self._agreeing is None and stands(job, self._object, key, self._newest[job.key])
        }
        done: dict[int, Result | Answer] = {
            job.place: unchanged(job, created=False, external_id=job.key)
            for job in jobs
            if job.place in there
        }
        done |= {job.place: left for job in jobs if (left := self._refusals.left_out(job)) is not None}
        for place, one in self._refusals.chosen([job for job in jobs if job.place not in done]).items():
            if isinstance(one, Chosen):
                self._choose(place, one)
            else:
                done[place] = one
        results = iter(self._send_all([job for job in jobs if job.place not in done]))
        return [done[job.place] if job.place in done else next(results) for job in jobs]

    def _choose(self, place: int, one: Chosen) -> None:
        said = {"field": self._settings.external_id, "code": "chosen", "message": one.note}
        self._noted[place] = [*self._noted.get(place, []), said]
        self._chosen[place] = one.record_id

    def _send_all(self, jobs: Sequence[Job]) -> Sequence[Result | Answer]:
        results: list[Result | Answer] = [*self._call_many(jobs)]
        orphans = [
            Orphan(place, job.item, result)
            for place, (job, result) in enumerate(zip(jobs, results, strict=True))
            if isinstance(result, IntegrationError)
        ]
        again: dict[int, Job] = {}
        stopped: set[int] = set()  # what became of them is said of a parent, and not of the record itself
        for place, rescued in self._parents.rescue(self._step_id, orphans, self._ports).items():
            if rescued.answer is not None:
                results[place] = rescued.answer
                stopped.add(place)
            else:
                self._noted[jobs[place].place] = rescued.notes
                again[place] = jobs[place]._replace(record=rescued.turned(jobs[place].record))
        for place, result in zip(again, self._call_many(list(again.values())), strict=True):
            results[place] = result
        left = [place for place in range(len(jobs)) if place not in stopped]
        saved = [again.get(place, jobs[place]) for place in left]
        taken_over = self._taking_over(saved, [results[place] for place in left])
        for place, outcome in zip(left, self._settled(saved, taken_over, together=len(jobs)), strict=True):
            results[place] = outcome
        return results

    def _settled(
        self, jobs: Sequence[Job], results: Sequence[Result | Answer], *, together: int
    ) -> Sequence[Result | Answer]:
        """Let people say what becomes of the records that are refused as duplicates."""
        if not any(isinstance(result, Ambiguous) for result in results):
            return results
        taken: dict[int, Chosen] = {}
        after = settle(self._refusals, jobs, results, self._call_many, taken.update, together=together)
        for place, one in taken.items():
            self._choose(jobs[place].place, one)
        updated = self._call_many([jobs[place] for place in taken])
        after |= dict(zip(taken, updated, strict=True))
        return [after.get(place, result) for place, result in enumerate(results)]

    def _taking_over(self, jobs: Sequence[Job], results: list[Result | Answer]) -> Sequence[Result | Answer]:
        """Update the records that have the same value in another unique field and belong to nobody yet."""
        key = self._settings.external_id
        if self._agreeing is not None:  # what both sides agree on is a person's to say
            return results
        failed: list[Result] = [result if isinstance(result, IntegrationError) else {} for result in results]
        taken = taking_over.free_records(self._object, key, failed, self._ports)
        requests = [
            {
                **request(self._object, jobs[place], without=""),
                "id": one.record_id,
                **self._allowed(jobs[place]),
            }
            for place, one in taken.items()
        ]
        answers = self._ports.call_many(self._settings.slot, "update", requests) if requests else ()
        for (place, one), answer in zip(taken.items(), answers, strict=True):
            noted = self._noted.get(jobs[place].place, [])
            self._noted[jobs[place].place] = [*noted, one.note]
            results[place] = answer if isinstance(answer, IntegrationError) else {**answer, "created": False}
        return results

    def _call_many(self, jobs: Sequence[Job]) -> Sequence[Result]:
        """Save each record by its external id; one that was merged or chosen by the id of what it is now."""
        by_id = [place for place, job in enumerate(jobs) if self._is_by_id(job)]
        if not by_id:
            return self._by_external_id(jobs)
        others = [place for place, job in enumerate(jobs) if not self._is_by_id(job)]
        results = dict(zip(others, self._by_external_id([jobs[place] for place in others]), strict=True))
        requests = [self._to_record(jobs[place]) for place in by_id]
        answers = self._ports.call_many(self._settings.slot, "update", requests)
        results.update(zip(by_id, answers, strict=True))
        return [results[place] for place in range(len(jobs))]

    def _is_by_id(self, job: Job) -> bool:
        return job.place in self._chosen or job.key in self._following.survivors

    def _to_record(self, job: Job) -> dict[str, Any]:
        if job.place in self._chosen:
            asked = request(self._object, job, without="")
            return {**asked, "id": self._chosen[job.place], **self._allowed(job)}
        asked = request(self._object, job, without=self._settings.external_id)
        values = self._following.values(job, asked["values"])
        return {**asked, "id": self._following.survivors[job.key], "values": values, **self._allowed(job)}

    def _allowed(self, job: Job) -> dict[str, Any]:
        return {"allow_duplicates": True} if self._refusals.is_saved_nonetheless(job) else {}

    def _by_external_id(self, jobs: Sequence[Job]) -> Sequence[Result]:
        field = self._settings.external_id
        requests = [
            {
                "external_id_field": field,
                "external_id": job.key,
                **request(self._object, job, without=field),
                **self._allowed(job),
            }
            for job in jobs
        ]
        return in_smaller_calls(self._upsert_all, requests) if requests else []

    def _upsert_all(self, requests: Sequence[dict[str, Any]]) -> Sequence[Result]:
        return self._ports.call_many(self._settings.slot, "upsert", requests)

    def _write(self, job: Job, result: Mapping[str, Any]) -> Write:
        item = job.item
        amount, currency = self._worth(item.context)
        return Write(
            step=self._step_id,
            object=self._object,
            external_id=job.key,
            record_id=result["id"],
            created=result["created"],
            values=job.record,
            stripe_id=item.root_id,
            source=item.source,
            event_id=item.event_id,
            amount=amount,
            currency=currency,
            rank=job.rank,
        )

    def _record_ids(self, jobs: Sequence[Job]) -> Mapping[str, str]:
        return self._ports.record_ids(self._object, [job.key for job in jobs])

    def _output(self, job: Job, write: Write) -> dict[str, Any]:
        return {"id": write.record_id, "created": write.created, "external_id": job.key}


def _no_external_id(field: str, record: Mapping[str, Any]) -> GiveUp:
    message = f"{field} is empty or longer than {LONGEST} characters, so the record cannot be found again"
    return GiveUp(message, Failure("data", message, code="no_external_id", field=field), seen=record)


def _compile_worth(settings: CountsAsMoney | None) -> _Worth:
    """Return a closure that tells what the record is worth, in minor units."""
    if settings is None:
        return lambda _context: (None, "")
    read_amount, read_currency = first_of(settings.amount), first_of(settings.currency)
    holds = compile_condition(settings.when) if settings.when is not None else None

    def worth(context: Context) -> _Money:
        if holds is not None and not holds(context):
            return None, ""
        amount, currency = read_amount(context), read_currency(context)
        if type(amount) is not int or abs(amount) > _LARGEST_AMOUNT or not isinstance(currency, str):
            return None, ""
        return amount, currency.upper()[:3]

    return worth
