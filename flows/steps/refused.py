"""
This module lets people say what becomes of a record that Salesforce refuses, as it looks like another one.

A duplicate rule, a unique field or an external id that several records have may be the cause. A person sees
the records beside what was to be saved, and says which one it is, that it is saved all the same, or that it
is left out. What was said holds for this run; that a record was chosen stands in it, or in its link.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

from connectors.salesforce.ids import as_18
from flows.engine.kind import Answer
from flows.engine.outcome import AskHuman, Done, Option, Pause
from flows.engine.policy import AGAIN, failure_of, named_in
from flows.engine.ports import Ports
from flows.mapping.text import clean
from flows.steps.candidates import Record, id_of, value_of
from flows.steps.ids import record_id_in
from flows.steps.saving import Job, another_writes, nested
from integrator.kernel.errors import Ambiguous, IntegrationError, Refused

SAVE, LEAVE_OUT = "save_nonetheless", "leave_out"
SEVERAL = frozenset({"HTTP_300", "DUPLICATE_EXTERNAL_ID"})  # records that have one external id
RULE = "DUPLICATES_DETECTED"
MOST_FIELDS = 20  # that are shown of a record
MOST_SHOWN = 5  # records
MOST_ALONE = 20  # records of a batch that are sent once more: the others of it wait meanwhile
SOON = timedelta(seconds=1)
MOST_READ = 40  # fields, where records are read together that have different ones

# By what records are looked for that a rule does not name.
_TOLD_BY = {"Account": "Name", "Contact": "Email", "Lead": "Email"}
T = TypeVar("T")
_BY_ID = "Id"
_NAMED = frozenset({"Account", "Contact", "Lead"})  # whose records are told apart by Name
_OPTIONS = {
    SAVE: Option(SAVE, "Save it nonetheless", "The duplicate rule leaves that open. It holds for this run."),
    LEAVE_OUT: Option(LEAVE_OUT, "Leave it out", "This step saves nothing, and the run goes on without it."),
}


class Chosen(NamedTuple):
    """A record that is updated in place of the one that was refused."""

    record_id: str
    note: str
    held: bool = False  # whether it has an external id already


class Refusals:
    """What was refused in one batch, and what people said of it."""

    def __init__(self, step_id: str, object_: str, key: str, ports: Ports, *, exclusive: bool = True) -> None:
        """
        Let `key` be the external id field by which records of `object_` are saved, or Id.

        If it is `exclusive`, a record that has another external id cannot be chosen: it would lose it.
        """
        self._exclusive = exclusive
        self._step_id = step_id
        self._object = object_
        self._key = key
        self._ports = ports

    def _said(self, job: Job) -> str:
        return str(job.item.recall(self._step_id, "answer") or "")

    def is_saved_nonetheless(self, job: Job) -> bool:
        """Tell whether a person said that the record is saved although it looks like others."""
        return self._said(job) == SAVE

    def left_out(self, job: Job) -> Done | None:
        """Return the answer for a record that a person has left out; nothing for others."""
        if self._said(job) != LEAVE_OUT:
            return None
        output = {"id": None, "created": False, "external_id": job.key, "skipped": "A person left it out"}
        return Done(output, effect="skipped", seen=job.record)

    def chosen(self, jobs: Sequence[Job]) -> dict[int, Chosen | Answer]:
        """
        Return by place the records that people chose and that may still be taken, or why the run waits.

        One that is gone since, or belongs to somebody else by now, is not among them: it is asked anew.
        """
        wanted = {job.place: id for job in jobs if (id := self._wanted(job))}
        if not wanted:
            return {}
        found = self._read(wanted.values(), [])
        if isinstance(found, IntegrationError):
            return dict.fromkeys(wanted, found)
        answers: dict[int, Chosen | Answer] = {}
        takers: dict[str, str] = {}  # the key of who takes a record, by its id
        for job in jobs:
            id = wanted.get(job.place, "")
            if id in found and self._is_free(found[id], job):
                if takers.setdefault(id, job.key) != job.key:
                    # What the first one writes decides whether it is still there for this one.
                    answers[job.place] = another_writes(f"{self._object}:{id}", self._ports)
                    continue
                job.item.keep(self._step_id, "chosen", id)
                said = "A person chose the record {id}, so it is updated"
                answers[job.place] = self._taken(id, said, held=bool(value_of(found[id], self._key)))
        return answers

    def _wanted(self, job: Job) -> str:
        """Return the record that was chosen: just now, or before it was said that it is saved nonetheless."""
        before = job.item.recall(self._step_id, "chosen") if self.is_saved_nonetheless(job) else ""
        return record_id_in(self._said(job)) or record_id_in(before)

    def later(self) -> Answer:
        """Return the outcome of a run whose record is sent alone once this batch is over."""
        reason = "It looks like another record, and so do many; which one is asked for a few at a time"
        return Pause(self._ports.now() + SOON, reason, holds="run")

    def name(self, refused: Mapping[int, tuple[Job, Ambiguous]]) -> None:
        """Let refusals name the records that have one external id: of a call for many they do not."""
        unnamed = [
            (job, why) for job, why in refused.values() if why.code in SEVERAL and not _ids_in(why, "")
        ]
        found = self._find_by(self._key, [job.key for job, _ in unnamed])
        for (job, why), records in zip(unnamed, found, strict=True):
            why.records = tuple((self._object, id) for id in _others(records, job))

    def _find_by(self, field: str, values: Sequence[str]) -> list[Sequence[Record]]:
        """Return for each value the first records that have it; none where they cannot be looked for."""
        shared = {"object": self._object, "field": field, "fields": ["Id", field]}
        # One of them may be the record itself.
        requests = [{**shared, "values": [value], "limit": MOST_SHOWN + 1} for value in values]
        answers = self._ports.call_many("salesforce", "find", requests) if requests else []
        # Without them a question is poorer, and no worse.
        return [[] if isinstance(answer, IntegrationError) else answer["records"] for answer in answers]

    def linked(self, refused: Mapping[int, tuple[Job, Ambiguous]]) -> dict[int, Chosen | Answer]:
        """Return by place which of several records with one external id is linked: that one it is."""
        several = {place: job for place, (job, one) in refused.items() if one.code in SEVERAL}
        known = self._ports.record_ids(self._object, [job.key for job in several.values()]) if several else {}
        said = "Several records have the external id; {id} is the one that is linked, so it is updated"
        return {
            place: self._taken(known[job.key], said)
            for place, job in several.items()
            if known.get(job.key, "") in _ids_in(refused[place][1], self._object)
        }

    def _taken(self, record_id: str, note: str, *, held: bool = False) -> Chosen | Answer:
        target = f"{self._object}:{record_id}"
        if target not in self._ports.lease("salesforce", [target]):
            return another_writes(target, self._ports)
        return Chosen(record_id, note.format(id=record_id), held)

    def _is_free(self, record: Record, job: Job) -> bool:
        held = value_of(record, self._key)
        return not self._exclusive or not held or str(held).casefold() == job.key.casefold()

    def _read(self, ids: Any, fields: Sequence[str]) -> dict[str, Record] | IntegrationError:
        values = list(dict.fromkeys(ids))
        if not values:
            return {}
        names = list(dict.fromkeys(["Id", self._key, *fields]))
        request = {"object": self._object, "field": "Id", "values": values, "fields": names}
        (answer,) = self._ports.call_many("salesforce", "find", [request])
        if isinstance(answer, IntegrationError):
            return answer
        return {record_id_in(id_of(record)): record for record in answer["records"]}

    def ask(self, refused: Mapping[int, tuple[Job, Ambiguous]]) -> dict[int, Answer]:
        """Return by place the question what becomes of each record; the records are read all in one go."""
        if not refused:
            return {}
        keys = [job.key for job, _ in refused.values()] if self._exclusive else []
        if self._key == _BY_ID:
            own: Mapping[str, str] = {key: key for key in keys}
        else:
            own = self._ports.record_ids(self._object, keys) if keys else {}
        ids = self._ids_beside(refused)
        read = [
            *(id for some in ids.values() for id in some),
            *(own[job.key] for job, _ in refused.values() if job.key in own),
        ]
        found = self._read(read, self._fields(job.record for job, _ in refused.values()))
        if isinstance(found, Refused):
            # What is saved may not be read: the question comes without the records.
            return {place: why for place, (_, why) in refused.items()}
        if isinstance(found, IntegrationError):
            return dict.fromkeys(refused, found)
        return {
            place: self._asked(job, why, own.get(job.key, ""), ids[place], found)
            for place, (job, why) in refused.items()
        }

    def _fields(self, records: Iterable[Record]) -> list[str]:
        names = [
            *(["Name"] if self._object in _NAMED else []),
            *(name for one in records for name in _shown(one)),
        ]
        return list(dict.fromkeys(names))[:MOST_READ]

    def _ids_beside(self, refused: Mapping[int, tuple[Job, Ambiguous]]) -> dict[int, list[str]]:
        """Return by place the records that each one looks like, or may look like."""
        ids = {place: _ids_in(why, self._object) for place, (_, why) in refused.items()}
        ids |= self._looked_for({place: one for place, one in refused.items() if not ids[place]})
        return {place: some[:MOST_SHOWN] for place, some in ids.items()}

    def _asked(
        self, job: Job, why: Ambiguous, own: str, ids: Sequence[str], found: Mapping[str, Record]
    ) -> Answer:
        mine = _shown(job.record)
        fields = self._fields([job.record])
        own = own if own in found and why.code not in SEVERAL else ""
        there = [id for id in dict.fromkeys([*([own] if own else []), *ids]) if id in found]
        free = [id for id in there if not own and self._key != _BY_ID and self._is_free(found[id], job)]
        options = [Option(id, clean(f"It is {_called(found[id], id)}")[:200], id) for id in free]
        options += [_OPTIONS[SAVE]] if why.may_save else []
        candidates = [
            {
                "id": id,
                "values": _shown({name: value_of(found[id], name) for name in fields}),
                "note": self._note(found[id], job, is_own=id == own),
            }
            for id in there
        ]
        evidence = {
            "object": self._object,
            "code": why.code,
            "told": mine,
            "candidates": candidates,
            "labels": {name: name for name in fields},
            "also": [f"{object_} {id}" for object_, id in why.records if object_ not in ("", self._object)],
        }
        return AskHuman(
            self._question(job, why),
            kind="duplicate",
            options=[*options, _OPTIONS[LEAVE_OUT], AGAIN],
            evidence=evidence,
            failure=failure_of(why),
        )

    def _looked_for(self, refused: Mapping[int, tuple[Job, Ambiguous]]) -> dict[int, list[str]]:
        """Return records of the same name or address, where a rule keeps to itself what it found."""
        field = _TOLD_BY.get(self._object, "")
        values = {
            place: value
            for place, (job, why) in refused.items()
            if why.code == RULE
            and not why.records
            and isinstance(value := job.record.get(field), str)
            and value
        }
        found = self._find_by(field, list(values.values()))
        return {
            place: _others(records, refused[place][0]) for place, records in zip(values, found, strict=True)
        }

    def _note(self, record: Record, job: Job, *, is_own: bool) -> str:
        if is_own:
            return "It is saved in this record until now."
        if self._key != _BY_ID and not self._is_free(record, job):
            return f"It belongs to {value_of(record, self._key)} already."
        return ""

    def _question(self, job: Job, why: Ambiguous) -> str:
        if why.code == RULE:
            return (
                f"A duplicate rule of the org holds back {self._object} {job.key}. What shall become of it?"
            )
        if why.code in SEVERAL:
            return f"Several records of {self._object} have the {self._key} {job.key}. Which one is it?"
        field = why.field or "a unique field"
        return f"{self._object} {job.key} has the same {field} as another record. What shall become of it?"


def settle(
    refusals: Refusals,
    jobs: Sequence[Job],
    results: Sequence[T],
    send: Callable[[Sequence[Job]], Sequence[T]],
    take: Callable[[Mapping[int, Chosen]], None],
    *,
    together: int = 0,
) -> dict[int, T | Answer]:
    """
    Return by place in `jobs` what becomes of those that are refused as duplicates.

    `send` saves jobs once more: a call for many records does not say which ones a record looks like. `take`
    is told which records are updated instead; their places are not among what is returned. So many were sent
    `together`, if those were not all of `jobs`. Of very many some wait for the next batch.
    """
    after: dict[int, T | Answer] = {}
    refused: dict[int, tuple[Job, Ambiguous]] = {}
    alone = 0
    for place, result in enumerate(results):
        if isinstance(result, Ambiguous):
            again: T | Ambiguous = result
            if max(len(jobs), together) > 1 and not _ids_in(result, "") and result.code not in SEVERAL:
                alone += 1
                if alone > MOST_ALONE:
                    after[place] = refusals.later()
                    continue
                (again,) = send([jobs[place]])
            if isinstance(again, Ambiguous):
                refused[place] = (jobs[place], again)
            else:
                after[place] = again
    refusals.name(refused)
    linked = refusals.linked(refused)
    take({place: one for place, one in linked.items() if isinstance(one, Chosen)})
    after |= {place: one for place, one in linked.items() if not isinstance(one, Chosen)}
    return after | refusals.ask({place: one for place, one in refused.items() if place not in linked})


def _ids_in(why: Ambiguous, object_: str) -> list[str]:
    """Return the ids of the records of an object that a refusal names; of any object without one."""
    named = [id for name, id in why.records if object_ in ("", name) or not name]
    found = named or ([] if why.records else named_in(why))
    return list(dict.fromkeys(as_18(id) for id in found if record_id_in(id)))


def _others(records: Sequence[Record], job: Job) -> list[str]:
    """Return the ids of `records`, without that of the one that is saved."""
    return [id for one in records if (id := record_id_in(id_of(one))) and id != job.key]


def _shown(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the first fields of a record as texts, without look-ups by external ids."""
    plain = {
        name: str(value)
        for name, value in nested(record).items()
        if value is not None and not isinstance(value, Mapping | list)
    }
    return dict(list(plain.items())[:MOST_FIELDS])


def _called(record: Record, id: str) -> str:
    names = (value_of(record, name) for name in ("Name", "LastName"))
    return next((str(name) for name in names if name), id)
