"""What starts a flow, as its card and its form say it, however unfinished the draft is."""

from __future__ import annotations

import pytest

from flows import captures
from flows.designing import judging, starting
from flows.designing.controls import every
from flows.engine.definition import Problem
from flows.steps import registry
from flows.views import cards, summaries, trigger_panel

CHANGE = {"kind": "salesforce.change", "slot": "salesforce", "object": "Account", "changes": ["updated"]}
NAMED = {"all": [{"path": ["Account.Name"], "is": "present"}]}


def document(trigger):
    return {"format": 1, "name": "Accounts", "trigger": trigger, "steps": []}


@pytest.mark.parametrize(
    ("trigger", "says", "types"),
    [
        pytest.param({"kind": "stripe.event", "types": ["a.b"]}, "a.b", ("a.b",), id="Stripe"),
        pytest.param(CHANGE, "Account: updated", ("Account.updated",), id="a change"),
        pytest.param(
            CHANGE | {"fields": ["Name", "Phone"]},
            "Account: updated, of Name, Phone", ("Account.updated",),
            id="a change of fields",
        ),
        pytest.param(
            {"kind": "salesforce.change", "object": "Account"},
            "Account: created, updated", ("Account.created", "Account.updated"),
            id="the usual changes",
        ),
        pytest.param({"kind": "salesforce.event", "event": "Won__e"}, "Won__e", ("Won__e",), id="an event"),
        pytest.param({"kind": "salesforce.change", "object": ""}, "no object yet", (), id="no object"),
        pytest.param({"kind": "salesforce.event"}, "no platform event yet", (), id="no event"),
        pytest.param({"types": [1, None, ["x"]]}, "no events yet", (), id="nonsense"),
        pytest.param("nonsense", "no events yet", (), id="no trigger"),
    ],
)  # fmt: skip
def test_a_card_says_what_starts_the_flow(trigger, says, types):
    start = starting.of({"trigger": trigger})

    assert (start.says, start.types) == (says, types)


def test_a_card_says_what_must_hold_of_the_record():
    assert summaries.only_if(document(CHANGE | {"when": NAMED})) == "Account.Name has a value"
    assert summaries.only_if(document(CHANGE | {"when": {"all": [None]}})) == ""
    assert summaries.only_if(document(CHANGE)) == ""


def form(trigger):
    """Return the controls of the form of a trigger, by their names."""
    return {control.name: control for control in every(trigger_panel.parts(document(trigger)))}


def test_changes_are_boxes_to_tick():
    found = form(CHANGE)

    boxes = {name: box.value for name, box in found.items() if name.startswith("changes.")}
    assert list(boxes) == [f"changes.{change}" for change in starting.CHANGES]
    assert [name for name, value in boxes.items() if value] == ["changes.updated"]
    assert (found["object"].offers, found["fields"].parts[0].of) == ("changing_objects", "object")


@pytest.mark.parametrize(
    ("given", "changes"),
    [
        pytest.param(
            {"changes.created?": "1", "changes.created": "true"}, ["created", "updated"], id="ticked"
        ),
        pytest.param({"changes.updated?": "1"}, [], id="unticked"),
        pytest.param({"object": "Contact"}, ["updated"], id="left alone"),
    ],
)
def test_what_is_ticked_is_kept_in_one_order(given, changes):
    assert trigger_panel.read(document(CHANGE), given)["changes"] == changes


def test_another_kind_of_trigger_begins_anew():
    read = trigger_panel.read(document(CHANGE | {"effects_within_hours": 2}), {"kind": "salesforce.event"})

    assert read == {
        "kind": "salesforce.event",
        "slot": "salesforce",
        "event": "",
        "effects_within_hours": 2,
    }
    assert trigger_panel.read(document(CHANGE), {"kind": "nonsense"}) == CHANGE


@pytest.mark.parametrize(
    ("trigger", "told", "beside"),
    [
        pytest.param(starting.begun("salesforce.change", {}), "Choose the object", "object", id="no object"),
        pytest.param(CHANGE | {"changes": []}, "Choose the changes", "changes", id="no change"),
        pytest.param(CHANGE | {"object": "9 lives"}, "Use the API name", "object", id="no name"),
        pytest.param(starting.begun("salesforce.event", {}), "Choose the platform", "event", id="no event"),
    ],
)  # fmt: skip
def test_what_is_missing_stands_beside_its_field(trigger, told, beside):
    problems = judging.problems(document(trigger), registry.load())
    controls = trigger_panel.parts(document(trigger))

    trigger_panel.place(controls, problems)

    found = {one.name: one.problems for one in every(controls) if one.problems}
    assert list(found) == [beside]
    assert found[beside][0].startswith(told)


def test_a_problem_of_another_place_stands_beside_nothing():
    controls = trigger_panel.parts(document(CHANGE))

    trigger_panel.place(
        controls, [Problem("Add the first step", field="steps"), Problem("No", "x", "trigger")]
    )

    assert not any(one.problems for one in every(controls))


def test_an_org_tells_the_changes_of_the_objects_that_its_list_names():
    known = captures.of_list(
        [{"name": name} for name in ("Account", "AccountChangeEvent", "Bill__ChangeEvent")]
    )

    told = {name: captures.told(name, known) for name in ("Account", "Bill__c", "User", "Won__e")}
    assert told == {"Account": True, "Bill__c": True, "User": False, "Won__e": False}
    assert [captures.told(name, None) for name in ("Bill__c", "User")] == [True, None]
    assert [captures.event_of(name) for name in ("Account", "Bill__c")] == [
        "AccountChangeEvent",
        "Bill__ChangeEvent",
    ]


def test_settings_of_a_trigger_are_called_as_its_form_calls_them():
    assert [cards.setting("", name) for name in ("object", "fields", "event", "cost")] == [
        "Object",
        "Only if one of these fields changed",
        "Platform event",
        "cost",
    ]
