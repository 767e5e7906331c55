"""A sub-flow in a flow: its steps under ids of their own, what it takes and gives, how it ends."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from flows.designing import applying, edits, taking, tree
from flows.designing.applying import Workshop
from flows.designing.tree import Refused
from flows.engine import batch, definition, plan
from flows.engine.definition import InvalidDocument
from flows.engine.policy import Policy
from flows.outputs import END, step_fields
from flows.steps import registry
from tests.fakes import NOON, FakePorts, an_event, an_item

KINDS = registry.load()
INNER: dict[str, Any] = {
    "format": 1,
    "name": "Describe a payer",
    "trigger": {
        "kind": "flow",
        "inputs": [{"name": "who"}, {"name": "note", "required": False}],
        "outputs": [{"name": "name", "from": ["steps.describe.Name"]}],
    },
    "steps": [
        {
            "id": "describe",
            "kind": "map",
            "settings": {"target": "Account", "lines": [{"field": "Name", "from": ["input.who"]}]},
        },
        {
            "id": "both",
            "kind": "scope",
            "settings": {"undo": [{"step": "tell", "exit": "hush"}]},
            "exits": {
                "try": [{"id": "tell", "kind": "alert", "settings": {"title": "{steps.describe.Name}"}}],
                "hush": [{"id": "sorry", "kind": "alert", "settings": {"title": "Undone"}}],
            },
        },
    ],
}


def a_call(step: str, inner: dict[str, Any] = INNER, flow: str = "a-payer", **inputs: Any) -> dict[str, Any]:
    """Return a step that takes `inner`."""
    call = {
        "id": step,
        "kind": "sub_flow",
        "title": step.title(),
        "settings": {"flow": flow, "inputs": inputs},
    }
    taking.take(call, inner, 2)
    return call


def a_flow(*steps: dict[str, Any]) -> dict[str, Any]:
    trigger = {"kind": "stripe.event", "types": ["charge.succeeded"]}
    return {"format": 1, "name": "Payments", "trigger": trigger, "steps": list(steps)}


def run(document: dict[str, Any]) -> batch.Finished:
    """Return how a run of `document` ends."""
    compiled = plan.build(definition.load(document, kinds=KINDS), kinds=KINDS)
    (finished,) = batch.run(compiled, [an_item(an_event())], FakePorts(now=NOON), Policy())
    return finished


def problems(document: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDocument) as refused:
        definition.load(document, kinds=KINDS)
    return [(one.step, one.message) for one in refused.value.problems]


def test_a_sub_flow_that_is_taken_twice_has_steps_of_its_own_each_time() -> None:
    finished = run(a_flow(a_call("payer", who="charge.id"), a_call("other", who="charge.status")))

    context = finished.item.context["steps"]
    assert (context["payer"], context["other"]) == ({"name": "ch_1"}, {"name": "succeeded"})
    titles = [one.title for one in finished.item.notes]
    assert titles == ["ch_1", "succeeded"]
    within = {one["step"]: one.get("within") for one in finished.trace}
    assert within["payer__tell"] == ["Payer"]
    assert within["other__describe"] == ["Other"]
    assert within["payer"] is None
    assert [one["step"] for one in finished.trace][1:4] == ["payer", "payer__describe", "payer__both"]


def test_the_steps_keep_their_ids_from_version_to_version_and_name_each_other_by_them() -> None:
    newer = copy.deepcopy(INNER)
    newer["steps"].insert(0, {"id": "wait", "kind": "wait", "settings": {"days": 1}})

    before, after = a_call("payer"), a_call("payer", newer)

    known = tree.ids(before["exits"]["taken"])
    assert set(known) < set(tree.ids(after["exits"]["taken"]))
    scope = before["exits"]["taken"][1]
    assert scope["settings"]["undo"] == [{"step": "payer__tell", "exit": "hush"}]
    assert scope["exits"]["try"][0]["settings"]["title"] == "{steps.payer__describe.Name}"
    assert before["settings"]["gives"] == [{"name": "name", "from": ["steps.payer__describe.Name"]}]
    assert INNER["steps"][1]["settings"]["undo"][0]["step"] == "tell"


def test_long_ids_stay_short_enough_and_different() -> None:
    one, other = (taking.id_under("c" * 60, "i" * 59 + end) for end in "ab")

    assert one != other
    assert max(len(one), len(other)) <= 60
    assert taking.id_under("c" * 60, "i" * 59 + "a") == one


def test_sub_flows_stand_within_each_other() -> None:
    middle = {
        **INNER,
        "name": "Middle",
        "trigger": {
            "kind": "flow",
            "inputs": [{"name": "whom"}],
            "outputs": [{"name": "found", "from": "steps.deep.name"}],
        },
        "steps": [a_call("deep", who="input.whom")],
    }
    outer = a_call("outer", middle, "middle", whom="charge.id")

    finished = run(a_flow(outer))

    assert finished.item.context["steps"]["outer"] == {"found": "ch_1"}
    within = {one["step"]: one.get("within") for one in finished.trace}
    assert within["outer__deep__describe"] == ["Outer", "Deep"]
    assert (taking.depth_of([outer]), taking.flows_in([outer])) == (2, {"middle", "a-payer"})


def test_what_it_has_to_have_is_given_or_the_run_fails_there() -> None:
    assert problems(a_flow(a_call("payer"))) == [("payer", "The sub-flow has to have who")]
    assert problems(a_flow(a_call("payer", who="charge.id", age="charge.id"))) == [
        ("payer", "The sub-flow takes nothing called age")
    ]

    finished = run(a_flow(a_call("payer", who="charge.nobody")))

    assert (finished.fate, finished.step) == ("dead", "payer")
    assert "who has no value" in finished.reason
    assert [one["step"] for one in finished.trace][1:] == ["payer"]


def test_a_step_without_a_version_cannot_be_run() -> None:
    empty = {"id": "payer", "kind": "sub_flow", "settings": {"flow": "payer"}}

    ((step, message),) = problems(a_flow(empty))

    assert (step, message[:13]) == ("payer", "Choose a flow")


def test_a_sub_flow_that_ends_itself_ends_there_only() -> None:
    nobody = {
        **INNER,
        "steps": [{"id": "end", "kind": "stop", "settings": {"reason": "Enough"}}, *INNER["steps"]],
    }
    behind = {"id": "after", "kind": "alert", "settings": {"title": "After {steps.payer.name}"}}

    finished = run(a_flow(a_call("payer", nobody, who="charge.id"), behind))

    assert [one.title for one in finished.item.notes] == ["After"]
    assert finished.item.context["steps"]["payer"] == {"name": None}


def test_a_question_inside_is_asked_of_the_run_and_its_answer_is_found_again() -> None:
    options = [{"exit": "yes", "label": "Yes"}, {"exit": "no", "label": "No"}]
    question = {
        "id": "ask",
        "kind": "ask",
        "settings": {"question": "Is it {input.who}?", "options": options},
    }
    asking = {**INNER, "steps": [question, *INNER["steps"]]}
    compiled = plan.build(
        definition.load(a_flow(a_call("payer", asking, who="charge.id")), kinds=KINDS), kinds=KINDS
    )

    def tried(**memory: Any) -> batch.Finished:
        item = an_item(an_event())
        item.memory |= memory
        return batch.run(compiled, [item], FakePorts(now=NOON), Policy())[0]

    asked = tried()
    answered = tried(payer__ask={"answer": "yes"})

    assert (asked.fate, asked.item.asks, asked.reason) == ("waiting", "payer__ask", "Is it ch_1?")
    assert (answered.item.asks, answered.item.context["steps"]["payer"]) == ("", {"name": "ch_1"})


def test_a_failure_inside_is_handled_by_the_step_that_took_it() -> None:
    failing = copy.deepcopy(INNER)
    failing["steps"][0]["settings"]["lines"][0] |= {"from": ["input.note"], "empty": "fail"}
    call = a_call("payer", failing, who="charge.id")
    call["exits"]["error"] = [{"id": "sorry", "kind": "alert", "settings": {"title": "Not {error.field}"}}]

    finished = run(a_flow(call))

    assert [one.title for one in finished.item.notes] == ["Not Name"]
    assert [(one["step"], one["exit"]) for one in finished.trace[1:]] == [
        ("payer", "error"),
        ("payer__describe", None),
        ("sorry", "next"),
    ]


def test_what_stands_inside_is_changed_in_the_sub_flow() -> None:
    document = a_flow(a_call("payer", who="charge.id"))
    workshop = Workshop(KINDS, set(tree.ids(document["steps"])))
    changes = [
        {"edit": "set_title", "step": "payer__tell", "title": "Mine"},
        {"edit": "remove_step", "step": "payer__both"},
        {"edit": "add_step", "kind": "stop", "at": {"parent": "payer", "exit": "taken"}},
        {"edit": "add_step", "kind": "stop", "at": {"parent": "payer__both", "exit": "try"}},
    ]

    for change in changes:
        with pytest.raises(Refused):
            applying.make(document, edits.read([change]), workshop)

    made = applying.make(document, edits.read([{"edit": "duplicate_step", "step": "payer"}]), workshop)
    assert [one["id"] for one in made.document["steps"]] == ["payer", "payer_2"]


def test_a_copy_of_steps_that_are_undone_names_the_copies() -> None:
    scope = INNER["steps"][1]

    (made,) = tree.renamed([scope], {"both", "tell", "sorry"}, keep=False)

    assert made["settings"]["undo"][0]["step"] == made["exits"]["try"][0]["id"] == "tell_2"


def test_steps_read_what_is_given_to_them_and_the_flow_what_it_gives_back() -> None:
    alert = {"id": "after", "kind": "alert", "settings": {"title": "x"}}
    document = definition.load(a_flow(a_call("payer", who="charge.id"), alert), kinds=KINDS)
    inner = definition.load(INNER, kinds=KINDS)

    inside = {one.path: one.nullable for one in step_fields(document, "payer__both")}
    behind = [one.path for one in step_fields(document, "after")]
    at_the_end = [one.path for one in step_fields(inner, END)]

    assert {path: inside[path] for path in inside if path.startswith("input.")} == {
        "input.who": False,
        "input.note": True,
    }
    assert "steps.payer__describe.Name" in inside
    assert behind == ["steps.payer.name"]
    assert "steps.describe.Name" in at_the_end


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (
            [{"name": "x", "from": "steps.nobody.id"}],
            "x reads of the step nobody, which the flow does not have",
        ),
        (
            [{"name": "X", "from": "event.id"}],
            "Use 1 to 40 small letters, digits and underscores, a letter first",
        ),
        ([{"name": "x", "from": "event.id"}] * 2, "Two of them are called x"),
    ],
)
def test_what_a_sub_flow_gives_is_checked(outputs: list[dict[str, Any]], said: str) -> None:
    document = {**INNER, "trigger": {"kind": "flow", "outputs": outputs}}

    assert [message for _, message in problems(document)] == [said]
