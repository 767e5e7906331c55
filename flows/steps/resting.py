"""
This module lets writes come to rest that our own writes have caused.

The first such write to a record goes out as any other. Before the next ones the record is read: what stands
there already is not written again, and what goes back and forth is held until a person lets it go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from flows.agreeing.own import MOST, MOST_AT_ALL, WITHIN, Past
from flows.engine.item import Note
from flows.engine.kind import Answer
from flows.engine.outcome import AskHuman, Done, Option, Pause
from flows.engine.ports import Ports
from flows.steps.saving import SHARED_REST, Job
from flows.steps.sides import Found, SideWritten
from integrator.kernel.errors import IntegrationError

GO_ON = "go_on"
WAITS = timedelta(minutes=10)  # for what a person is asked by another run; the answer wakes it
UNCHANGED = "Nothing was sent: our own write has started the run, and the values are there already"
_MOST_NAMED = 5
_MOST_WRITES = 12
_GOING_ON = (Option(GO_ON, "Go on", "The values are written again, and counted anew."),)


class Resting:
    """The writes of one batch to records of one object, as far as our own writes have caused them."""

    def __init__(self, step_id: str, side: SideWritten, ports: Ports) -> None:
        self._step_id = step_id
        self._side = side
        self._ports = ports
        self._pasts: dict[int, Past] = {}  # by place
        self._left: dict[int, list[str]] = {}  # what differs, where it was looked for

    def check(self, jobs: Sequence[Job]) -> tuple[list[Job], dict[int, Answer]]:
        """Return the jobs that are to be sent, and the answers of those that are not, or not yet."""
        ours = [job for job in jobs if job.item.event.ours]
        if not ours:
            return list(jobs), {}
        self._recall(ours)
        now = self._ports.now()
        doubtful = [job for job in ours if self._pasts[job.place].recent(now)]
        read = self._side.read(doubtful) if doubtful else []
        found = {job.place: one for job, one in zip(doubtful, read, strict=True)}
        answers: dict[int, Answer] = {}
        for job in doubtful:
            answer = self._judge(job, found[job.place])
            if answer is not None:
                answers[job.place] = answer
        return [job for job in jobs if job.place not in answers], answers

    def _recall(self, jobs: Sequence[Job]) -> None:
        targets = {job.place: self._target(job) for job in jobs}
        known = self._ports.own_writes(list(dict.fromkeys(targets.values())))
        for job in jobs:
            target = targets[job.place]
            if job.item.recall(self._step_id, "answer") == GO_ON and target not in job.item.own_writes:
                job.item.own_writes[target] = Past()  # counted anew
            self._pasts[job.place] = job.item.own_writes.get(target, known.get(target, Past()))

    def _target(self, job: Job) -> str:
        return f"{self._side.object}:{job.key}"

    def _judge(self, job: Job, found: Found | IntegrationError) -> Answer | None:
        """Return why the job is not sent; nothing if it is. What cannot be read is sent."""
        now, past = self._ports.now(), self._pasts[job.place]
        wanted = self._side.wanted(job)
        left = self._left[job.place] = past.left_to_write(
            wanted, found.values if isinstance(found, Found) else {}, now
        )
        if wanted and not left and isinstance(found, Found):
            own = {"id": found.record_id or job.key, "created": False, "external_id": job.key}
            return Done({**own, "unchanged": True}, effect="unchanged", seen=job.record, notes=[UNCHANGED])
        loops = past.loops({name: wanted[name] for name in left}, now)
        if not loops:
            return None
        if past.held_by not in (0, job.item.run_id):
            rest = SHARED_REST if past.answered else WAITS
            return Pause(now + rest, "A loop is held, and a person was asked", holds="run")
        return self._hold(job, loops)

    def _hold(self, job: Job, loops: Sequence[str]) -> AskHuman:
        past, object_ = self._pasts[job.place], self._side.object
        job.item.own_writes[self._target(job)] = replace(past, held_by=job.item.run_id, answered=False)
        title = f"A loop is held: {object_} {job.key}"
        named = ", ".join(loops[:_MOST_NAMED]) + (" and more" if len(loops) > _MOST_NAMED else "")
        text = (
            f"{named} was written {MOST} times within {WITHIN.seconds // 60} minutes with values that come "
            f"back, or the record {MOST_AT_ALL} times, each time because of a write of ours. Another flow "
            "sets it too, or something in the org. The run waits until a person lets it go on."
        )
        key = f"loop:{object_}:{job.key}:{job.item.run_id}"
        job.item.notes.append(Note(key, "loop", "warning", title, text))
        writes = [
            {"at": one.at.isoformat(), "field": one.about, "value": one.mark}
            for one in past.writes
            if one.about in loops
        ][-_MOST_WRITES:]
        evidence = {"record": {"object": object_, "id": job.key}, "writes": writes}
        return AskHuman(f"{title}. {text}", kind="loop", options=_GOING_ON, evidence=evidence)

    def wrote(self, job: Job) -> None:
        """Remember a write that was made, if our own have caused it."""
        if job.item.event.ours:
            past = self._pasts.get(job.place, Past())
            wanted = self._side.wanted(job)
            differed = {name: wanted[name] for name in self._left.get(job.place, wanted)}
            job.item.own_writes[self._target(job)] = past.with_write(differed, self._ports.now())
