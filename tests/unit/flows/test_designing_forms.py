"""The settings of every step kind as a form, and what comes back from it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.designing import forms, tree
from flows.designing.arranging import arranged
from flows.designing.controls import Control, every, named
from flows.designing.forms import Unreadable
from flows.recipes import catalogue
from flows.steps import registry
from tests.unit.flows.shaping import settings_of

KINDS = registry.load()
STEPS = [
    pytest.param(found.step, id=f"{slug} {found.step['id']}")
    for slug in catalogue.slugs()
    for found in tree.walk(copy.deepcopy(catalogue.load(slug).raw["steps"]))
]

AROUND = ("list", "table", "option", "element", "group", "union")


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of the settings of `kind`."""
    return KINDS[kind].settings_model.model_json_schema()


def sent(controls: Sequence[Control]) -> Iterator[tuple[str, str]]:
    """Yield what a browser would send, if it sent everything."""
    for control in every(controls):
        if control.was is not None:
            yield f"{control.name}.@was", control.was
        if control.kind == "check":
            yield f"{control.name}?", "1"
            if control.value:
                yield control.name, control.value
        elif not control.parts and control.kind not in AROUND:
            yield control.name, control.value


def names(kind: str, found: dict[str, Any]) -> list[str]:
    """Return the names of all controls of a form that hold a value."""
    return [name for name, _ in sent(forms.controls(schema_of(kind), found))]


@pytest.mark.parametrize("step", STEPS)
def test_what_is_sent_unchanged_is_unchanged(step):
    schema = schema_of(step["kind"])

    found = forms.read(schema, step["settings"], dict(sent(forms.controls(schema, step["settings"]))))

    assert found == step["settings"]


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_settings_of_any_shape_come_back_as_they_were(kind, data):
    schema = schema_of(kind)
    wanted = data.draw(settings_of(schema))
    wanted = forms.read(schema, wanted, {})  # what has no meaning beside another setting is gone

    found = forms.read(schema, copy.deepcopy(wanted), dict(sent(forms.controls(schema, wanted))))

    assert found == wanted


@pytest.mark.parametrize("step", STEPS)
def test_no_setting_of_a_template_is_shown_as_json(step):
    drawn = forms.controls(schema_of(step["kind"]), step["settings"], without=["lines"])

    assert [control.name for control in every(drawn) if control.kind == "json"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_form_sent_back_says_nothing(kind):
    schema = schema_of(kind)

    assert forms.read(schema, {}, dict(sent(forms.controls(schema, {})))) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_every_control_explains_itself_in_words_of_its_own(kind):
    schema = schema_of(kind)
    asked = [one for one in forms.controls(schema, {}) if not one.name.startswith("@")]

    assert [control.name for control in asked if not control.help] == []
    labelled = [name for name, told in schema["properties"].items() if told.get("x-form", {}).get("label")]
    assert set(labelled) | {"slot", "lines"} >= set(schema["properties"])


@pytest.mark.parametrize(
    ("kind", "name", "text", "value"),
    [
        pytest.param("stop", "reason", "Too small", "Too small", id="a line"),
        pytest.param("for_each", "limit", "12", 12, id="a number"),
        pytest.param("for_each", "list", "a.b\r\n\r\n c.d ", ["a.b", "c.d"], id="paths, all at once"),
        pytest.param("for_each", "list.0", "a.b", ["a.b"], id="the first path"),
        pytest.param("stop", "fate", "applied", "applied", id="a choice"),
    ],
)
def test_a_control_is_read_as_what_it_is(kind, name, text, value):
    assert forms.read(schema_of(kind), {}, {name: text}).get(name.partition(".")[0], []) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("paid", "paid"),
        ("100", 100),
        ('"100"', "100"),
        ("true", True),
        ("null", None),
        ("1e5", 1e5),
        ("[1]", "[1]"),
        ("0049", "0049"),
    ],
)
def test_a_value_to_compare_with_is_read_as_json_or_as_a_text(text, value):
    schema = schema_of("condition")
    found = forms.read(schema, {"all": [{"path": ["a.b"]}]}, {"all.0.is": "equal", "all.0.value": text})

    assert found["all"][0] == {"path": ["a.b"], "is": "equal"} | ({} if value is None else {"value": value})


