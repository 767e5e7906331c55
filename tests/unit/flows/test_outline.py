"""A flow document as people read it."""

from __future__ import annotations

from typing import Any

import pytest

from flows.engine.definition import walk
from flows.recipes import catalogue
from flows.steps import registry
from flows.views import outline, summaries


def a_document(*steps: dict[str, Any]) -> dict[str, Any]:
    """Return a document with `steps`."""
    return {"steps": list(steps)}


def test_steps_are_numbered_as_a_tree() -> None:
    inner = {"id": "b", "kind": "stop", "settings": {"reason": "Small"}}
    condition = {
        "id": "a", "kind": "condition", "title": "Is it large?",
        "settings": {"when": {"path": ["charge.amount"], "is": "greater", "value": 1000}},
        "exits": {"yes": [], "no": [inner]},
    }  # fmt: skip

    (step,) = outline.steps_of(a_document(condition))

    assert (step.number, step.title, step.kind) == ("1", "Is it large?", "Condition")
    assert step.summary == "charge.amount is more than 1000"
    assert [(branch.name, [one.number for one in branch.steps]) for branch in step.branches] == [
        ("yes", []),
        ("no", ["1.2.1"]),
    ]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"path": ["a.b"], "is": "present"}, "a.b has a value"),
        ({"path": ["a", "b"], "is": "equal", "value": "x"}, "a or b is x"),
        ({"path": ["a"], "is": "in", "value": ["x", "y"]}, "a is one of x, y"),
        ({"path": "a", "is": "equal", "value": False}, "a is false"),
        (
            {"all": [{"path": "a", "is": "present"}, {"path": "b", "is": "empty"}]},
            "a has a value and b has no value",
        ),
    ],
)
def test_a_condition_is_said_in_words(condition: dict[str, Any], words: str) -> None:
    assert summaries.condition_in_words(condition) == words


@pytest.mark.parametrize("slug", catalogue.slugs())
def test_every_recipe_can_be_shown(slug: str) -> None:
    recipe = catalogue.load(slug)

    steps = outline.steps_of(recipe.raw)

    lines = [line for step in steps for line in step.lines]
    assert steps
    assert bool(lines) is any(step.kind == "map" for step, _ in walk(recipe.document.steps))
    assert all(line.field and line.empty for line in lines)
    assert all(line.sources or line.chips for line in lines)


def test_a_kind_that_is_no_longer_installed_shows_its_name() -> None:
    (step,) = outline.steps_of(a_document({"id": "x", "kind": "acme.ping", "settings": {}}))

    assert step.kind == "acme.ping"


