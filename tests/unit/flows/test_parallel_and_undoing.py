"""This module tests steps with steps inside: branches that are all taken, and steps that are undone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from flows.engine import batch, definition, plan
from flows.engine.outcome import AskHuman, Done, End, Failure, GiveUp, Option, Pause, RetryAt
from flows.engine.policy import Policy
from flows.engine.ways import taken
from flows.steps import registry
from flows.steps.base import StepKind
from flows.steps.parallel import ParallelSettings
from flows.steps.scope import ScopeSettings
from flows.trials import tape
from tests.fakes import NOON, FakePorts, an_event, an_item

SOON, LATER = NOON + timedelta(minutes=1), NOON + timedelta(days=3)
NO = GiveUp("The card is gone", Failure("validation", "The card is gone", code="gone"))
DONE = Done({"id": "x"}, effect="applied")


class Nothing(BaseModel):
    """No settings."""


class Act(StepKind):
    """Answer what is put into `answers` under the step's id, and note that the step was taken."""

    slug: ClassVar[str] = "act"
    label: ClassVar[str] = "Act"
    settings_model = Nothing
    nature = "effect"

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = answers
        self.taken: list[str] = []
        self.saw: dict[str, dict[str, Any]] = {}

    def compile(self, step_id: str, settings: Any) -> Any:
        def step(items: Sequence[Any], ports: Any) -> list[Any]:
            for item in items:
                self.taken.append(step_id)
                self.saw[step_id] = dict(item.context["steps"]) | {"error": item.context.get("error")}
            return [self.answers.get(step_id, DONE) for _ in items]

        return step


class Tries:
    """One run, try after try: what it keeps goes through JSON, as the database has it."""

    def __init__(self, act: Act, *steps: dict[str, Any]) -> None:
        kinds = {**registry.load(), "act": act}
        trigger = {"kind": "stripe.event", "types": ["charge.succeeded"]}
        document = definition.load(
            {"format": 1, "name": "T", "trigger": trigger, "steps": list(steps)}, kinds=kinds
        )
        self._act = act
        self._plan = plan.build(document, kinds=kinds)
        self._memory: dict[str, Any] = {}
        self._kept: dict[str, Any] = {}

    def go(self, *, event: dict[str, Any] | None = None, **answers: Any) -> batch.Finished:
        """Try once more, with other answers of some steps."""
        self._act.answers |= answers
        self._act.taken.clear()
        kept = tape.loads(tape.dumps(self._kept))
        item = an_item(event or an_event(), memory=self._memory, kept=kept)
        (ended,) = batch.run(self._plan, [item], FakePorts(), Policy())
        self._memory, self._kept = item.memory, item.kept
        return ended


def act(step: str) -> dict[str, Any]:
    return {"id": step, "kind": "act"}


