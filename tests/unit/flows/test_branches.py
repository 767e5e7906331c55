"""This module tests bodies that repeat for each element, steps that handle failures, and held flows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from flows.engine import batch, definition, each, plan
from flows.engine.held import is_held, settled
from flows.engine.outcome import AskHuman, Done, End, GiveUp, Option, Pause, ReadAgain, RetryAt
from flows.engine.policy import Policy
from flows.steps.base import StepKind
from integrator.kernel.errors import Forbidden, Refused, Transient
from tests.fakes import FakePorts, an_event, an_item


class Nothing(BaseModel):
    """No settings."""


class Split(StepKind):
    """Find the elements that the charge's metadata names."""

    slug: ClassVar[str] = "split"
    label: ClassVar[str] = "Split"
    settings_model = Nothing
    nature = "pure"
    body: ClassVar[str] = "each"

    def compile(self, step_id: str, settings: Any) -> Any:
        return lambda items, _ports: [
            Done({"items": item.context["charge"]["metadata"]["elements"]}) for item in items
        ]


class Act(StepKind):
    """Answer as `answers` says for the element, or for the run."""

    slug: ClassVar[str] = "act"
    label: ClassVar[str] = "Act"
    settings_model = Nothing
    nature = "writes"

    def __init__(self) -> None:
        self.answers: dict[Any, Any] = {}
        self.seen: list[Any] = []
        self.calls = 0

    def compile(self, step_id: str, settings: Any) -> Any:
        def step(items: Sequence[Any], ports: Any) -> list[Any]:
            self.calls += 1
            found = [item.context.get("each", item.run_id) for item in items]
            self.seen += found
            return [self._answer(one) for one in found]

        return step

    def _answer(self, one: Any) -> Any:
        answer = self.answers.get(one, Done(effect="applied"))
        return next(answer) if isinstance(answer, Iterator) else answer


def run(steps: list[Mapping[str, Any]], act: Act, *elements: Sequence[Any]) -> list[batch.Finished]:
    """Take one run for each of `elements` through `steps`."""
    kinds = {"split": Split(), "act": act}
    document = definition.load(
        {
            "format": 1,
            "name": "T",
            "trigger": {"kind": "stripe.event", "types": ["charge.succeeded"]},
            "steps": steps,
        },
        kinds=kinds,
    )
    items = [
        an_item(an_event(metadata={"elements": list(some)}), run_id=number)
        for number, some in enumerate(elements, 1)
    ]
    return batch.run(plan.build(document, kinds=kinds), items, FakePorts(), Policy())


FOR_EACH = [{"id": "split", "kind": "split", "exits": {"each": [{"id": "act", "kind": "act"}]}}]


def test_the_elements_of_all_runs_take_a_step_of_the_body_together() -> None:
    act = Act()

    ended = run(FOR_EACH, act, ["a", "b"], ["c"], [])

    assert act.seen == ["a", "b", "c"]
    assert act.calls == 1
    assert [(one.fate, one.trace[-1]["output"]) for one in ended] == [
        ("applied", {"count": 2}),
        ("applied", {"count": 1}),
        ("ignored", {"count": 0}),
    ]


def test_what_an_element_gave_is_not_taken_for_what_a_step_behind_the_loop_sees() -> None:
    act = Act()
    act.answers |= {"a": Done({"of": "a"}), "b": Done({"of": "b"})}

    (ended,) = run([*FOR_EACH, {"id": "behind", "kind": "act"}], act, ["a", "b"])

    # What the elements gave is gone behind the loop, and its identity may be that of anything else.
    assert ended.item.shown.keys() <= {id(output) for output in ended.item.outputs.values()}


def test_no_more_elements_take_a_step_together_than_one_call_can_carry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(each, "MOST_ELEMENTS", 3)
    act = Act()
    act.answers["d"] = Refused("no", code="X")

    ended = run(FOR_EACH, act, ["a", "b"], ["c", "d"], ["e"], list("fghi"))

    assert act.calls == 3
    assert act.seen == list("abcdefghi")
    assert [one.fate for one in ended] == ["applied", "dead", "applied", "applied"]


def test_an_element_that_fails_harms_no_other_and_is_named() -> None:
    act = Act()
    act.answers["b"] = Refused("Amount is too large", code="X", field="Amount__c")

    (ended,) = run(FOR_EACH, act, ["a", "b", "c"])

    assert act.seen == ["a", "b", "c"]
    assert isinstance(ended.outcome, GiveUp)
    assert ended.reason == "1 of 3 elements failed, the others are done. number 2: Amount is too large"
    assert (ended.outcome.failure.code, ended.outcome.failure.field) == ("X", "Amount__c")


def test_what_may_work_later_is_tried_again_before_anything_is_given_up() -> None:
    act = Act()
    act.answers |= {"a": Refused("no"), "b": Transient("later", code="UNABLE_TO_LOCK_ROW")}

    (ended,) = run(FOR_EACH, act, ["a", "b"])

    assert isinstance(ended.outcome, RetryAt)


