"""This module saves states in one system, unless a newer one was saved already."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

import msgspec

from flows.engine.item import Item, Write
from flows.engine.kind import Answer, Earlier
from flows.engine.once import UNSETTLED
from flows.engine.order import Verdict, judge
from flows.engine.outcome import Done, Pause, ReadAgain
from flows.engine.ports import Applied, Ports, Result
from flows.mapping.spec import Mapping as MappingSettings
from flows.mapping.spec import written_field
from integrator.kernel.errors import IntegrationError, Transient, Uncertain

SHARED_REST = timedelta(seconds=1)  # until a record that another lane is writing is tried again


class Job(NamedTuple):
    """One record to save."""

    place: int  # in the batch
    item: Item
    record: dict[str, Any]
    key: str  # its external id, or its record id
    rank: int | None = None  # which of several sources counts: the highest


class Agreeing(Protocol):
    """What keeps a record in agreement with its other side; see `flows.steps.reconciling`."""

    def begin(self, jobs: Sequence[Job]) -> tuple[list[Job], dict[int, Answer]]:
        """Return the jobs that have to be looked at, and the answers of those that write nothing or wait."""
        ...

    def before(self, jobs: Sequence[Job]) -> tuple[list[Job], dict[int, Answer]]:
        """Return the jobs that write, each with what it has to, and the answers of the others."""
        ...

    def after(self, done: Sequence[tuple[Job, Mapping[str, Any]]]) -> dict[int, Answer]:
        """Keep what was written; return what runs come to that have more to ask."""
        ...

    def state_of(self, job: Job) -> str:
        """Return what tells what was found from what was found at another time."""
        ...

    def agreed(self, job: Job) -> dict[str, Any]:
        """Return everything that stands on the side that was written to, as far as it is agreed."""
        ...


class Resting(Protocol):
    """What lets writes come to rest that our own have caused; see `flows.steps.resting`."""

    def check(self, jobs: Sequence[Job]) -> tuple[list[Job], dict[int, Answer]]:
        """Return the jobs that are to be sent, and the answers of those that are not, or not yet."""
        ...

    def wrote(self, job: Job) -> None:
        """Remember a write that was made."""
        ...


@dataclass(frozen=True, slots=True)
class Care:
    """Who sees to it that writes come to rest: by what both sides agree on, or by what our own have done."""

    agreeing: Agreeing | None = None
    resting: Resting | None = None


NO_CARE = Care()


class Saving(ABC):
    """One batch on its way to a system. A subclass knows how its records are found and sent."""

    def __init__(
        self,
        step_id: str,
        object_: str,
        ports: Ports,
        *,
        slot: str = "salesforce",
        care: Care = NO_CARE,
    ) -> None:
        self._step_id = step_id
        self._agreeing = care.agreeing
        self._resting = care.resting
        self._slot = slot
        self._object = object_
        self._ports = ports
        self._newest: dict[str, Applied | None] = {}  # by key
        self._saved: dict[str, str] = {}  # record ids by key
        self._noted: dict[int, list[dict[str, str]]] = {}  # what a person should see, by place

    @abstractmethod
    def _owns(self, job: Job) -> bool:
        """Tell whether nobody but the run's own lane writes the record."""

    @abstractmethod
    def _send(self, jobs: Sequence[Job]) -> Sequence[Result | Answer]:
        """Send each record of `jobs`, all different ones, and return what became of each."""

    @abstractmethod
    def _write(self, job: Job, result: Mapping[str, Any]) -> Write:
        """Return what is kept of a record that was saved, the job's rank included."""

    @abstractmethod
    def _output(self, job: Job, write: Write) -> dict[str, Any]:
        """Return what later steps may read of a record that was saved."""

    @abstractmethod
    def _record_ids(self, jobs: Sequence[Job]) -> Mapping[str, str]:
        """Return the record ids, by key, of what was saved before."""

    def _failed(self, job: Job, failure: IntegrationError) -> Answer:
        return failure

    def save(self, jobs: Sequence[Job]) -> dict[int, Answer]:
        """Save every record whose state is the newest; return an answer for each place in the batch."""
        ours, answers = self._leased(jobs)
        self._newest = self._what_was_applied(ours)
        for jobs_of_one_call in _calls(ours):
            answers.update(self._call(jobs_of_one_call))
        return answers

    def target(self, job: Job) -> str:
        """Return the key of the record's applied version."""
        return f"{self._object}:{job.key}"

    def _leased(self, jobs: Sequence[Job]) -> tuple[list[Job], dict[int, Answer]]:
        """Return the jobs that may be done now; those whose record another lane is writing wait."""
        shared = sorted({self.target(job) for job in jobs if not self._owns(job)})
        granted = self._ports.lease(self._slot, shared) if shared else frozenset()
        owned = [self.target(job) for job in jobs if self._owns(job)]
        taken = self._ports.leased_elsewhere(self._slot, owned) if owned else frozenset()
        ours: list[Job] = []
        answers: dict[int, Answer] = {}
        for job in jobs:
            free = self._owns(job) and self.target(job) not in taken
            if free or self.target(job) in granted:
                ours.append(job)
            else:
                answers[job.place] = another_writes(self.target(job), self._ports)
        return ours, answers

    def _what_was_applied(self, jobs: Sequence[Job]) -> dict[str, Applied | None]:
        targets = {job.key: self.target(job) for job in jobs}
        applied = self._ports.applied_versions(list(targets.values())) if targets else []
        return dict(zip(targets, applied, strict=True))

    def _call(self, jobs: Sequence[Job]) -> dict[int, Answer]:
        """Save the records of `jobs`, none of which stands twice in it."""
        answers: dict[int, Answer] = {}
        if self._agreeing is not None:
            jobs, answers = self._agreeing.begin(jobs)
        to_send: list[Job] = []
        older: list[Job] = []
        for job in jobs:
            verdict = self._judge(job)
            if verdict is Verdict.APPLY:
                to_send.append(job)
            elif verdict is Verdict.SUPERSEDED:
                older.append(job)
            else:
                answers[job.place] = ReadAgain("It is in doubt whether a newer state was saved already")
        answers.update(self._superseded(older))
        if self._agreeing is not None:
            answers.update(self._reconciled(to_send, self._agreeing))
        elif to_send:
            answers.update(self._rested(to_send))
        return answers

    def _rested(self, jobs: Sequence[Job]) -> dict[int, Answer]:
        """Save the records of `jobs`, but for what our own writes have caused and that is to rest."""
        to_send, answers = self._resting.check(jobs) if self._resting is not None else (jobs, {})
        for job, result in zip(to_send, self._send(to_send) if to_send else (), strict=True):
            answers[job.place] = self._answer(job, result)
        return answers

    def _reconciled(self, jobs: Sequence[Job], agreeing: Agreeing) -> dict[int, Answer]:
        """Save of each record only what its other side does not say against."""
        to_send, answers = agreeing.before(jobs)
        results = self._send(to_send) if to_send else ()
        written: list[tuple[Job, Mapping[str, Any]]] = []
        for job, result in zip(to_send, results, strict=True):
            if isinstance(result, dict):
                written.append((job, result))
            else:
                answers[job.place] = self._answer(job, result)
        instead = agreeing.after(written)
        for job, told in written:
            answer = self._answer(job, {**told})
            answers[job.place] = instead.get(job.place, answer)
        return answers

    def _judge(self, job: Job) -> Verdict:
        applied = self._newest[job.key]
        same_event = applied is not None and applied.event_id == job.item.event_id
        return judge(job.item.source, applied, same_event=same_event, rank=job.rank)

    def _answer(self, job: Job, result: Result | Answer) -> Answer:
        if isinstance(result, IntegrationError):
            shared = "" if self._owns(job) else self.target(job)
            return self._failed(job, settle(job.item, result, shared=shared))
        if not isinstance(result, dict):
            return result
        write = self._write(job, result)
        if self._agreeing is not None:
            write = msgspec.structs.replace(write, values=self._agreeing.agreed(job))
        self._ports.remember(job.item, write)
        if self._resting is not None and not result.get("unchanged"):
            self._resting.wrote(job)
        job.item.touched.add(write.record_id)
        self._saved[job.key] = write.record_id
        source = write.source
        self._newest[job.key] = Applied(
            source.id, write.event_id, source.not_before, source.not_after, job.rank
        )
        notes = self._noted.get(job.place, [])
        return Done(self._output(job, write), effect="applied", seen=job.record, notes=notes)

    def _superseded(self, jobs: Sequence[Job]) -> dict[int, Answer]:
        """Answer for states older than the org's. Later steps learn which record it is all the same."""
        unknown = [job for job in jobs if job.key not in self._saved]
        if unknown:
            self._saved.update(self._record_ids(unknown))
        answers: dict[int, Answer] = {}
        for job in jobs:
            applied = self._newest[job.key]
            assert applied is not None
            output = {
                "id": self._saved.get(job.key),
                "external_id": job.key,
                "newer_state_of": applied.not_before.isoformat(),
            }
            answers[job.place] = Done(output, effect="superseded", seen=job.record)
        return answers


