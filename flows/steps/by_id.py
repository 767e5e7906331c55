"""This module changes what is known by its id, unless a newer state of it was saved already."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from flows.engine.item import Item, Write
from flows.engine.kind import Answer
from flows.engine.outcome import Done
from flows.engine.ports import Ports
from flows.steps.following import moved_by_id
from flows.steps.ids import no_id, record_id_in
from flows.steps.saving import NO_CARE, Care, Job, Saving
from integrator.kernel.errors import IntegrationError, Missing

# What happens without an id, or where what it names is gone.
WithoutOne = Literal["exit", "fail"]


class SavingById(Saving):
    """One batch of changes. A subclass makes the job of each item, whose key is the id."""

    linked: ClassVar[bool] = True  # whether the record is tied to the run's root

    def __init__(
        self,
        step_id: str,
        object_: str,
        ports: Ports,
        *,
        slot: str,
        without_one: WithoutOne,
        care: Care = NO_CARE,
    ) -> None:
        super().__init__(step_id, object_, ports, slot=slot, care=care)
        self._without_one = without_one

    @abstractmethod
    def _job(self, place: int, item: Item) -> Job | Answer:
        """Return what is to be changed for `item`, or why nothing is."""

    def change(self, batch: Sequence[Item]) -> list[Answer]:
        """Change what the items name, and return one answer each."""
        answers: dict[int, Answer] = {}
        jobs: list[Job] = []
        for place, item in enumerate(batch):
            found = self._job(place, item)
            if isinstance(found, Job):
                jobs.append(found)
            else:
                answers[place] = found
        if self._slot == "salesforce":
            jobs, waiting = moved_by_id(self._object, jobs, self._ports)
            answers |= waiting
        answers.update(self.save(jobs))
        return [answers[place] for place in range(len(batch))]

    def _owns(self, job: Job) -> bool:
        return False  # an Account belongs to every payment of its customer

    def _failed(self, job: Job, failure: IntegrationError) -> Answer:
        if isinstance(failure, Missing) and self._without_one == "exit":
            return self._none(str(failure), failure.code)
        return failure

    def _none(self, message: str, code: str) -> Answer:
        if self._without_one == "fail":
            return no_id("id", message)
        return Done({"id": None, "reason": message, "code": code}, exit="none")

    def _write(self, job: Job, result: Mapping[str, Any]) -> Write:
        return Write(
            step=self._step_id,
            object=self._object,
            external_id=job.key,
            record_id=job.key,
            created=False,
            values=job.record,
            stripe_id=job.item.root_id,
            source=job.item.source,
            event_id=job.item.event_id,
            rank=job.rank,
            # A link names an object of Stripe, and no other record that started the run.
            linked=self.linked and not record_id_in(job.item.root_id),
        )

    def _record_ids(self, jobs: Sequence[Job]) -> Mapping[str, str]:
        return {job.key: job.key for job in jobs}

    def _output(self, job: Job, write: Write) -> dict[str, Any]:
        return {"id": write.record_id}