def test_the_comparison_decides_whether_there_are_values_and_how_many():
    schema = schema_of("condition")
    one = {"all": [{"path": ["a.b"], "is": "equal", "value": 1}]}

    several = forms.read(schema, one, {"all.0.is": "in"})
    more = forms.read(schema, several, {"all.0.value.1": "true"})
    single = forms.read(schema, more, {"all.0.is": "less"})
    none = forms.read(schema, more, {"all.0.is": "present"})

    assert several["all"][0]["value"] == [1]
    assert more["all"][0]["value"] == [1, True]
    assert single["all"][0]["value"] == 1
    assert none["all"] == [{"path": ["a.b"], "is": "present"}]
    assert "all.0.value" not in names("condition", none)


def test_the_other_answer_to_a_question_takes_the_rows_along():
    schema = schema_of("condition")
    comparisons = [{"path": ["a.b"], "is": "present"}]

    found = forms.read(schema, {"all": comparisons}, {"@either.what-must-hold": "At least one of these"})
    unread = forms.read(schema_of("wait"), {"days": 2}, {"@either.how-long": "Until a moment"})

    assert found == {"any": comparisons}
    assert unread == {"until": []}
    assert names("wait", unread)[:2] == ["@either.how-long", "until.0"]
    assert "days" not in names("wait", unread)


def test_a_condition_becomes_one_of_several_and_back():
    schema, one = schema_of("salesforce.upsert"), {"path": ["a.b"], "is": "present"}
    money = {"amount": ["a"], "currency": ["b"], "when": one}

    several = forms.read(schema, {"counts_as_money": money}, {"counts_as_money.when.@is": "@AnyOf"})
    single = forms.read(schema, several, {"counts_as_money.when.@is": "@Comparison"})

    assert several["counts_as_money"]["when"] == {"any": [one]}
    assert single["counts_as_money"]["when"] == one


def arrange(kind: str, found: dict[str, Any], *acts: str) -> dict[str, Any]:
    """Return the settings after each of `acts`, such as "add:by"."""
    for act in acts:
        what, _, name = act.partition(":")
        found = arranged(schema_of(kind), copy.deepcopy(found), what, name, {})
    return found


def test_elements_are_added_removed_and_moved():
    schema = schema_of("salesforce.find")
    added = arrange("salesforce.find", {}, "add:by", "add:by")

    said = {"by.0.kind": "external_id", "by.0.from.0": "a.b", "by.1.kind": "link"}
    linked = forms.read(schema, added, said)

    assert added["by"] == [{"kind": "id"}] * 2
    assert linked["by"] == [{"kind": "external_id", "from": ["a.b"]}, {"kind": "link"}]
    assert arrange("salesforce.find", linked, "remove:by.0")["by"] == [{"kind": "link"}]
    assert arrange("salesforce.find", linked, "up:by.1")["by"] == linked["by"][::-1]
    assert names("salesforce.find", linked)[1:5] == ["by.0.kind", "by.0.field", "by.0.from.0", "by.1.kind"]


@pytest.mark.parametrize(
    ("kind", "before", "act", "after"),
    [
        pytest.param("condition", {}, "add:all", {"all": [{"is": "equal"}]}, id="what has to be chosen is"),
        pytest.param(
            "switch", {"path": "a.b"}, "add:path", {"path": ["a.b", ""]}, id="a text that stands for a list"
        ),
        pytest.param("switch", {"path": [""]}, "add:path", {"path": [""]}, id="one empty row is enough"),
        pytest.param(
            "condition", {"any": [{"is": "in", "value": ["a"]}]}, "add:any.0.value",
            {"any": [{"is": "in", "value": ["a", ""]}]}, id="values to compare with",
        ),
        pytest.param(
            "salesforce.find", {}, "remove:shows.0", {"shows": []}, id="what stands there by default"
        ),
        pytest.param(
            "salesforce.upsert",
            {"counts_as_money": {}},
            "add:counts_as_money.when",
            {"counts_as_money": {"when": {"all": [{"is": "equal"}]}}},
            id="what may be left out",
        ),
        pytest.param(
            "salesforce.upsert", {"parents": [{}]}, "add:parents.0.lines", {"parents": [{"lines": [{}]}]},
            id="within an element",
        ),
        pytest.param(
            "salesforce.start_flow", {"inputs": {"A": "a.b"}}, "add:inputs.0.@value.from",
            {"inputs": {"A": {"from": ["a.b", ""]}}}, id="a value of a table, written short",
        ),
        pytest.param(
            "salesforce.start_flow", {"inputs": {"A": "a.b"}}, "remove:inputs.0", {"inputs": {}}, id="a name",
        ),
    ],
)  # fmt: skip
def test_rows_are_changed_wherever_they_stand(kind, before, act, after):
    assert arrange(kind, before, act) == after