def settle(item: Item, failure: IntegrationError, *, shared: str) -> IntegrationError:
    """
    Mark the run of a write that may land even now, and return the failure to go on with.

    `shared` is the write's target where other lanes write to it as well, otherwise empty.
    """
    if failure.code in UNSETTLED:
        item.may_land_late(shared)
    if isinstance(failure, Uncertain):
        # The record is found by its id, so doing it again does no harm.
        return Transient(
            str(failure),
            code=failure.code,
            request_id=failure.request_id,
            system=failure.system,
            http_status=failure.http_status,
        )
    return failure


def another_writes(target: str, ports: Ports) -> Pause:
    """Return the outcome of a run whose record another lane is writing at this moment."""
    return Pause(ports.now() + SHARED_REST, f"Another run is writing {target} at this moment", holds="run")


def nested(record: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return `record` as Salesforce takes it: a look-up by external id stands in an object of its own.

    A look-up without an id empties the field itself.
    """
    values: dict[str, Any] = {}
    for name, value in record.items():
        relation, dot, external_id = name.partition(".")
        if not dot:
            values[name] = value
        elif value is None:
            values[written_field(name)] = None
        else:
            values[relation] = {external_id: value}
    return values


def request(object_: str, job: Job, *, without: str) -> dict[str, Any]:
    """Return the part of a request that says what is saved, `without` the field that it is found by."""
    values = nested(job.record)
    values.pop(without, None)
    return {"object": object_, "values": values}


def check_record(step: str, object_: str, earlier: Mapping[str, Earlier]) -> list[tuple[str, str]]:
    """Return what is wrong with the map step that is said to make the records of `object_`."""
    source = earlier.get(step)
    if source is None or not isinstance(source.settings, MappingSettings):
        return [("record", f"There is no finished map step {step} that every run comes through before")]
    if source.settings.target != object_:
        return [("record", f"{step} maps {source.settings.target}, not {object_}")]
    return []


def mapped_fields(step: str, earlier: Mapping[str, Earlier]) -> set[str]:
    """Return the fields that the map step called `step` fills."""
    mapping = mapping_of(step, earlier)
    return {line.field for line in mapping.lines} if mapping is not None else set()


def mapping_of(step: str, earlier: Mapping[str, Earlier]) -> MappingSettings | None:
    """Return the mapping of the map step called `step`, if it is one of the `earlier` steps."""
    source = earlier.get(step)
    settings = source.settings if source is not None else None
    return settings if isinstance(settings, MappingSettings) else None


def _calls(jobs: Sequence[Job]) -> list[list[Job]]:
    """
    Share `jobs` out to calls so that no record stands twice in one, the newest state of each in the last.

    Salesforce refuses a call that names a record twice, or takes them in an order of its own. Where a rank
    says which source counts, the highest goes first: the others are then superseded without a call.
    """
    calls: list[list[Job]] = []
    taken: dict[str, int] = {}
    for job in sorted(jobs, key=lambda job: (-(job.rank or 0), job.item.source.not_after)):
        number = taken.get(job.key, 0)
        taken[job.key] = number + 1
        if number == len(calls):
            calls.append([])
        calls[number].append(job)
    return calls