def test_a_doubt_about_an_element_reads_the_runs_object_again_once() -> None:
    act = Act()
    act.answers["a"] = ReadAgain("in doubt")

    (ended,) = run(FOR_EACH, act, ["a"])

    assert ended.step == "source"  # it was read, which the fake says is gone, and was still in doubt


def test_elements_whose_run_is_done_anew_do_not_count_where_it_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FakePorts, "read_roots", lambda _ports, items: [Refused("no") for _ in items])
    act = Act()
    act.answers["b"] = ReadAgain("in doubt")

    (ended,) = run(FOR_EACH, act, ["a", "b"])

    assert (ended.step, ended.fate, ended.item.elements) == ("source", "dead", {})


def test_a_question_of_an_element_says_which() -> None:
    act = Act()
    act.answers["b"] = AskHuman("Which?", options=(Option("x", "X"),))

    (ended,) = run(FOR_EACH, act, ["a", "b"])

    assert ended.item.asks == "act[split:b]"
    assert ended.fate == "waiting"


def test_a_filter_in_a_body_ends_its_element_only() -> None:
    act = Act()
    act.answers["a"] = End("ignored", "not this one")

    (ended,) = run(FOR_EACH, act, ["a", "b"])

    assert (ended.fate, ended.trace[-1]["output"]) == ("applied", {"count": 2})


HANDLED = [
    {"id": "act", "kind": "act", "exits": {"error": [{"id": "repair", "kind": "act"}]}},
]


def test_a_failure_is_handled_by_the_steps_behind_the_error_exit() -> None:
    act = Act()
    act.answers[1] = Refused("no", code="X")

    (ended,) = run(HANDLED, act, [])

    # The repair step is the same probe and refuses as well, so that the run ends there.
    assert (ended.step, ended.letters) == ("repair", "ee")
    assert ended.trace[-2]["exit"] == "error"
    assert ended.item.context["error"] == {
        "class": "unknown", "code": "X", "field": "", "message": "no", "request_id": "",
    }  # fmt: skip


def test_a_bug_is_nobodys_to_handle() -> None:
    act = Act()
    act.answers[1] = "no outcome"

    (ended,) = run(HANDLED, act, [])

    assert (ended.step, ended.fate) == ("act", "dead")


def test_a_run_that_fails_where_others_got_through_is_at_fault_itself() -> None:
    act = Act()
    act.answers[2] = Forbidden("no right")

    ended = settled(run([{"id": "act", "kind": "act"}], act, [], [], []))

    assert [one.fate for one in ended] == ["applied", "dead", "applied"]


def test_a_run_that_was_read_again_is_not_judged_by_those_that_went_before_it() -> None:
    act = Act()
    act.answers[2] = iter([ReadAgain("in doubt"), Refused("No such column", code="INVALID_FIELD")])

    first, second = settled(run([{"id": "act", "kind": "act"}], act, [], []))

    assert (first.fate, second.fate) == ("applied", "queued")
    assert is_held(second)


def test_a_step_that_a_run_got_through_before_it_was_read_again_shows_nothing_against_it() -> None:
    act = Act()
    act.answers[1] = iter([Done(), ReadAgain("in doubt"), Refused("No such column", code="INVALID_FIELD")])

    (ended,) = settled(run([{"id": "first", "kind": "act"}, {"id": "second", "kind": "act"}], act, []))

    assert (ended.step, is_held(ended)) == ("first", True)


def test_runs_that_all_lack_the_same_hold_the_flow() -> None:
    act = Act()
    act.answers |= {1: Refused("No such column", code="INVALID_FIELD"), 2: Forbidden("no right")}

    ended = settled(run([{"id": "act", "kind": "act"}], act, [], []))

    assert all(is_held(one) for one in ended)
    assert all(isinstance(one.outcome, Pause) and one.fate == "queued" for one in ended)


@pytest.mark.parametrize(
    ("elements", "places"),
    [
        pytest.param([{"id": "il_1"}, {"id": "il_2"}], ["il_1", "il_2"], id="ids"),
        pytest.param(["in_1", "in_2"], ["in_1", "in_2"], id="ids without objects"),
        pytest.param([{"id": "il_1"}, {"id": "il_1"}, {"id": "il_2"}], ["0", "1", "il_2"], id="an id twice"),
        pytest.param([{"id": "1"}, {}, None, 7], ["0", "1", "2", "3"], id="no ids"),
        pytest.param(["a]b[c", "x" * 65], ["0", "1"], id="what would break a key"),
    ],
)
def test_an_element_is_told_apart_by_its_id_or_by_its_number(elements: list[Any], places: list[str]) -> None:
    done = Done({"items": elements, "name": "each"})

    children = each.children(an_item(), "lines", done)

    assert [child.place for child in children] == [f"[lines:{place}]" for place in places]


def test_lists_within_lists_are_told_apart_by_numbers_before_their_key_grows_too_long() -> None:
    done = Done({"items": [{"id": "i" * 64}], "name": "each"})
    item = an_item()

    for step in ("one", "two", "three", "four"):
        (item,) = each.children(item, step, done)

    assert item.place == f"[one:{'i' * 64}][two:{'i' * 64}][three:0][four:0]"