SETTINGS = {
    "salesforce.upsert": ({"object": "Payment__c", "external_id": "Key__c"}, "Payment__c by Key__c"),
    "salesforce.update": ({"object": "Account", "id": "charge.id"}, "Account by charge.id"),
    "salesforce.create": ({"object": "Task", "purpose": "Call"}, "Task: Call"),
    "salesforce.find": (
        {
            "object": "Account",
            "by": [
                {"kind": "link"},
                {"kind": "id", "from": ["a.b", "a.c"]},
                {"kind": "equal", "field": "Email", "from": ["customer.email"]},
            ],
        },
        "Account by its link, then by Id from a.b or a.c, then by Email from customer.email",
    ),
    "salesforce.recognise": ({"object": "Account"}, "Is the customer one of the Accounts?"),
    "salesforce.query": ({"soql": "SELECT Id FROM A"}, "SELECT Id FROM A"),
    "salesforce.list": (
        {
            "object": "Contact",
            "where": [
                {"field": "Email", "from": "customer.email"},
                {"field": "Level", "is": "in", "value": ["a", "b"]},
            ],
        },
        "Contact whose Email is customer.email and Level is one of a, b",
    ),
    "stripe.list": (
        {"object": "charge", "where": [{"field": "customer", "value": "c"}]},
        "charge whose customer is c",
    ),
    "salesforce.start_flow": ({"flow": "Dunning", "through": "direct"}, "Dunning, called directly"),
    "salesforce.publish": ({"event": "X__e"}, "X__e"),
    "stripe.retrieve": ({"type": "customer", "id": ["a.b", "a.c"]}, "customer a.b or a.c"),
    "stripe.find": (
        {"object": "customer", "by": "metadata", "key": "account", "value": "a.b"},
        "customer by metadata account from a.b",
    ),
    "stripe.create": ({"object": "refund", "purpose": "Goodwill"}, "refund: Goodwill"),
    "stripe.update": ({"object": "customer", "id": "a.b"}, "customer by a.b"),
    "stripe.act": ({"act": "invoice.void", "id": "a.b"}, "Void an invoice: a.b"),
    "currency.convert": ({"amount": "charge.amount", "into": "EUR"}, "charge.amount into EUR"),
    "switch": ({"path": "charge.status"}, "by charge.status"),
    "for_each": ({"list": "invoice.lines"}, "element of invoice.lines"),
    "ask": ({"question": "Is it?"}, "Is it?"),
    "alert": ({"title": "It is"}, "It is"),
    "approval": ({"question": "Refund {charge.id}?"}, "Refund {charge.id}?"),
    "throttle": (
        {"limit": 5, "every": 2, "unit": "minute", "key": "charge.customer"},
        "5 in 2 minutes for each charge.customer",
    ),
    "debounce": ({"quiet": 1, "unit": "minute"}, "the last, once it is quiet for 1 minute"),
    "wait": ({"days": 1, "minutes": 5}, "1 day, 5 minutes"),
    "wait_for_event": (
        {"types": ["invoice.paid"], "key": "id", "equals": ["charge.invoice"], "hours": 1},
        "invoice.paid whose id is charge.invoice, at most 1 hour",
    ),
    "parallel": ({"branches": [{"exit": "left"}, {"exit": "right"}]}, "left, right"),
    "scope": ({"undo": [{"step": "enrol", "exit": "leave"}]}, "undoes enrol"),
    "sub_flow": ({"flow": "save-customer", "version": 3}, "save-customer, version 3"),
    "stop": ({"reason": "Enough"}, "Enough"),
    "filter": ({"all": [{"path": "a.b", "is": "present"}]}, "a.b has a value"),
    "condition": ({"any": [{"path": "a.b", "is": "empty"}]}, "a.b has no value"),
    "map": ({"target": "A", "lines": [{"field": "F", "from": "charge.id"}]}, "1 field of A"),
}


@pytest.mark.parametrize("kind", sorted(registry.load()))
def test_every_kind_says_in_a_line_what_it_does(kind: str) -> None:
    settings, words = SETTINGS[kind]

    (step,) = outline.steps_of(a_document({"id": "x", "kind": kind, "settings": settings}))

    assert step.summary == words
    assert kind in outline.LOOKS


def test_a_path_is_shown_whole_whether_there_is_one_or_several() -> None:
    settings = {"target": "A", "lines": [{"field": "F", "from": "charge.id"}]}

    (step,) = outline.steps_of(a_document({"id": "x", "kind": "map", "settings": settings}))

    assert step.lines[0].sources == ["charge.id"]


def test_exits_are_called_as_people_know_them() -> None:
    question = {"options": [{"exit": "keep", "label": "Keep it"}]}
    exits = {"keep": [], "error": [], "big": []}

    (step,) = outline.steps_of(a_document({"id": "x", "kind": "ask", "settings": question, "exits": exits}))

    assert [branch.name for branch in step.branches] == ["Keep it", "if it fails", "big"]


@pytest.mark.parametrize(
    "kind", ["stripe.find", "stripe.list", "stripe.create", "stripe.update", "stripe.act"]
)
def test_a_step_without_settings_says_nothing_by_halves(kind: str) -> None:
    assert summaries.summary_of(kind, {}) == ""
