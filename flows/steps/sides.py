"""This module reads and writes the two sides of a link alike: records of Salesforce and objects of Stripe."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from flows.agreeing.agreement import Agreement, Between, Side
from flows.agreeing.merging import Line
from flows.engine.item import Item
from flows.engine.ports import Ports, Result
from flows.mapping.reading import first_of
from flows.steps.parameters import nested
from flows.steps.saving import Job
from integrator.kernel.errors import IntegrationError, Missing
from integrator.kernel.paths import MISSING, compile_path, quote

_MOST_FIELDS = 45  # of one reading, with those that say who changed the record and when
_CHANGED_AT, _CHANGED_BY = "LastModifiedDate", "LastModifiedBy.Name"


@dataclass(frozen=True, slots=True)
class Found:
    """What stands on the side that is written to, by the fields as the step names them."""

    values: Mapping[str, Any]
    record_id: str = ""
    changed_at: datetime | None = None
    changed_by: str = ""


@dataclass(slots=True)
class SideWritten(ABC):
    """The side that a step writes to, as far as agreeing needs it."""

    object: str
    lines: Mapping[str, Line]
    ports: Ports
    side: ClassVar[Side]
    source: ClassVar[Side]

    @abstractmethod
    def between(self, job: Job) -> Between:
        """Return which two are asked about."""

    @abstractmethod
    def read(self, jobs: Sequence[Job]) -> list[Found | IntegrationError]:
        """Return what stands there now, in order; `Missing` where nothing does."""

    @abstractmethod
    def stored(self, jobs: Sequence[Job], results: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return what stands there after the write of each job, by the fields as the step names them."""

    @abstractmethod
    def wanted(self, job: Job) -> Mapping[str, Any]:
        """Return what the flow gives, by the fields as the step names them."""

    @abstractmethod
    def only(self, job: Job, values: Mapping[str, Any]) -> Job:
        """Return the job that writes `values` alone."""

    def targets(self, job: Job, agreement: Agreement) -> list[str]:
        """Return under which names the other direction knows what both may write."""
        return []


