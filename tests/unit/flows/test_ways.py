"""Which ways a run took, and what a document is as far as one of its steps."""

from __future__ import annotations

import pytest

from flows.designing import cutting
from flows.designing.tree import Refused, ids
from flows.engine import ways
from flows.steps import registry

KINDS = registry.load()


def a_step(name, exit_name, error=None):
    return {"step": name, "exit": exit_name, "error": error}


SOURCE = {"step": "source", "kind": "payload"}


def test_the_ways_of_a_run_are_the_exits_it_took_and_how_it_stopped():
    refused = {"class": "data"}

    ended = ways.taken([SOURCE, a_step("large", "yes"), a_step("stop", None)])
    failed = ways.taken([SOURCE, a_step("save", "error", refused), a_step("tell", None, refused)])

    assert ended == [("large", "yes"), ("stop", ways.ENDED)]
    assert failed == [("save", "error"), ("tell", ways.FAILED)]


def test_what_was_done_anew_counts_once():
    again = {"step": "source", "kind": "fetched"}

    assert ways.taken(
        [SOURCE, a_step("map", "next"), a_step("save", None), again, a_step("map", "next")]
    ) == [("map", "next")]


def a_tree():
    def wait(name):
        return {"id": name, "kind": "wait", "settings": {"days": 1}}

    lines = {"id": "lines", "kind": "for_each", "settings": {}, "exits": {"each": [wait("e1"), wait("e2")]}}
    ways = {"yes": [wait("y"), lines, wait("z")], "no": [wait("n")]}
    large = {"id": "large", "kind": "condition", "settings": {}, "exits": ways}
    before = {"id": "before", "kind": "condition", "settings": {}, "exits": {"no": [wait("b")]}}
    return {"format": 1, "name": "x", "steps": [before, large, wait("last")]}


@pytest.mark.parametrize(
    ("step", "left"),
    [
        pytest.param(
            "last", ["before", "b", "large", "y", "lines", "e1", "e2", "z", "n", "last"], id="the end"
        ),
        pytest.param("large", ["before", "b", "large"], id="a decision without its branches"),
        pytest.param("y", ["before", "b", "large", "y"], id="within a branch"),
        pytest.param("lines", ["before", "b", "large", "y", "lines", "e1", "e2"], id="a list with its steps"),
        pytest.param("e1", ["before", "b", "large", "y", "lines", "e1"], id="within a list"),
    ],
)
def test_a_document_is_cut_off_behind_a_step(step, left):
    document = a_tree()

    cut = cutting.up_to(document, step, KINDS)

    assert ids(cut["steps"]) == left
    assert document == a_tree()


def test_there_is_nothing_to_cut_at_a_step_that_is_not_there():
    with pytest.raises(Refused, match="no step nowhere"):
        cutting.up_to(a_tree(), "nowhere", KINDS)
