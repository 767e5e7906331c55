"""Edits that do not fit a draft, by mistake or on purpose, are refused and change nothing."""

from __future__ import annotations

from typing import Any

import pytest

from flows.designing import edits
from flows.designing.tree import Refused
from flows.models import Draft
from tests.integration.flows.drafting import STOP, change, titled

pytestmark = pytest.mark.django_db


def settings(**given: Any) -> dict[str, Any]:
    """Return the edit that gives the step `stop` these settings."""
    return {"edit": "set_settings", "step": "stop", "settings": given}


def added(**at: str) -> dict[str, Any]:
    """Return the edit that adds a step there."""
    return {"edit": "add_step", "kind": "stop", "at": at}


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param({"edit": "add_step", "kind": "nothing"}, id="an unknown kind"),
        pytest.param(added(parent="save"), id="no exit"),
        pytest.param(added(parent="x", exit="yes"), id="no parent"),
        pytest.param(added(after="nowhere"), id="no step before"),
        pytest.param(added(exit="yes"), id="an exit of the flow"),
        pytest.param(
            {"edit": "move_step", "step": "large", "at": {"parent": "large", "exit": "yes"}},
            id="within itself",
        ),
        pytest.param({"edit": "set_line", "step": "save", "line": {"field": "X"}}, id="no map step"),
        pytest.param({"edit": "set_line", "step": "map_payment", "line": {}}, id="a line without a field"),
        pytest.param(
            {"edit": "set_line", "step": "map_payment", "line": {"field": "Name"}, "was": "External_ID__c"},
            id="a field that is filled",
        ),
        pytest.param({"edit": "remove_line", "step": "map_payment", "field": "Nope"}, id="no such line"),
        pytest.param(settings(reason="\x00"), id="a null"),
        pytest.param(settings(reason="\ud800"), id="half a letter"),
        pytest.param(settings(n=float("nan")), id="no number"),
        pytest.param(settings(n=10**400), id="a huge number"),
        pytest.param(settings(x="y" * 600_000), id="too large"),
        pytest.param(titled("save", "a\x00b"), id="a null in a title"),
        pytest.param(added() | {"title": "a\x00b"}, id="a null in the title of a new step"),
        pytest.param(
            {"edit": "set_line", "step": "map_payment", "line": {"field": "X"}, "was": "\x00"},
            id="a null in the field that a line had",
        ),
        pytest.param({"edit": "paste_steps", "steps": [{"id": "x"}]}, id="no steps"),
        pytest.param({"edit": "paste_steps", "steps": [{"id": "x", "kind": "no"}]}, id="pasted: no kind"),
        pytest.param({"edit": "paste_steps", "steps": [STOP, STOP]}, id="pasted: one id twice"),
        pytest.param(
            {"edit": "paste_steps", "steps": [{**STOP, "id": f"s{n}"} for n in range(199)]}, id="too many"
        ),
    ],
)
def test_an_edit_that_does_not_fit_changes_nothing(draft, edit):
    with pytest.raises(Refused):
        change(draft, edit)

    assert Draft.objects.get().revision == 1


def test_copies_of_copies_are_refused_before_they_fill_the_memory(draft):
    change(draft, {"edit": "paste_steps", "steps": [{**STOP, "id": f"s{n}"} for n in range(90)]})
    pasted = {"edit": "paste_steps", "steps": [{**STOP, "id": f"t{n}"} for n in range(150)]}
    undone = [{"edit": "remove_step", "step": f"t{n}"} for n in range(49)]

    with pytest.raises(Refused, match="at most"):
        change(draft, pasted, *undone)


@pytest.mark.parametrize("key", ["a\x00", "a\ud800"])
def test_a_key_that_cannot_be_kept_is_refused(draft, key):
    with pytest.raises(Refused):
        change(draft, titled("save", "x"), key=key)


def test_steps_that_stand_too_deep_are_refused(draft):
    inner: list[dict[str, Any]] = [STOP]
    for depth in range(12):
        rules = {"all": [{"path": "a.b", "is": "present"}]}
        inner = [{"id": f"d{depth}", "kind": "condition", "settings": rules, "exits": {"yes": inner}}]

    with pytest.raises(Refused, match="deep"):
        change(draft, {"edit": "paste_steps", "steps": inner})


@pytest.mark.parametrize(
    "raw",
    [None, {}, [], "x", [1], [{"edit": "nothing"}], [{"edit": "insert"}], [{"edit": "remove_step"}],
     [{"edit": "remove_step", "step": "../x"}], [{"edit": "rename", "name": "x" * 101}],
     [titled("save", "x")] * 51],
)  # fmt: skip
def test_what_is_no_edit_is_told_so(raw):
    with pytest.raises(edits.InvalidEdit):
        edits.read(raw)