@pytest.mark.parametrize("name", ["", ".", "by.9", "by.x", "nothing.0", "by.0.0.0", "__class__.0"])
def test_a_place_that_is_not_there_changes_nothing(name):
    found = {"by": [{"kind": "link"}]}

    assert [arrange("salesforce.find", found, f"{act}:{name}") for act in ("remove", "up")] == [found, found]


def test_a_row_of_a_table_is_known_by_the_name_that_it_had():
    schema = schema_of("salesforce.query")
    values = {"b": ["x.y"], "a": ["z"]}
    rows = {"values.0.@was": "a", "values.1.@was": "b"}  # a database may have put them in another order

    found = forms.read(schema, {"values": values}, rows | {"values.0.@key": "c", "values.1.@value.0": "n"})

    assert found["values"] == {"b": ["n"], "c": ["z"]}


@pytest.mark.parametrize(
    ("kind", "before", "given", "told"),
    [
        ("for_each", {}, {"limit": "many"}, "whole number"),
        ("salesforce.upsert", {"parents": 5}, {"parents": "[{"}, "not JSON"),
        ("salesforce.upsert", {"parents": 5}, {"parents": "[" * 50_000}, "not JSON"),
        ("salesforce.query", {"values": {"a": [], "b": []}}, {"values.1.@key": "a"}, "another one called a"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_control(kind, before, given, told):
    with pytest.raises(Unreadable, match=told) as refused:
        forms.read(schema_of(kind), before, given)

    assert list(refused.value.errors) == list(given)


def test_what_decides_about_offers_is_named_by_its_control():
    lines = [{"field": "Name", "from": ["customer.name"]}]
    parents = {"object": "Payment__c", "parents": [{"object": "Account", "read": "customer", "lines": lines}]}

    drawn = {one.name: one for one in every(forms.controls(schema_of("salesforce.upsert"), parents))}

    assert (drawn["external_id"].offers, drawn["external_id"].of) == ("external_ids", "object")
    assert (drawn["parents.0.field"].offers, drawn["parents.0.field"].of) == ("relations", "object")
    assert drawn["parents.0.lines.0.field"].of == "parents.0.object"
    assert (drawn["parents.0.id.0"].of, drawn["parents.0.lines.0.from.0"].of) == ("", "parents.0.read")


def test_settings_that_a_form_does_not_show_stay():
    found = {
        "slot": "salesforce",
        "target": "Account",
        "lines": [{"field": "Name", "from": ["a.b"]}],
        "odd": 1,
    }

    read = forms.read(schema_of("map"), found, {"target": "Contact", "lines": "[]"}, without=["lines"])

    assert read == found | {"target": "Contact"}


@pytest.mark.parametrize(
    ("kind", "place", "said"),
    [
        ("salesforce.find", "by 1, field", "Ways to find it 1, field"),
        ("salesforce.upsert", "external_id", "External ID field"),
        ("salesforce.upsert", "parent 2, external_id", "Missing parents 2, external id"),
        ("salesforce.upsert", "no_such", "no such"),
        ("stripe.create", "parameters, , [key]", "Parameters"),
    ],
)
def test_a_problem_names_the_setting_as_the_form_does(kind, place, said):
    assert named(schema_of(kind), place) == said


def test_a_row_without_a_name_stands_last_wherever_the_database_has_put_it():
    inputs = {"": {}, "Amount": "charge.amount"}

    drawn = every(forms.controls(schema_of("salesforce.start_flow"), {"inputs": inputs}))
    left = arrange("salesforce.start_flow", {"inputs": inputs}, "remove:inputs.1")

    assert [control.was for control in drawn if control.was is not None] == ["Amount", ""]
    assert left == {"inputs": {"Amount": "charge.amount"}}
