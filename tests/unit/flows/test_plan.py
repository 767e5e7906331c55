"""The tree of steps becomes a line; after a branch the run goes on behind it."""

from __future__ import annotations

from flows.engine import definition, plan
from flows.steps import registry
from tests.unit.flows.test_definition import a_condition, a_document, a_stop

KINDS = registry.load()


def laid_out(*steps):
    document = definition.load(a_document(*steps), kinds=KINDS)
    return plan.build(document, kinds=KINDS)


def test_steps_follow_one_another():
    line = laid_out(a_stop("a"), a_stop("b"))

    assert [(node.id, node.exits) for node in line.nodes] == [("a", {"next": 1}), ("b", {"next": 2})]


def test_a_run_goes_on_behind_the_branch_it_took():
    line = laid_out(
        a_condition("big", yes=[a_stop("a"), a_stop("b")], no=[a_stop("c")]),
        a_stop("d"),
    )

    assert [(node.id, dict(node.exits)) for node in line.nodes] == [
        ("big", {"yes": 1, "no": 3}),
        ("a", {"next": 2}),
        ("b", {"next": 4}),
        ("c", {"next": 4}),
        ("d", {"next": 5}),
    ]


def test_an_exit_without_steps_leads_behind_the_branch():
    line = laid_out(a_condition("outer", yes=[a_condition("inner", no=[a_stop("a")])]), a_stop("b"))

    assert [dict(node.exits) for node in line.nodes] == [
        {"yes": 1, "no": 3},
        {"yes": 3, "no": 2},
        {"next": 3},
        {"next": 4},
    ]


def test_jumps_lead_only_forward():
    line = laid_out(
        a_condition("a", yes=[a_condition("b", yes=[a_stop("c")])], no=[a_stop("d")]), a_stop("e")
    )

    for place, node in enumerate(line.nodes):
        assert all(place < there <= len(line.nodes) for there in node.exits.values())


def test_a_step_without_a_title_is_called_after_its_kind():
    line = laid_out(a_stop("a"), a_stop("b", title="Enough"))

    assert [node.title for node in line.nodes] == ["Stop", "Enough"]