def parallel(*behind: dict[str, Any], **branches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    settings = {"branches": [{"exit": name} for name in branches if name != "error"]}
    return [{"id": "fork", "kind": "parallel", "settings": settings, "exits": branches}, *behind]


def scope(*behind: dict[str, Any], **exits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return steps a, b and c, of which a and b are undone by un_a and un_b."""
    undo = [{"step": "a", "exit": "back_a"}, {"step": "b", "exit": "back_b"}]
    inside = {"try": [act("a"), act("b"), act("c")], "back_a": [act("un_a")], "back_b": [act("un_b")]}
    step = {"id": "all", "kind": "scope", "settings": {"undo": undo}, "exits": {**inside, **exits}}
    return [step, *behind]


# Branches


def test_every_branch_is_taken_and_what_they_gave_is_known_behind_them():
    steps = Act()
    run = Tries(steps, *parallel(act("end"), left=[act("a"), act("b")], right=[act("c")]))

    ended = run.go()

    assert steps.taken == ["a", "b", "c", "end"]
    assert "b" not in steps.saw["c"]
    assert {"a", "b", "c"} <= steps.saw["end"].keys()
    assert (ended.fate, ended.letters) == ("applied", "ssss" + "s")
    assert [entry["step"] for entry in ended.trace[1:]] == ["fork", "a", "b", "c", "end"]
    assert ended.trace[1]["output"] == {"branches": ["left", "right"]}


def test_a_branch_that_waits_holds_nobody_up_and_what_was_done_is_not_done_again():
    steps = Act(a=Pause(LATER, "It waits", holds="run"))
    run = Tries(steps, *parallel(act("end"), left=[act("a")], right=[act("b")]))

    waits = run.go()
    first = list(steps.taken)
    goes_on = run.go(a=DONE)

    assert (waits.outcome, first) == (Pause(LATER, "It waits", holds="run"), ["a", "b"])
    assert steps.taken == ["a", "end"]
    assert steps.saw["end"]["b"] == {"id": "x"}
    assert goes_on.fate == "applied"
    # The branch that was done before stands in the last trace as well, and its ways are counted once.
    assert sorted(step for step, _ in taken(goes_on.trace)) == ["a", "b", "end", "fork"]


@pytest.mark.parametrize(
    ("left", "right", "comes_first"),
    [
        (Pause(LATER, "waits", holds="run"), RetryAt(SOON, "busy"), RetryAt(SOON, "busy")),
        (Pause(SOON, "waits", holds="run"), RetryAt(LATER, "busy"), RetryAt(SOON, "busy")),
        (Pause(LATER, "a", holds="run"), Pause(SOON, "b", holds="run"), Pause(SOON, "b", holds="run")),
        (RetryAt(SOON, "busy"), Pause(LATER, "rests"), Pause(LATER, "rests")),
        (RetryAt(LATER, "a"), RetryAt(SOON, "b"), RetryAt(SOON, "b")),
    ],
)
def test_what_is_to_happen_first_decides_when_the_run_goes_on(left, right, comes_first):
    run = Tries(Act(a=left, b=right), *parallel(left=[act("a")], right=[act("b")]))

    assert run.go().outcome == comes_first


def test_a_person_is_asked_at_once_though_another_branch_waits():
    question = AskHuman("Right?", options=(Option("yes", "Yes"),))
    steps = Act(a=Pause(LATER, "waits", holds="run"), b=question)
    run = Tries(steps, *parallel(left=[act("a")], right=[act("b")]))

    ended = run.go()

    assert (ended.outcome, ended.item.asks) == (question, "b")


def test_a_branch_that_fails_undoes_no_other_and_is_named():
    steps = Act(a=NO)
    run = Tries(steps, *parallel(act("end"), left=[act("a")], right=[act("b")]))

    failed = run.go()
    once = list(steps.taken)
    again = run.go(a=DONE)

    assert once == ["a", "b"]
    assert isinstance(failed.outcome, GiveUp)
    assert failed.reason == "1 of 2 branches failed, the others are done. left: The card is gone"
    assert (failed.outcome.failure.error_class, failed.outcome.failure.code) == ("validation", "gone")
    assert (steps.taken, again.fate) == (["a", "end"], "applied")


def test_a_failure_is_told_at_once_where_the_run_waits_on_for_another_branch():
    steps = Act(a=NO, b=Pause(LATER, "waits", holds="run"))
    run = Tries(steps, *parallel(left=[act("a")], right=[act("b")]))

    first, second = run.go(), run.go()
    last = run.go(b=DONE)

    assert [note.title for note in first.item.notes] == ["The branch left of “Parallel branches” failed"]
    assert second.item.notes == []
    assert steps.taken == ["b"]
    assert isinstance(last.outcome, GiveUp)


def test_a_failed_branch_can_be_handled_behind_the_exit_for_failures():
    steps = Act(a=NO)
    run = Tries(steps, *parallel(left=[act("a")], right=[act("b")], error=[act("tell")]))

    ended = run.go()

    assert steps.taken == ["a", "b", "tell"]
    assert steps.saw["tell"]["error"]["message"].startswith("1 of 2 branches failed")
    assert isinstance(ended.outcome, Done)


def test_a_filter_in_a_branch_ends_that_branch_only():
    steps = Act(a=End("ignored", "Not ours"))
    run = Tries(steps, *parallel(act("end"), left=[act("a"), act("never")], right=[act("b")]))

    run.go()

    assert steps.taken == ["a", "b", "end"]


# Undoing


def test_steps_that_are_done_together_are_done_once_however_often_the_run_is_tried():
    steps = Act(end=RetryAt(SOON, "busy"))
    run = Tries(steps, *scope(act("end")))

    run.go()
    first = list(steps.taken)
    run.go(end=DONE, c=NO)

    assert first == ["a", "b", "c", "end"]
    assert steps.taken == ["end"]


def test_what_was_done_is_undone_the_last_first_and_only_after_that_was_kept():
    steps = Act(c=NO)
    run = Tries(steps, *scope(act("end"), compensated=[act("tell")]))

    decides = run.go()
    before = list(steps.taken)
    undone = run.go(c=DONE)

    assert (before, decides.fate) == (["a", "b", "c"], "queued")
    assert decides.reason == "It undoes what it did: The card is gone"
    assert steps.taken == ["un_b", "un_a", "tell", "end"]
    assert steps.saw["un_a"]["a"] == {"id": "x"}
    assert steps.saw["tell"]["error"]["message"] == "The card is gone"
    assert undone.item.outputs["all"]["undone"] == ["back_b", "back_a"]
    assert ("all", "compensated") in taken(undone.trace)


def test_where_nothing_has_to_be_undone_the_run_goes_on_at_once_with_what_is_to_follow():
    steps = Act(a=NO)
    run = Tries(steps, *scope(act("end"), compensated=[act("tell")]))

    ended = run.go()

    assert steps.taken == ["a", "tell", "end"]
    assert (ended.item.outputs["all"]["undone"], ended.fate) == ([], "applied")


def test_only_steps_that_were_done_are_undone():
    steps = Act(b=NO)
    run = Tries(steps, *scope())

    run.go()
    run.go()

    assert steps.taken == ["un_a"]


def test_a_step_whose_failure_was_handled_is_not_undone():
    steps = Act(a=NO, c=NO)
    settings = {"undo": [{"step": "a", "exit": "back_a"}, {"step": "b", "exit": "back_b"}]}
    failing = act("a") | {"exits": {"error": [act("instead")]}}
    exits = {"try": [failing, act("b"), act("c")], "back_a": [act("un_a")], "back_b": [act("un_b")]}
    run = Tries(steps, {"id": "all", "kind": "scope", "settings": settings, "exits": exits})

    run.go()
    run.go()

    assert steps.taken == ["un_b"]


@pytest.mark.parametrize("unfinished", [RetryAt(SOON, "busy"), Pause(LATER, "waits", holds="run")])
def test_what_was_done_at_an_earlier_try_is_undone_though_the_last_took_another_way(unfinished):
    steps = Act(c=unfinished)
    settings = {"undo": [{"step": "a", "exit": "back_a"}, {"step": "b", "exit": "back_b"}]}
    rule = {"path": "event.type", "is": "equal", "value": "charge.succeeded"}
    way = {"id": "way", "kind": "condition", "settings": {"all": [rule]}, "exits": {"yes": [act("a")]}}
    exits = {"try": [way, act("b"), act("c")], "back_a": [act("un_a")], "back_b": [act("un_b")]}
    run = Tries(steps, {"id": "all", "kind": "scope", "settings": settings, "exits": exits})

    run.go()
    run.go(event=an_event("charge.updated"), c=NO)
    other_way = list(steps.taken)
    run.go(event=an_event("charge.updated"))

    assert other_way == ["b", "c"]
    assert steps.taken == ["un_b", "un_a"]
    assert steps.saw["un_a"]["a"] == {"id": "x"}


def test_an_undoing_that_does_not_end_goes_on_where_it_stopped():
    steps = Act(c=NO, un_a=RetryAt(SOON, "busy"))
    run = Tries(steps, *scope())
    run.go()

    waits = run.go()
    goes_on = run.go(un_a=DONE)

    assert waits.outcome == RetryAt(SOON, "busy")
    assert steps.taken == ["un_a"]
    assert isinstance(goes_on.outcome, Done)


def test_an_undoing_that_fails_is_a_dead_letter_that_says_what_is_left_and_can_be_tried_again():
    steps = Act(c=NO, un_a=NO)
    run = Tries(steps, *scope())
    run.go()

    dead = run.go()
    again = run.go(un_a=DONE)

    assert dead.fate == "dead"
    assert dead.reason == "back_a could not undo what was done: The card is gone"
    assert steps.taken == ["un_a"]
    assert again.fate == "applied"


def test_what_may_work_later_or_is_a_bug_undoes_nothing():
    bug = GiveUp("Oh", Failure("internal", "Oh"))
    for answer in (RetryAt(SOON, "busy"), bug, AskHuman("Right?")):
        steps = Act(c=answer)
        run = Tries(steps, *scope())

        ended = run.go()
        run.go(c=DONE)

        assert ended.outcome == answer
        assert steps.taken == ["a", "b", "c"]


def test_a_stop_among_them_ends_the_run():
    steps = Act(b=End("ignored", "Enough"))
    run = Tries(steps, *scope(act("end")))

    ended = run.go()

    assert (steps.taken, ended.reason) == (["a", "b"], "Enough")


def test_branches_among_them_are_undone_as_any_other_step():
    steps = Act(c=NO)
    settings = {"undo": [{"step": "a", "exit": "back_a"}, {"step": "b", "exit": "back_b"}]}
    fork = parallel(left=[act("a")], right=[act("b")])
    exits = {"try": [*fork, act("c")], "back_a": [act("un_a")], "back_b": [act("un_b")]}
    run = Tries(steps, {"id": "all", "kind": "scope", "settings": settings, "exits": exits})

    run.go()
    run.go()

    assert steps.taken == ["un_b", "un_a"]


# Documents


@pytest.mark.parametrize(
    ("model", "settings", "said"),
    [
        (ParallelSettings, {"branches": [{"exit": "a"}]}, "at least 2"),
        (ParallelSettings, {"branches": [{"exit": "a"}, {"exit": "a"}]}, "same name"),
        (ParallelSettings, {"branches": [{"exit": "a"}, {"exit": "error"}]}, "error"),
        (ScopeSettings, {"undo": [{"step": "a", "exit": "try"}]}, "same name"),
        (ScopeSettings, {"undo": [{"step": "a", "exit": "x"}, {"step": "a", "exit": "y"}]}, "one way"),
    ],
)
def test_settings_that_cannot_work_are_refused(model, settings, said):
    with pytest.raises(ValueError, match=said):
        model.model_validate(settings)


def test_steps_behind_the_branches_may_rely_on_a_record_that_one_of_them_made():
    settings = {"object": "Payment__c", "external_id": "External_ID__c", "record": "describe"}
    lines = [{"field": "External_ID__c", "from": ["charge.id"]}]
    described = {"id": "describe", "kind": "map", "settings": {"target": "Payment__c", "lines": lines}}
    save = {"id": "save", "kind": "salesforce.upsert", "settings": settings}

    Tries(Act(), *parallel(save, left=[described], right=[]))
    with pytest.raises(definition.InvalidDocument):
        Tries(Act(), *parallel(left=[described], right=[save]))
