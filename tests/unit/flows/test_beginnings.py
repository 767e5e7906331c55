"""What a new step begins with, as far as the place where it is put tells."""

from __future__ import annotations

from typing import Any

import pytest

from flows.designing import beginnings, edits
from flows.designing.edits import AddStep

STEPS: list[dict[str, Any]] = [
    {"id": "map", "kind": "map", "settings": {"target": "Payment__c"}},
    {
        "id": "find",
        "kind": "salesforce.find",
        "exits": {
            "none": [{"id": "inner", "kind": "map", "settings": {"target": "Task"}}],
            "found": [{"id": "told", "kind": "alert", "settings": {}}],
        },
    },
]
DOCUMENT = {"steps": STEPS}


def begun(kind: str, *, roots: tuple[str, ...] = ("invoice",), **at: Any) -> dict[str, Any]:
    (edit,) = edits.read([{"edit": "add_step", "kind": kind, "at": at}])
    (filled,) = beginnings.filled(
        DOCUMENT, [edit], roots=roots, key_of=lambda name: "External_ID__c" if name == "Payment__c" else ""
    )
    assert isinstance(filled, AddStep)
    return filled.settings


@pytest.mark.parametrize(
    ("at", "record"),
    [
        ({"after": "map"}, "map"),
        ({"after": "find"}, "map"),  # what stands in a branch was perhaps not taken
        ({}, "map"),
        ({"parent": "find", "exit": "found", "after": "told"}, "map"),
        ({"parent": "find", "exit": "none", "after": "inner"}, "inner"),
        ({"parent": "find", "exit": "none", "after": ""}, "map"),
    ],
)
def test_a_record_is_saved_that_the_nearest_step_above_fills(at: dict[str, str], record: str) -> None:
    assert begun("salesforce.upsert", **at)["record"] == record


def test_the_object_and_its_key_are_those_of_the_record() -> None:
    saved = {"record": "map", "object": "Payment__c", "external_id": "External_ID__c"}
    assert begun("salesforce.upsert", after="map") == saved
    assert begun("salesforce.create", parent="find", exit="none") == {"record": "inner", "object": "Task"}
    assert begun("salesforce.upsert", after="") == {}


def test_the_customer_of_the_event_is_looked_for() -> None:
    (way,) = begun("salesforce.find")["by"]
    assert way == {"kind": "external_id", "from": ["invoice.customer"]}
    assert begun("salesforce.find", roots=("customer",))["by"][0]["from"] == ["customer.id"]
    assert begun("salesforce.find", roots=("payout",)) == {"by": [{"kind": "external_id"}]}


def test_a_question_has_two_answers_to_begin_with() -> None:
    asked = begun("ask")
    assert asked["question"] == "What is to be done with {invoice.id}?"
    assert [one["exit"] for one in asked["options"]] == ["go_on", "leave"]
    assert begun("ask", roots=())["question"] == "What is to be done?"
    assert begun("approval") == {"question": "May this go on for {invoice.id}?"}


def test_settings_that_are_given_stay_as_they_are() -> None:
    given = edits.read([{"edit": "add_step", "kind": "ask", "settings": {"question": "Which?"}}])
    assert beginnings.filled(DOCUMENT, given, roots=(), key_of=str) == given


CHANGED = {"kind": "salesforce.change", "object": "Account"}
FOUND = {"id": "look", "kind": "stripe.find", "settings": {"object": "customer"}}


def begun_by_a_record(kind: str, *steps: dict[str, Any], after: str = "") -> dict[str, Any]:
    (edit,) = edits.read([{"edit": "add_step", "kind": kind, "at": {"after": after}}])
    document = {"trigger": CHANGED, "steps": list(steps)}
    (filled,) = beginnings.filled(document, [edit], roots=["Account"], key_of=lambda _: "")
    assert isinstance(filled, AddStep)
    return filled.settings


def test_the_customer_of_a_record_is_looked_for_by_what_says_so_in_stripe() -> None:
    key = {"by": "metadata", "key": "salesforce_account_id", "value": ["Account.Id"]}
    assert begun_by_a_record("stripe.find") == {"object": "customer", **key}
    assert begun("stripe.find") == {}


def test_what_was_found_in_stripe_is_changed() -> None:
    assert begun_by_a_record("stripe.update", FOUND, after="look") == {
        "object": "customer",
        "id": ["steps.look.id"],
    }
    assert begun_by_a_record("stripe.update") == {}


def test_the_record_that_started_the_flow_is_known_by_its_id() -> None:
    map_step = {"id": "map", "kind": "map", "settings": {"target": "Account"}}
    assert begun_by_a_record("salesforce.update", map_step, after="map")["id"] == ["Account.Id"]
    assert begun_by_a_record("ask")["question"] == "What is to be done with {Account.Id}?"
