"""What one document does otherwise than another, in words."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from flows.designing import differences, edits
from flows.designing.applying import Workshop, make
from flows.steps import registry

KINDS = registry.load()
OLD: dict[str, Any] = {
    "format": 1,
    "name": "Payments",
    "trigger": {"kind": "stripe.event", "types": ["charge.failed"]},
    "steps": [
        {
            "id": "a",
            "kind": "map",
            "settings": {"target": "X__c", "lines": [{"field": "Name", "from": ["a.b"]}]},
        },
        {"id": "b", "kind": "stop", "title": "End", "settings": {"reason": "one"}},
        {"id": "c", "kind": "condition", "settings": {}, "exits": {"yes": [{"id": "d", "kind": "wait"}]}},
    ],
}
Change = Callable[..., dict[str, Any]]


def after(*changes: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the differences that `changes` make."""
    new = make(copy.deepcopy(OLD), edits.read(list(changes)), Workshop(KINDS, set())).document
    return [tuple(one) for one in differences.between(OLD, new, KINDS)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"edit": "add_step", "kind": "alert"}, ("added", "Alert", "")),
        ({"edit": "remove_step", "step": "b"}, ("removed", "End", "")),
        ({"edit": "move_step", "step": "d", "at": {}}, ("moved", "Wait", "")),
        (
            {"edit": "set_settings", "step": "b", "settings": {"reason": "two", "fate": "applied"}},
            ("changed", "End", "fate: applied"),
        ),
        ({"edit": "set_title", "step": "b", "title": "Stop"}, ("changed", "Stop", "its title: End → Stop")),
        (
            {"edit": "set_line", "step": "a", "line": {"field": "Amount__c"}},
            ("changed", "Map", "Amount__c is filled"),
        ),
        (
            {"edit": "set_line", "step": "a", "line": {"field": "Name", "from": ["c.d"]}},
            ("changed", "Map", "Name is filled otherwise"),
        ),
        ({"edit": "remove_line", "step": "a", "field": "Name"}, ("changed", "Map", "Name is filled no more")),
        ({"edit": "rename", "name": "Money"}, ("changed", "The name", "Payments → Money")),
        (
            {"edit": "set_trigger", "trigger": {"kind": "stripe.event", "types": ["charge.failed", "x.y"]}},
            ("changed", "What starts the flow", "types: charge.failed → charge.failed, x.y"),
        ),
    ],
)
def test_each_change_is_told(change, told):
    assert after(change)[0] == told


def test_only_the_step_that_moved_is_told_to_have_moved():
    assert after({"edit": "remove_step", "step": "a"}) == [("removed", "Map", "")]
    assert after({"edit": "add_step", "kind": "stop", "at": {"after": ""}}) == [("added", "Stop", "")]


def test_two_equal_documents_differ_in_nothing():
    assert differences.between(OLD, copy.deepcopy(OLD), KINDS) == []


def test_another_trigger_is_told_as_its_form_tells_it():
    trigger = {"kind": "salesforce.change", "object": "Account"}
    when = {"all": [{"path": ["Account.Type"], "is": "equal", "value": "Customer"}]}
    old: dict[str, Any] = {"name": "F", "trigger": trigger, "steps": []}
    new = {**old, "trigger": {**trigger, "fields": ["Name"], "when": when}}

    assert [one.text for one in differences.between(old, new, {})] == [
        "only if one of these changed: Name",
        "only if: Account.Type is Customer",
    ]
