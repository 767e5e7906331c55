"""A flow document is taken or refused, and who wrote it learns where it is wrong."""

from __future__ import annotations

import copy
import json

import pytest

from flows.engine import definition
from flows.engine.definition import InvalidDocument
from flows.steps import registry

KINDS = registry.load()


def a_map(step_id="describe", target="Payment__c", **more):
    lines = [{"field": "External_ID__c", "from": "charge.id"}, {"field": "Name", "from": "charge.id"}]
    return {"id": step_id, "kind": "map", "settings": {"target": target, "lines": lines}, **more}


def an_upsert(step_id="save", record="describe", **settings):
    settings = {"object": "Payment__c", "external_id": "External_ID__c", "record": record, **settings}
    return {"id": step_id, "kind": "salesforce.upsert", "settings": settings}


def a_stop(step_id="stop", **more):
    return {"id": step_id, "kind": "stop", "settings": {"reason": "Enough"}, **more}


def a_condition(step_id="is_big", **exits):
    rule = {"path": "charge.amount", "is": "greater", "value": 10}
    return {"id": step_id, "kind": "condition", "settings": {"all": [rule]}, "exits": exits}


def a_document(*steps, **more):
    return {
        "format": 1,
        "name": "Payments",
        "trigger": {"kind": "stripe.event", "types": ["charge.succeeded"]},
        "steps": list(steps) or [a_map(), an_upsert()],
        **more,
    }


ON_ACCOUNTS = {"kind": "salesforce.change", "object": "Account"}


def load(document):
    return definition.load(document, kinds=KINDS)


def problems_of(document):
    with pytest.raises(InvalidDocument) as refusal:
        load(document)
    return [str(problem) for problem in refusal.value.problems]


def test_a_document_is_read_from_json_or_from_a_dict():
    document = a_document()

    assert load(document) == load(json.dumps(document)) == load(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        pytest.param(a_document(name=""), "name: This is required", id="no name"),
        pytest.param(a_document(colour="red"), "colour: This setting does not exist", id="a stranger"),
        pytest.param(a_document(format=2), "format: Input should be 1", id="another format"),
        pytest.param(
            a_document(a_stop("Not An Id")),
            "step Not An Id, id: Use 1 to 60 small letters, digits and underscores",
            id="an id with capitals",
        ),
        pytest.param(
            a_document(a_stop(), a_stop()), "step stop: Another step has the same id", id="an id twice"
        ),
        pytest.param(
            a_document({"id": "x", "kind": "magic"}),
            "step x, kind: There is no step kind magic",
            id="no such kind",
        ),
        pytest.param(
            a_document(a_condition(maybe=[])),
            "step is_big, exits: Condition has no exit maybe for steps; it has yes, no",
            id="no such exit",
        ),
        pytest.param(
            a_document(a_stop(exits={"next": []})),
            "step stop, exits: Stop has no exit next for steps; it has none",
            id="a branch of a step that has none",
        ),
        pytest.param(
            a_document({"id": "x", "kind": "stop", "settings": {}}),
            "step x, reason: This is required",
            id="a setting is missing",
        ),
        pytest.param(
            a_document(a_condition(yes=[{"id": "x", "kind": "stop", "settings": {}}])),
            "step x, reason: This is required",
            id="a setting is missing inside of a branch",
        ),
        pytest.param(
            a_document({**a_map(), "settings": {"target": "P", "lines": [{"field": "F", "from": "a..b"}]}}),
            "step describe, line 1, from: 'a..b' is not a path from character 2 on",
            id="a path that is none",
        ),
        pytest.param(
            a_document(a_map(), an_upsert(record="nothing")),
            "step save, record: There is no finished map step nothing that every run comes through before",
            id="a record of nobody",
        ),
        pytest.param(
            a_document(an_upsert(), a_map()),
            "step save, record: There is no finished map step describe that every run comes through before",
            id="a record of a later step",
        ),
        pytest.param(
            a_document(a_condition(yes=[a_map()]), an_upsert()),
            "step save, record: There is no finished map step describe that every run comes through before",
            id="a record that only some runs have",
        ),
        pytest.param(
            a_document(a_map(target="Refund__c"), an_upsert()),
            "step save, record: describe maps Refund__c, not Payment__c",
            id="a record of another object",
        ),
        pytest.param(
            a_document(a_map(), an_upsert(external_id="Other__c")),
            "step save, external_id: describe does not map Other__c",
            id="an external id that is not mapped",
        ),
        pytest.param(
            a_document(a_map(), an_upsert(slot="crm")),
            "step save, slot: There is no slot crm; use stripe or salesforce",
            id="an unknown slot",
        ),
        pytest.param(
            a_document(trigger={"kind": "stripe.event", "types": []}),
            "trigger, types: List should have at least 1 item after validation, not 0",
            id="no event types",
        ),
        pytest.param(
            a_document(trigger={"kind": "stripe.event", "types": ["a.b"], "fetch": ["c.d"]}),
            "trigger, fetch: c.d is read anew but does not start the flow",
            id="fetching what does not come",
        ),
        pytest.param(a_document(trigger={}), "trigger, kind: This is required", id="a trigger of no kind"),
        pytest.param(
            a_document(trigger={"kind": "moon"}),
            "trigger, kind: There is no such kind of trigger; use stripe.event, salesforce.change, "
            "salesforce.event, flow",
            id="a trigger of an unknown kind",
        ),
        pytest.param(
            a_document(trigger={"kind": "salesforce.change"}),
            "trigger, object: This is required",
            id="changes of no object",
        ),
        pytest.param(
            a_document(trigger={**ON_ACCOUNTS, "fields": ["Name", "Bill ing"]}),
            "trigger, field 2: Use the API name: letters, digits and underscores",
            id="a changed field that is no name",
        ),
        pytest.param(
            a_document(trigger={**ON_ACCOUNTS, "when": {"all": [{"path": "Account.Name", "is": "in"}]}}),
            "trigger, when, all 1: in needs a list of values",
            id="a condition of the trigger that cannot be asked",
        ),
        pytest.param(
            a_document(trigger={"kind": "salesforce.event", "event": "Paid"}),
            "trigger, event: Use the API name of a platform event, which ends with __e",
            id="a platform event that is none",
        ),
    ],
)  # fmt: skip
def test_a_problem_names_its_place_in_plain_words(document, problem):
    assert problem in problems_of(document)


