"""This module saves in the record that was kept what is for one that people merged into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows.agreeing.agreement import Between, Change
from flows.engine.kind import Answer
from flows.engine.outcome import AskHuman, Done, Option
from flows.engine.ports import Moved, Ports
from flows.steps.pending import not_known_yet
from flows.steps.saving import Job
from flows.steps.sides import of_this_run
from integrator.kernel.errors import IntegrationError

WRITE, LEAVE = "write", "leave"

_OPTIONS = (
    Option(WRITE, "Write to it as well", "Both objects in Stripe change the one record, whoever came last."),
    Option(LEAVE, "Leave it alone", "Nothing is written to the record for this object any more."),
)


class Following:
    """
    The jobs of one batch whose record is gone, by the external id that they save by.

    `survivors` are the records that they go to in its place, by that external id. Those in `keyless` get it
    there: their record has none yet.
    """

    def __init__(self, step_id: str, object_: str, key: str, ports: Ports) -> None:
        self._step_id = step_id
        self._object = object_
        self._key = key
        self._ports = ports
        self.survivors: dict[str, str] = {}
        self.keyless: set[str] = set()

    def follow(self, jobs: Sequence[Job]) -> tuple[list[Job], dict[int, Answer]]:
        """Return the jobs that may be saved, and the answers of those that wait or are left."""
        moved = self._ports.moved(self._object, [job.key for job in jobs]) if jobs else {}
        if not moved:
            return list(jobs), {}
        answers = {
            job.place: answer
            for job in jobs
            if job.key in moved and (answer := self._stop(job, moved[job.key])) is not None
        }
        left = [job for job in jobs if job.place not in answers]
        answers.update(self._look([job for job in left if job.key in moved], moved))
        return [job for job in left if job.place not in answers], answers

    def _stop(self, job: Job, moved: Moved) -> Answer | None:
        """Return why the job is not to be done, or not yet."""
        if not moved.record_id:
            return not_known_yet(self._ports)
        sharing = moved.sharing
        if sharing == "ask":
            answer = job.item.recall(self._step_id, "answer")
            if answer not in (WRITE, LEAVE):
                return _whose_is_it(self._object, job, moved)
            self._decide(job, sharing := answer)
        if sharing != LEAVE:
            return None
        reason = "Its record was merged into one that belongs to another object in Stripe"
        output = {"id": moved.record_id, "created": False, "external_id": job.key, "unchanged": reason}
        return Done(output, effect="echo", seen=job.record)

    def _decide(self, job: Job, sharing: Any) -> None:
        """Keep with the link what a person has said, so that nobody is asked again."""
        between = Between(self._object, external_id=job.key, stripe_id=job.item.root_id)
        agreement = of_this_run(job.item, self._ports.agreements([between])[0])
        agreement.sharing, agreement.state = sharing, "agreed"
        agreement.tell(Change("decided", "salesforce"))

    def _look(self, jobs: Sequence[Job], moved: Mapping[str, Moved]) -> dict[int, Answer]:
        """Look which external id the records have that were kept: people choose it when they merge."""
        ids = list(dict.fromkeys(moved[job.key].record_id for job in jobs))
        if not ids:
            return {}
        request = {"object": self._object, "field": "Id", "values": ids, "fields": ["Id", self._key]}
        (answer,) = self._ports.call_many("salesforce", "find", [request])
        if isinstance(answer, IntegrationError):
            return {job.place: answer for job in jobs}
        keys = {str(record["Id"]): record.get(self._key) for record in answer["records"]}
        for job in jobs:
            survivor = moved[job.key].record_id
            has = keys.get(
                survivor, job.key
            )  # where it is gone as well, all is as if nothing had been merged
            if str(has or "").casefold() == job.key.casefold():
                continue
            self.survivors[job.key] = survivor
            if not has:
                self.keyless.add(job.key)
        return {}

    def values(self, job: Job, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return `values` with the external id, where the record that was kept is to have it."""
        return {**values, self._key: job.key} if job.key in self.keyless else dict(values)


def moved_by_id(object_: str, jobs: Sequence[Job], ports: Ports) -> tuple[list[Job], dict[int, Answer]]:
    """Return `jobs`, whose keys are ids of records, with those of what was kept; some have to wait."""
    moved = ports.moved(object_, [job.key for job in jobs]) if jobs else {}
    waiting = {
        job.place: not_known_yet(ports) for job in jobs if job.key in moved and not moved[job.key].record_id
    }
    followed = [
        job._replace(key=moved[job.key].record_id) if job.key in moved else job
        for job in jobs
        if job.place not in waiting
    ]
    return followed, dict(waiting)


def _whose_is_it(object_: str, job: Job, moved: Moved) -> AskHuman:
    stripe_id = job.item.root_id
    return AskHuman(
        f"The {object_} of {stripe_id} was merged into {moved.record_id}, which belongs to another object in "
        "Stripe already. Shall this one be written to it as well?",
        options=_OPTIONS,
        evidence={
            "record": {"object": object_, "id": moved.record_id, "stripe": stripe_id},
            "link": [object_, job.key],
        },
    )