@dataclass(slots=True)
class InSalesforce(SideWritten):
    """Records of Salesforce that are found by the field `key`."""

    key: str = "Id"
    survivors: Mapping[str, str] = field(
        default_factory=dict
    )  # ids of records by keys that none has any more
    side: ClassVar[Side] = "salesforce"
    source: ClassVar[Side] = "stripe"

    def between(self, job: Job) -> Between:
        """Return the record and the object that the run is about."""
        by_id = self.key == "Id"
        return Between(
            self.object,
            external_id="" if by_id else job.key,
            record_id=job.key if by_id else "",
            stripe_id=job.item.root_id,
        )

    def read(self, jobs: Sequence[Job]) -> list[Found | IntegrationError]:
        """Read all records in as few calls as their fields take."""
        found: dict[str, dict[str, Any]] = {}
        by_id = {self.survivors[job.key] for job in jobs if job.key in self.survivors}
        for by, keys in (
            (self.key, [job.key for job in jobs if job.key not in self.survivors]),
            ("Id", sorted(by_id)),
        ):
            records = self._records(by, keys) if keys else []
            if isinstance(records, IntegrationError):
                return [records for _ in jobs]
            found.update({str(_value(record, by)).casefold(): record for record in records})
        return [self._found(found.get(self.survivors.get(job.key, job.key).casefold())) for job in jobs]

    def _found(self, record: Mapping[str, Any] | None) -> Found | IntegrationError:
        if record is None:
            return Missing("The record is not there", code="NOT_FOUND")
        values = {name: _value(record, name) for name in self.lines}
        at = record.get(_CHANGED_AT)
        who = _value(record, _CHANGED_BY)
        return Found(values, str(record["Id"]), _moment(at), who if isinstance(who, str) else "")

    def _records(self, by: str, keys: Sequence[str]) -> list[dict[str, Any]] | IntegrationError:
        names = [*self.lines]
        whole: dict[str, dict[str, Any]] = {}
        for start in range(0, max(len(names), 1), _MOST_FIELDS):
            fields = [
                *dict.fromkeys(("Id", by, _CHANGED_AT, _CHANGED_BY, *names[start : start + _MOST_FIELDS]))
            ]
            request = {
                "object": self.object,
                "field": by,
                "values": list(dict.fromkeys(keys)),
                "fields": fields,
            }
            (answer,) = self.ports.call_many("salesforce", "find", [request])
            if isinstance(answer, IntegrationError):
                return answer
            for record in answer["records"]:
                whole.setdefault(str(record["Id"]), {}).update(record)
        return list(whole.values())

    def stored(self, jobs: Sequence[Job], results: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Read the records back once: an answer of Salesforce does not say what was stored."""
        ids = [str(result["id"]) for result in results]
        records = self._records("Id", ids) if ids else []
        # What was sent is the best guess where the reading fails; the next event compares again.
        known = {} if isinstance(records, IntegrationError) else {str(one["Id"]): one for one in records}
        return [
            {name: _value(known[own], name) if own in known else job.record[name] for name in self._sent(job)}
            for own, job in zip(ids, jobs, strict=True)
        ]

    def _sent(self, job: Job) -> list[str]:
        return [name for name in job.record if name in self.lines]

    def wanted(self, job: Job) -> Mapping[str, Any]:
        """Return the record of the map step."""
        return {name: value for name, value in job.record.items() if name in self.lines}

    def only(self, job: Job, values: Mapping[str, Any]) -> Job:
        """Return the job with the field that it is found by, and `values`."""
        key = {self.key: job.record[self.key]} if self.key in job.record else {}
        return job._replace(record={**key, **values})


@dataclass(slots=True)
class InStripe(SideWritten):
    """Objects of Stripe."""

    side: ClassVar[Side] = "stripe"
    source: ClassVar[Side] = "salesforce"

    def between(self, job: Job) -> Between:
        """Return the object and the record that the run is about."""
        return Between(self._record_type(job.item), record_id=job.item.source.id, stripe_id=job.key)

    def _record_type(self, item: Item) -> str:
        roots = {path.partition(".")[0] for line in self.lines.values() for path in line.reads}
        known = (root for root in sorted(roots) if isinstance(item.context.get(root), dict))
        return next((root for root in known if root[:1].isupper()), "")

    def read(self, jobs: Sequence[Job]) -> list[Found | IntegrationError]:
        """Read each object."""
        wanted = list(dict.fromkeys(job.key for job in jobs))
        requests = [{"type": self.object, "id": key, "expand": []} for key in wanted]
        found = dict(zip(wanted, self.ports.call_many("stripe", "retrieve", requests), strict=True))
        return [self._found(found[job.key]) for job in jobs]

    def _found(self, answer: Result) -> Found | IntegrationError:
        if isinstance(answer, IntegrationError):
            return answer
        if answer["object"].get("deleted"):
            return Missing("The object was deleted", code="resource_missing")
        return Found(self._values(answer["object"]))

    def _values(self, found: Mapping[str, Any]) -> dict[str, Any]:
        whole = {"object": found}
        values = {name: compile_path(f"object.{name}").read(whole) for name in self.lines}
        return {name: None if value is MISSING else value for name, value in values.items()}

    def stored(self, jobs: Sequence[Job], results: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return what Stripe answered: the object as it is then."""
        return [
            {name: value for name, value in self._values(result).items() if name in self.wanted(job)}
            for job, result in zip(jobs, results, strict=True)
        ]

    def wanted(self, job: Job) -> Mapping[str, Any]:
        """Return the parameters, by their paths."""
        whole = {"params": job.record}
        values = {name: compile_path(f"params.{name}").read(whole) for name in self.lines}
        return {name: value for name, value in values.items() if value is not MISSING}

    def only(self, job: Job, values: Mapping[str, Any]) -> Job:
        """Return the job that sends `values` alone."""
        return job._replace(record=nested(values))

    def targets(self, job: Job, agreement: Agreement) -> list[str]:
        """Return the record's names under which the other direction leases it."""
        names = (agreement.external_id, agreement.record_id)
        return [f"{agreement.object}:{name}" for name in dict.fromkeys(names) if agreement.object and name]


def _value(record: Mapping[str, Any], name: str) -> Any:
    """Return a field of `record`, that of a look-up by its dotted name."""
    if name in record:
        return record[name]
    root, *rest = name.split(".")
    value = compile_path(f"record{quote(root)}{''.join(quote(part) for part in rest)}").read(
        {"record": record}
    )
    return None if value is MISSING else value


def _moment(text: Any) -> datetime | None:
    if isinstance(text, datetime):
        return text
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def of_this_run(item: Item, found: Agreement) -> Agreement:
    """Return what an earlier step of the run has left of the same agreement, or what was `found`."""
    key = (found.object, found.external_id)
    for known in item.agreements:
        if known.touched and (known.object, known.external_id) == key:
            return known
    item.agreements.append(found)
    return found


def reader_of(item: Item) -> Callable[[str], Any]:
    """Return what reads a path of what started the run."""
    return lambda path: first_of([path])(item.context)