def test_a_branch_may_use_the_records_before_it():
    load(a_document(a_map(), a_condition(yes=[an_upsert()])))


def test_every_problem_is_told_at_once():
    assert len(problems_of(a_document(a_stop("a", colour=1), a_stop("b", colour=1)))) == 2


def nested(depth):
    step = a_stop(f"s{depth}")
    for level in range(depth - 1, 0, -1):
        step = a_condition(f"s{level}", yes=[step])
    return a_document(step)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        pytest.param(a_document(*(a_stop(f"s{n}") for n in range(201))), "at most 200 steps", id="steps"),
        pytest.param(nested(13), "at most 12 deep", id="depth"),
        pytest.param(a_document(layout={"x": "y" * 600_000}), "larger than 512 KiB", id="size"),
        pytest.param('{"format": 1', "not JSON", id="half a document"),
        pytest.param("[" * 100_000, "not JSON", id="a hostile document"),
        pytest.param("[" * 500 + "]" * 500, "nested too deeply", id="a deep document"),
        pytest.param(b"\xff\xfe", "not JSON", id="no text"),
        pytest.param('{"format": NaN}', "not JSON", id="a number that is none"),
        pytest.param('{"format": 1e999}', "not JSON", id="a number beyond all bounds"),
        pytest.param("[]", "Input should be", id="a list"),
    ],
)
def test_a_document_has_bounds(document, problem):
    assert any(problem in told for told in problems_of(document))


def test_the_largest_flow_is_taken():
    load(a_document(*(a_stop(f"s{n}") for n in range(200))))
    load(nested(12))


def test_titles_and_layout_are_outside_of_the_hash():
    plain = load(a_document())
    dressed = load(a_document(a_map(title="Describe it"), an_upsert(), layout={"describe": [1, 2]}))

    assert definition.content_hash(plain) == definition.content_hash(dressed)


def test_any_other_change_is_another_hash():
    document = a_document(a_condition(yes=[a_stop()]))
    changed = copy.deepcopy(document)
    changed["steps"][0]["exits"]["yes"][0]["settings"]["reason"] = "More"

    assert definition.content_hash(load(document)) != definition.content_hash(load(changed))


@pytest.mark.parametrize(
    ("trigger", "types"),
    [
        ({"kind": "stripe.event", "types": ["charge.failed"]}, ["charge.failed"]),
        (ON_ACCOUNTS, ["Account.created", "Account.updated"]),
        ({**ON_ACCOUNTS, "changes": ["deleted"]}, ["Account.deleted"]),
        ({"kind": "salesforce.event", "event": "Paid__e"}, ["Paid__e"]),
    ],
    ids=["events of Stripe", "changes of records", "deletions", "platform events"],
)
def test_each_trigger_says_which_types_of_event_start_the_flow(trigger, types):
    assert load(a_document(trigger=trigger)).trigger.types == types


def test_what_a_document_does_has_the_hash_that_it_always_had():
    hashed = definition.content_hash(load(a_document()))

    assert hashed == "d7507085751288413913cbe9c9c6e21b7147c810e7620344dc2aed1b70a63f06"


def test_the_json_schema_knows_every_kind():
    schema = definition.json_schema(KINDS)

    variants = schema["$defs"]["StepDefinition"]["oneOf"]
    assert {variant["properties"]["kind"]["const"] for variant in variants} == set(KINDS)
    assert set(schema["$defs"]) >= {"MappingLine", "Money", "Comparison", "StripeTrigger"}
