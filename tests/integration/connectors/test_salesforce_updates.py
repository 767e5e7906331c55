"""A record that is known by its id is changed, and who is not there any more is missing."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from connectors import gateway
from flows.error_catalogue import explain
from integrator.kernel import errors
from tests.integration.connectors.rig import Sandbox

NOBODY = "001gK0000004rXxQAI"


def call(crm, action, *requests: dict[str, Any]) -> list[Any]:
    return gateway.call_many(connection_id=crm.pk, action=action, requests=requests)


def accounts(crm, *names: str) -> list[str]:
    requests = [
        {
            "object": "Account",
            "external_id_field": "Integration_Key__c",
            "external_id": name,
            "values": {"Name": name},
        }
        for name in names
    ]
    return [result["id"] for result in call(crm, "upsert", *requests)]


def change(id_: str, **values: Any) -> dict[str, Any]:
    return {"object": "Account", "id": id_, "values": values}


def stored(org: Sandbox) -> dict[str, dict[str, Any]]:
    return {record["Id"]: record for record in org.get("records", object="Account")["records"]}


@pytest.mark.parametrize("count", [1, 3], ids=["alone", "in a collection"])
def test_a_record_is_changed_by_its_id(crm, org, count):
    ids = accounts(crm, *(f"acct_{number}" for number in range(count)))

    results = call(crm, "update", *(change(id_, Stripe_Payment_Status__c="Paid") for id_ in ids))

    assert results == [{"id": id_, "created": False} for id_ in ids]
    assert {record["Stripe_Payment_Status__c"] for record in stored(org).values()} == {"Paid"}


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "in a collection"])
def test_an_id_of_15_characters_means_the_same_record_and_money_keeps_its_digits(crm, org, count):
    ids = accounts(crm, *(f"acct_{number}" for number in range(count)))

    results = call(
        crm, "update", *(change(id_[:15], Stripe_Lifetime_Value__c=Decimal("0.10")) for id_ in ids)
    )

    assert [result["id"] for result in results] == ids
    (sent,) = [one["body"] for one in org.calls("sobjects", "PATCH") if "Lifetime" in one["body"]]
    assert '"Stripe_Lifetime_Value__c":0.10' in sent


def test_250_updates_take_two_calls(crm, org):
    ids = accounts(crm, *(f"acct_{number}" for number in range(250)))
    before = len(org.calls("composite/sobjects"))

    results = call(crm, "update", *(change(id_, Phone="1") for id_ in ids))

    assert all(isinstance(result, dict) for result in results)
    assert len(org.calls("composite/sobjects")) - before == 2


def test_a_record_that_stands_twice_is_changed_in_order(crm, org):
    one, two = accounts(crm, "one", "two")

    call(crm, "update", change(one, Phone="1"), change(two, Phone="5"), change(one[:15], Phone="2"))

    assert stored(org)[one]["Phone"] == "2"
    for sent in org.calls("composite/sobjects$", "PATCH"):
        ids = [record["Id"] for record in json.loads(sent["body"])["records"]]
        assert len(ids) == len(set(ids))


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "in a collection"])
def test_a_record_that_is_not_there_is_missing_and_its_neighbour_is_changed(crm, org, count):
    (there,) = accounts(crm, "there")
    neighbours = [change(there, Phone="1")] * (count - 1)

    missing, *others = call(crm, "update", change(NOBODY, Phone="1"), *neighbours)

    assert isinstance(missing, errors.Missing)
    assert missing.code == "NOT_FOUND"
    assert all(isinstance(other, dict) for other in others)


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "in a collection"])
def test_a_deleted_record_is_missing(crm, org, count):
    gone, there = accounts(crm, "gone", "there")
    session = org.post("sessions", username="eve@acme.test")["access_token"]
    org._http.delete(
        f"{org.address}/services/data/v67.0/sobjects/Account/{gone}",
        headers={"Authorization": f"Bearer {session}"},
        timeout=60,
    ).raise_for_status()

    missing, *_ = call(crm, "update", change(gone, Phone="1"), *([change(there, Phone="1")] * (count - 1)))

    assert isinstance(missing, errors.Missing)
    assert missing.code == "ENTITY_IS_DELETED"
    assert explain(missing).error_class == "conflict"


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "in a collection"])
def test_a_look_up_that_leads_nowhere_is_not_a_missing_record(crm, org, count):
    ids = accounts(crm, *(f"acct_{number}" for number in range(count)))

    results = call(crm, "update", *(change(id_, ParentId=NOBODY) for id_ in ids))

    assert {(type(result), result.code) for result in results} == {
        (errors.Refused, "INVALID_CROSS_REFERENCE_KEY")
    }
    assert explain(results[0]).error_class == "missing_ref"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        pytest.param({"object": "Account/../User"}, "INVALID_TYPE", id="a path in the object"),
        pytest.param({"id": "001"}, "MALFORMED_ID", id="no id"),
        pytest.param({"id": None}, "MALFORMED_ID", id="null"),
        pytest.param({"id": "001/../005000000x"}, "MALFORMED_ID", id="a path in the id"),
        pytest.param({"values": {"Id": NOBODY[:15]}}, "", id="another id in the values"),
        pytest.param({"values": {"Phone": float("nan")}}, "UNWRITABLE_VALUE", id="no number"),
    ],
)
def test_an_update_that_cannot_be_right_is_never_sent(crm, org, request_, code):
    (result,) = call(crm, "update", change(NOBODY, Phone="1") | request_)

    assert isinstance(result, errors.Refused)
    assert result.code == code
    assert not org.calls("sobjects", "PATCH")


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "in a collection"])
@pytest.mark.parametrize("kind", ["after", "garbage", "empty", "reset"])
def test_a_lost_answer_of_an_update_is_transient(crm, org, kind, count):
    ids = accounts(crm, *(f"acct_{number}" for number in range(count)))
    org.break_(kind, match_path="sobjects", match_method="PATCH", times=1)

    results = call(crm, "update", *(change(id_, Phone="1") for id_ in ids))

    assert {type(result) for result in results} == {errors.Transient}, results
    assert org.fired() == {kind: 1}


PARENT = {"Stripe_Customer__r": {"External_ID__c": "cus_1"}}


def payment(external_id: str, **values: Any) -> dict[str, Any]:
    return {
        "object": "Payment__c",
        "external_id_field": "External_ID__c",
        "external_id": external_id,
        "values": values,
    }


@pytest.mark.parametrize("count", [1, 3], ids=["alone", "in a collection"])
def test_a_parent_may_be_named_by_its_external_id(crm, org, count):
    customer = payment("cus_1") | {"object": "Stripe_Customer__c"}
    (parent,) = call(crm, "upsert", customer)

    results = call(crm, "upsert", *(payment(f"pi_{number}", **PARENT) for number in range(count)))

    assert all(result["created"] for result in results)
    held = org.get("records", object="Payment__c")["records"]
    assert {record["Stripe_Customer__c"] for record in held} == {parent["id"]}


@pytest.mark.parametrize("count", [1, 3], ids=["alone", "in a collection"])
def test_a_parent_that_is_not_there_is_a_missing_reference_by_the_name_of_the_look_up(crm, org, count):
    two = {"Account__r": {"Integration_Key__c": "acct_1"}, **PARENT}
    accounts(crm, "acct_1")

    results = call(crm, "upsert", *(payment(f"pi_{number}", **two) for number in range(count)))

    assert {result.field for result in results} == {"Stripe_Customer__r"}
    explained = explain(results[0])
    assert explained.error_class == "missing_ref"
    assert "Stripe_Customer__r" in explained.suggestion
    assert org.get("records", object="Payment__c")["count"] == 0
