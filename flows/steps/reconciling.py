"""
This module keeps two sides in agreement: what a step would write is merged with what both agreed on.

Only what the source alone has changed is written. What only the target has changed is left to the flow of the
other direction, and where both have changed a field, its rule decides, or a person does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from flows.agreeing.agreement import Asked, Change, Side, Written
from flows.agreeing.merging import (
    Verdict,
    agree,
    decision_for,
    give_way,
    judge,
    newest,
)
from flows.agreeing.sameness import kept, mark, same
from flows.agreeing.swinging import remembered, swings
from flows.engine.item import Item
from flows.engine.kind import Answer
from flows.engine.outcome import AskHuman, Done, Pause, ReadAgain
from flows.engine.ports import Ports
from flows.steps import side_questions
from flows.steps.merging_case import Case
from flows.steps.pending import not_known_yet
from flows.steps.saving import SHARED_REST, Job
from flows.steps.side_questions import GO_ON, LEAVE, MAKE_AGAIN, changed_at, changed_by, said
from flows.steps.sides import Found, SideWritten, of_this_run, reader_of
from flows.steps.two_way import TwoWay
from integrator.kernel.errors import IntegrationError, Missing

WAITS = timedelta(minutes=10)  # for what a person is asked by another run; the answer wakes it
_TELLS_WITHIN = timedelta(seconds=5)  # Stripe's event of a change is mostly here by then
_MOST_TRIES = 4


class Reconciling:
    """The merging of one batch: its beginning, `before` it is written, and `after`."""

    def __init__(self, step_id: str, settings: TwoWay, side: SideWritten, ports: Ports) -> None:
        self._step_id = step_id
        self._settings = settings
        self._side = side
        self._ports = ports
        self._cases: dict[int, Case] = {}  # by place

    def begin(self, jobs: Sequence[Job]) -> tuple[list[Job], dict[int, Answer]]:
        """Return the jobs that have to be looked at, and the answers of those that write nothing or wait."""
        answers: dict[int, Answer] = {}
        self._cases.update({case.job.place: case for case in self._known(jobs, answers)})
        return [job for job in jobs if job.place not in answers], answers

    def before(self, jobs: Sequence[Job]) -> tuple[list[Job], dict[int, Answer]]:
        """Return the jobs that write, each with what it has to, and the answers of the others."""
        answers: dict[int, Answer] = {}
        for job, found in zip(jobs, self._side.read(jobs) if jobs else (), strict=True):
            case = self._cases[job.place]
            if isinstance(found, Found):
                case.found = found
                answer = self._merge(case)
            else:
                answer = self._without_one(case, found)
            if answer is not None:
                answers[job.place] = answer
        to_write = [self._cases[job.place] for job in jobs if job.place not in answers]
        return [self._side.only(case.job, case.write) for case in to_write], answers

    def after(self, done: Sequence[tuple[Job, Mapping[str, Any]]]) -> dict[int, Answer]:
        """Keep what was written and stored; return what runs come to that have more to ask."""
        jobs = [job for job, _ in done]
        instead: dict[int, Answer] = {}
        stored = self._side.stored(jobs, [result for _, result in done]) if jobs else []
        for job, values in zip(jobs, stored, strict=True):
            case = self._cases[job.place]
            self._keep(case, values)
            if case.instead is not None:
                instead[job.place] = case.instead
        return instead

    def state_of(self, job: Job) -> str:
        """Return what tells what was found from what was found at another time."""
        case = self._cases[job.place]
        return mark([{name: kept(value) for name, value in case.found.values.items()}])

    def agreed(self, job: Job) -> dict[str, Any]:
        """Return everything that stands on the side that was written to, as far as it is agreed."""
        known = self._cases[job.place].agreement.values
        lines = self._side.lines.items()
        return {name: known[line.key] for name, line in lines if line.key in known}

    # Before anything is read

    def _known(self, jobs: Sequence[Job], answers: dict[int, Answer]) -> list[Case]:
        """Return the cases whose target has to be read; the others are answered."""
        known = self._ports.agreements([self._side.between(job) for job in jobs]) if jobs else []
        open_: list[Case] = []
        for job, found in zip(jobs, known, strict=True):
            agreement = of_this_run(job.item, found)
            touched = side_questions.touched_by_others(job.item)
            case = Case(job, agreement, reader_of(job.item), self._side.wanted(job), touched)
            answer = self._of_a_deleted(case) or self._standing(case)
            if answer is None:
                open_.append(case)
            else:
                answers[job.place] = answer
        cases: list[Case] = []
        for case, is_free in zip(open_, self._are_free(open_), strict=True):
            answer = self._before_reading(case, is_free=is_free)
            if answer is None:
                cases.append(case)
            else:
                answers[case.job.place] = answer
        return cases

    def _before_reading(self, case: Case, *, is_free: bool) -> Answer | None:
        """Return what a run comes to without a look at the target, or None."""
        if not is_free:
            rest = self._ports.now() + SHARED_REST
            return Pause(rest, "The other direction is at work on it", holds="run")
        if case.is_echo(self._side.lines):
            return self._echo(case, "Nothing differs from what both sides agreed on")
        if self._may_be_old(case.job.item):
            return ReadAgain("Both sides are compared as they are now")
        return None

    def _of_a_deleted(self, case: Case) -> Answer | None:
        """Mark the link of a record whose deletion started the run: Stripe's object stays as it is."""
        if self._side.side == "salesforce" or not case.job.item.source.gone:
            return None
        gone, known = case.job.item.source.id, case.agreement.record_id
        if known and (merged := self._ports.moved(case.agreement.object, [gone])):
            if merged[gone].record_id:
                return self._echo(case, "The record was merged into another one in Salesforce")
            return not_known_yet(self._ports)
        if case.agreement.link_id is not None and case.agreement.state != "deleted":
            case.agreement.state, case.agreement.asked = "deleted", None
            case.agreement.tell(Change("deleted", "salesforce"))
        return self._echo(case, "The record was deleted in Salesforce")

    def _may_be_old(self, item: Item) -> bool:
        """Tell whether the source is known from Stripe's event alone. A record was read in any case."""
        return self._side.side == "salesforce" and not (item.source.fetched or item.source.gone)

    def _are_free(self, cases: Sequence[Case]) -> list[bool]:
        """Return for each whether the other direction leaves it alone until this is over."""
        targets = [frozenset(self._side.targets(case.job, case.agreement)) for case in cases]
        wanted = sorted(frozenset[str]().union(*targets))
        granted = self._ports.lease("salesforce", wanted) if wanted else frozenset[str]()
        return [mine <= granted for mine in targets]

    def _standing(self, case: Case) -> Answer | None:
        """Return why the run waits, if its link is held."""
        agreement, item = case.agreement, case.job.item
        if agreement.state != "held":
            return None
        asked = agreement.asked
        if asked is not None and asked.run_id != item.run_id:
            return Pause(self._ports.now() + WAITS, "The link is held, and a person was asked", holds="run")
        if item.recall(self._step_id, "answer") == GO_ON:
            agreement.state, agreement.asked, agreement.past = "agreed", None, []
            agreement.tell(Change("released"))
            return None
        return self._hold(case, sorted(asked.about) if asked is not None else [])

    # What was found

    def _merge(self, case: Case) -> Answer | None:
        agreement = case.agreement
        if agreement.state == "deleted":
            agreement.state = "agreed"
            agreement.tell(Change("undeleted", "salesforce"))
        open_: list[str] = []
        for name, line in self._side.lines.items():
            if name in case.wanted:
                wanted, current = case.wanted[name], case.found.values.get(name)
                verdict = judge(
                    agreement, line, wanted=wanted, current=current, read=case.read, touched=case.touched
                )
                self._do(case, name, verdict, open_)
        if loops := [name for name in case.write if self._swings(case, name)]:
            return self._hold(case, [self._side.lines[name].about for name in loops])
        waits = self._open(case, open_) if open_ else None
        if not open_:
            self._nothing_open(case)
        if case.write:
            case.instead = waits
            return None
        return waits or self._echo(case, "Both sides stand as they agreed, or one keeps its own")

    def _do(self, case: Case, name: str, verdict: Verdict, open_: list[str]) -> None:
        line, wanted, current = self._side.lines[name], case.wanted[name], case.found.values.get(name)
        if verdict is Verdict.CONFLICT:
            self._decide(case, name, open_)
        elif verdict is Verdict.WRITE:
            case.write[name] = wanted
        elif verdict is Verdict.MET:
            is_new = not same(case.agreement.values.get(line.key), current)
            agree(case.agreement, line, wanted=wanted, stored=current, read=case.read)
            if is_new:
                case.agreement.tell(Change("met", "", {line.about: [None, kept(current)]}))

    def _decide(self, case: Case, name: str, open_: list[str]) -> None:
        """Let a person's decision or the field's rule decide a conflict; what neither does is left open."""
        line, side = self._side.lines[name], self._side
        values: dict[Side, Any] = {side.source: case.wanted[name], side.side: case.found.values.get(name)}
        decided = decision_for(case.agreement, line, values)
        winner = decided[0] if decided is not None else self._winner(case, name)
        if winner == "value" and decided is not None:
            case.write[name] = decided[1]
            case.typed.add(name)
        elif winner == side.source:
            case.write[name] = case.wanted[name]
        elif winner == side.side:
            give_way(case.agreement, line, wanted=case.wanted[name], read=case.read)
            before = [kept(case.wanted[name]), kept(case.found.values.get(name))]
            case.agreement.tell(Change("left", side.source, {line.about: before}))
        else:
            open_.append(name)

    def _winner(self, case: Case, name: str) -> str:
        """Return the side that wins by the rule of the field; anything else is for a person."""
        policy = self._settings.policy_of(name)
        if policy != "newest":
            return policy
        stripe, salesforce = self._times(case)
        return newest(stripe=stripe, salesforce=salesforce, skew=self._settings.skew)

    def _times(self, case: Case) -> tuple[datetime | None, datetime | None]:
        """Return when each side was changed last, as far as it has told."""
        item, agreement = case.job.item, case.agreement
        told, _ = self._told(case)
        if told is not None and agreement.at is not None and told < agreement.at - self._settings.skew:
            told = None  # the event of this change has not come yet
        if self._side.side == "salesforce":
            return told, case.found.changed_at
        return told, changed_at(item)

    def _told(self, case: Case) -> tuple[datetime | None, str]:
        stripe_id = case.agreement.stripe_id
        return self._ports.last_told([stripe_id]).get(stripe_id, (None, ""))

    # What a person has to say

    def _open(self, case: Case, names: Sequence[str]) -> Answer | None:
        """Return what becomes of a run with conflicts that nothing decides: it asks, or waits for another."""
        agreement, item, side = case.agreement, case.job.item, self._side
        if (rest := self._untold(case, names)) is not None:
            return rest
        about: dict[str, dict[str, Any]] = {
            side.lines[name].about: {
                side.source: kept(case.wanted[name]),
                side.side: kept(case.found.values.get(name)),
            }
            for name in names
        }
        asked = agreement.asked
        if asked is not None and asked.run_id != item.run_id:
            is_new = not same(asked.about, about)
            if not is_new or asked.side != side.side:
                agreement.void = asked.run_id if is_new else None
                return Pause(self._ports.now() + WAITS, "A person was asked which side is right", holds="run")
        agreement.asked = Asked(item.run_id, side.side, about)
        agreement.state, agreement.touched = "conflict", True
        return side_questions.which_is_right(agreement, about, self._evidence(case, about, names))

    def _untold(self, case: Case, names: Sequence[str]) -> Pause | None:
        """Return a short pause while Stripe's event, which says when its side was changed, may be coming."""
        item = case.job.item
        if not any(self._settings.policy_of(name) == "newest" for name in names) or self._times(case)[0]:
            return None
        tries = item.recall(self._step_id, "untold") or 0
        if tries >= _MOST_TRIES:
            return None
        item.keep(self._step_id, "untold", tries + 1)
        said = "It is not known yet when Stripe's side was changed"
        return Pause(self._ports.now() + _TELLS_WITHIN, said, holds="run")

    def _nothing_open(self, case: Case) -> None:
        """Let the run that has asked go on, since there is nothing left to ask."""
        agreement = case.agreement
        asked = agreement.asked
        if agreement.state != "conflict" or asked is None:
            return
        mine = {self._side.lines[name].about for name in case.wanted}
        if mine >= set(asked.about):
            agreement.void = asked.run_id if asked.run_id != case.job.item.run_id else None
            agreement.state, agreement.asked, agreement.touched = "agreed", None, True

    def _evidence(self, case: Case, about: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
        side, agreement = self._side, case.agreement
        told, event = self._told(case)
        by_salesforce = side.side == "salesforce"
        at = case.found.changed_at if by_salesforce else changed_at(case.job.item)
        who = case.found.changed_by if by_salesforce else changed_by(case.job.item)
        base = {side.lines[name].about: agreement.values.get(side.lines[name].key) for name in names}
        return {
            "fields": {name: {**values, "agreed": base.get(name)} for name, values in about.items()},
            "record": {"object": agreement.object, "id": agreement.record_id, "stripe": agreement.stripe_id},
            "changed": {
                "salesforce": {"by": who or None, "at": said(at)},
                "stripe": {"by": event or None, "at": said(told)},
            },
            "link": [agreement.object, agreement.external_id],
        }

    def _without_one(self, case: Case, failure: IntegrationError) -> Answer | None:
        """Return what becomes of a run whose record is not there: it is made, unless it was there before."""
        agreement, item = case.agreement, case.job.item
        if not isinstance(failure, Missing):
            return failure
        was_there = bool(agreement.link_id and agreement.record_id)
        if self._side.side == "stripe" or not was_there:
            case.write = dict(case.wanted)
            return None  # an update learns from its own call that there is none
        if agreement.state != "deleted":
            agreement.state = "deleted"
            agreement.tell(Change("deleted", "salesforce"))
        answer = item.recall(self._step_id, "answer")
        if answer == MAKE_AGAIN:
            agreement.state, agreement.values, agreement.sent = "agreed", {}, {}
            case.write = dict(case.wanted)
            return None
        if self._settings.deleted == "ignore" or answer == LEAVE:
            return self._echo(case, "The record was deleted in Salesforce, and stays so")
        return side_questions.shall_it_be_made_again(agreement)

    # Values that go back and forth

    def _swings(self, case: Case, name: str) -> bool:
        about, settings = self._side.lines[name].about, self._settings
        return name not in case.typed and swings(
            case.agreement.past,
            about,
            mark(case.write[name]),
            most=settings.most_writes,
            within=settings.within,
            now=self._ports.now(),
        )

    def _hold(self, case: Case, about: Sequence[str]) -> AskHuman:
        agreement, item = case.agreement, case.job.item
        if agreement.state != "held":
            agreement.state = "held"
            agreement.tell(Change("held"))
        agreement.asked = Asked(item.run_id, self._side.side, {name: {} for name in about})
        agreement.touched = True
        note, question = side_questions.goes_back_and_forth(agreement, about, self._settings, item)
        item.notes.append(note)
        return question

    # What was written

    def _keep(self, case: Case, stored: Mapping[str, Any]) -> None:
        """Note what stands on both sides now."""
        agreement, side, now = case.agreement, self._side, self._ports.now()
        before: dict[str, list[Any]] = {}
        for name, value in case.write.items():
            line = side.lines[name]
            before[line.about] = [kept(case.found.values.get(name)), kept(stored.get(name, value))]
            if name in case.typed:  # the flow of the other direction carries it over as any change
                give_way(agreement, line, wanted=case.wanted[name], read=case.read)
            else:
                agree(agreement, line, wanted=value, stored=stored.get(name, value), read=case.read)
        agreement.past = remembered(
            agreement.past,
            [Written(now, side.lines[name].about, mark(value)) for name, value in case.write.items()],
        )
        who = changed_by(case.job.item) if side.source == "salesforce" else case.job.item.event.id
        agreement.tell(Change("decided" if case.typed else "written", side.side, before, who))

    def _echo(self, case: Case, reason: str) -> Done:
        agreement, job = case.agreement, case.job
        output = {
            "id": agreement.record_id or job.key if self._side.side == "salesforce" else job.key,
            "created": False,
            "external_id": job.key,
            "unchanged": reason,
        }
        return Done(output, effect="echo", seen=job.record)
