"""Record types over real HTTP: what is known of them, what has changed, and how records are given one."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from connectors import gateway, schemas
from connectors.salesforce import record_types
from flows import checking
from flows.engine.outcome import Done
from integrator.kernel import errors
from tests.builders import NOON, a_pair
from tests.integration.connectors.test_step_kinds import Outward
from tests.unit.flows.taking import a_mapped, take

LATER = NOON + timedelta(hours=1)
VALUES = "ui-api/object-info/Payment__c/picklist-values"
PARTNER = {"object": "Payment__c", "record_type": "Partner", "label": "Partner payment"}


@pytest.fixture(autouse=True)
def _forgetful():
    """Forget the ids of the test before, whose org was another one."""
    record_types._known.clear()


def known(crm, **more: Any) -> list[dict[str, Any]]:
    schema = schemas.of(connection=crm, object="Payment__c", **{"now": NOON, **more})
    return list(schema.content["recordTypes"])


def a_payment(external_id: str, name: str, **values: Any) -> dict[str, Any]:
    return {
        "object": "Payment__c",
        "external_id_field": "External_ID__c",
        "external_id": external_id,
        "values": {"RecordType": {"DeveloperName": name}, **values},
    }


def upsert(crm, *requests: dict[str, Any]) -> list[Any]:
    return gateway.call_many(connection_id=crm.pk, action="upsert", requests=requests)


def test_an_object_with_one_type_costs_no_call_more(crm, org):
    known(crm)

    assert org.calls("ui-api") == []


def test_what_each_type_takes_is_kept_with_the_fields(crm, org):
    org.post("record-types", **PARTNER, picklists={"Status__c": ["Pending"]})
    org.post("record-types", **{**PARTNER, "record_type": "Direct"})

    partner, direct, master = known(crm)

    assert (partner["name"], partner["picklists"]) == ("Partner", {"Status__c": ["Pending"]})
    assert direct["picklists"] == {}  # all the values of each field
    assert "picklists" not in master
    assert len(org.calls(VALUES)) == 2


def test_values_are_the_same_as_the_fields_whatever_signs_are_in_them(crm, org):
    org.post("fields", object="Payment__c", field="Status__c", choices=["R&D", "<b>'s \\", "Pending"])
    org.post("record-types", **PARTNER)

    partner, _ = known(crm)

    assert partner["picklists"] == {}


def test_a_change_of_what_a_type_takes_is_told_although_the_description_is_as_it_was(crm, org):
    org.post("record-types", **PARTNER, picklists={"Status__c": ["Pending", "Failed"]})
    known(crm)
    org.post("record-types", **PARTNER, picklists={"Status__c": ["Pending", "Completed"]}, default=True)
    org.break_("before", match_path="/describe", times=1, params={"status": 304, "body": ""})

    known(crm, now=LATER)

    told = schemas.since(connection=crm, object="Payment__c", moment=NOON)
    assert [(one.field, one.kind, one.breaks) for one in told] == [
        ("Status__c", "record_type_values", True),
        ("Status__c", "record_type_values", False),
    ]
    assert told[0].text == "Status__c no longer has “Failed” in records of type “Partner”."


def test_a_type_that_is_not_granted_any_more_is_told(crm, org):
    org.post("record-types", **PARTNER, default=True)
    known(crm)
    org.post("record-types", **PARTNER, available=False)

    known(crm, now=LATER)

    told = schemas.since(connection=crm, object="Payment__c", moment=NOON)
    assert [(one.field, one.kind) for one in told] == [
        ("RecordTypeId", "record_type_gone"),
        ("RecordTypeId", "record_type_default"),
    ]


def test_where_the_org_does_not_tell_the_rest_is_known_all_the_same(crm, org):
    org.post("record-types", **PARTNER)
    body = json.dumps([{"errorCode": "INSUFFICIENT_ACCESS", "message": "You don't have access"}])
    org.break_("before", match_path="/ui-api/", params={"status": 403, "body": body})

    partner, _ = known(crm)

    assert partner["picklists"] is None
    crm.refresh_from_db()
    assert crm.state == crm.State.ACTIVE


def test_an_outage_of_the_values_leaves_what_was_known(crm, org):
    org.post("record-types", **PARTNER, picklists={"Status__c": ["Pending"]})
    before = known(crm)
    org.break_("before", match_path="/ui-api/", params={"status": 503})

    assert known(crm, now=LATER) == before


@pytest.mark.parametrize("together", [False, True], ids=["alone", "in a collection"])
def test_a_record_is_given_its_type_by_name(crm, org, together):
    id18 = org.post("record-types", **PARTNER)["id"]
    others = [a_payment("pi_2", "partner")] if together else []

    results = upsert(crm, a_payment("pi_1", "Partner"), *others)

    assert all(isinstance(result, dict) for result in results), results
    (found,) = org.get("records", object="Payment__c", external_id="pi_1")["records"]
    assert found["RecordTypeId"] == id18
    upsert(crm, a_payment("pi_3", "Partner"))
    asked = [call for call in org.calls("/query", "GET") if "RecordType" in call["query"]]
    assert len(asked) == 1  # the ids are remembered


def test_a_step_saves_a_record_of_the_type_that_a_line_names(crm, org):
    id18 = org.post("record-types", **PARTNER)["id"]
    record = {"External_ID__c": "pi_1", "RecordType.DeveloperName": "Partner"}
    settings = {"object": "Payment__c", "external_id": "External_ID__c", "record": "describe"}

    (answer,) = take("salesforce.upsert", settings, [a_mapped(record)], Outward(salesforce=crm))

    assert isinstance(answer, Done), answer
    (found,) = org.get("records", object="Payment__c", external_id="pi_1")["records"]
    assert found["RecordTypeId"] == id18


def test_an_update_gives_a_type_by_name_too(crm, org):
    id18 = org.post("record-types", **PARTNER)["id"]
    (made,) = upsert(crm, {**a_payment("pi_1", "Partner"), "values": {}})

    request = {
        "object": "Payment__c",
        "id": made["id"],
        "values": {"RecordType": {"DeveloperName": "Partner"}},
    }
    gateway.call_many(connection_id=crm.pk, action="update", requests=[request])

    (found,) = org.get("records", object="Payment__c", external_id="pi_1")["records"]
    assert found["RecordTypeId"] == id18


def test_a_record_that_is_not_there_is_missing_although_its_type_is_named(crm, org):
    org.post("record-types", **PARTNER)
    (made,) = upsert(crm, {**a_payment("pi_1", "Partner"), "values": {}})
    nobody = f"{made['id'][:3]}000000999ZZZ"
    named = {"object": "Payment__c", "values": {"RecordType": {"DeveloperName": "Partner"}}}

    def update():
        requests = [{**named, "id": nobody}, {**named, "id": made["id"]}]
        return gateway.call_many(connection_id=crm.pk, action="update", requests=requests)

    missing, there = update()
    org.post("record-types", **PARTNER, available=False)
    _, forbidden = update()

    assert isinstance(missing, errors.Missing), missing
    assert isinstance(there, dict)
    assert (type(forbidden), forbidden.field) == (errors.Refused, "RecordTypeId")


def test_a_name_that_the_org_lacks_is_refused_and_its_neighbours_are_written(crm, org):
    org.post("record-types", **PARTNER, default=True)

    wrong, right = upsert(crm, a_payment("pi_1", "Nobody"), a_payment("pi_2", "Partner"))

    assert isinstance(wrong, errors.Refused)
    assert (wrong.code, wrong.field) == ("NO_SUCH_RECORD_TYPE", "RecordTypeId")
    assert isinstance(right, dict)
    assert org.get("records", object="Payment__c")["count"] == 1  # and never with a default in its place


def test_a_name_that_the_org_lacks_costs_no_call_with_each_record(crm, org, monkeypatch):
    monkeypatch.setattr(record_types, "PATIENCE_SECONDS", 600.0)
    org.post("record-types", **PARTNER)

    for number in range(3):
        upsert(crm, a_payment(f"pi_{number}", "Nobody"), a_payment(f"pi_1{number}", "Partner"))

    assert len([call for call in org.calls("/query", "GET") if "RecordType" in call["query"]]) == 1


def test_while_the_org_does_not_answer_nothing_is_sent_without_a_type(crm, org):
    org.post("record-types", **PARTNER)
    org.break_("before", match_path="/query", params={"status": 503})

    (result,) = upsert(crm, a_payment("pi_1", "Partner"))

    assert isinstance(result, errors.Transient)
    assert org.calls("sobjects/Payment__c", "PATCH") == []


LINES = [
    {"field": "External_ID__c", "from": "charge.id"},
    {"field": "Status__c", "chips": [{"chip": "constant", "value": "Completed"}]},
]
BY_NAME = {"field": "RecordType.DeveloperName", "chips": [{"chip": "constant", "value": "Partner"}]}


def a_document(*lines: dict[str, Any]) -> dict[str, Any]:
    save = {"object": "Payment__c", "external_id": "External_ID__c", "record": "made"}
    return {
        "format": 1,
        "name": "Payments",
        "trigger": {"kind": "stripe.event", "slot": "stripe", "types": ["charge.succeeded"]},
        "steps": [
            {"id": "made", "kind": "map", "settings": {"target": "Payment__c", "lines": list(lines)}},
            {"id": "save", "kind": "salesforce.upsert", "settings": save},
        ],
    }


def test_a_flow_is_checked_against_the_type_that_it_gives_its_records(crm, org):
    org.post("record-types", **PARTNER, picklists={"Status__c": ["Pending"]}, default=True)
    pair = a_pair(crm.environment, salesforce=crm)

    def found(*lines: dict[str, Any]) -> list[tuple[str, str, str]]:
        issues = checking.check(a_document(*lines), pair, now=NOON)
        return [(one.level, one.code, one.step) for one in issues if "record_type" in one.code]

    assert found(*LINES, BY_NAME) == [("error", "not_in_record_type", "made")]
    assert found(*LINES) == [("warning", "not_in_record_type", "made")]
