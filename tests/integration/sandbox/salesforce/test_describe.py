"""This module tests what the org says about its versions, objects and fields."""

from __future__ import annotations

import pytest
import requests

INTEGRATION = (
    "Stripe_Customer__c",
    "Payment__c",
    "Refund__c",
    "Dispute__c",
    "Subscription_Contract__c",
    "Subscription_Line__c",
    "Stripe_Invoice__c",
    "Stripe_Invoice_Line__c",
    "Payout__c",
    "Payout_Line__c",
    "Integration_Effect__c",
)


def fields(outsider, sobject):
    return {field["name"]: field for field in outsider.get(f"/sobjects/{sobject}/describe").json()["fields"]}


def test_versions_are_told_to_anybody(address):
    versions = requests.get(f"{address}/services/data", timeout=60).json()

    assert versions[-1] == {"label": "Summer '26", "url": "/services/data/v67.0", "version": "67.0"}
    assert {"60.0", "66.0"} <= {version["version"] for version in versions}


@pytest.mark.parametrize(
    ("version", "status", "code"),
    [
        pytest.param("v67.0", 200, None, id="newest"),
        pytest.param("v60.0", 200, None, id="older"),
        pytest.param("v21.0", 410, "UNSUPPORTED_API_VERSION", id="retired"),
        pytest.param("v30.0", 410, "UNSUPPORTED_API_VERSION", id="last retired"),
        pytest.param("v68.0", 404, "NOT_FOUND", id="not yet"),
        pytest.param("v67", 404, "NOT_FOUND", id="misspelt"),
    ],
)
def test_only_living_versions_answer(outsider, version, status, code):
    answer = outsider.http.get(f"{outsider.address}/services/data/{version}/limits", timeout=60)

    assert answer.status_code == status
    assert code is None or answer.json()[0]["errorCode"] == code


def test_resources_of_a_version_are_listed(outsider):
    assert outsider.get("").json()["sobjects"] == "/services/data/v67.0/sobjects"


def test_every_object_of_the_integration_is_there(outsider):
    told = {thing["name"]: thing for thing in outsider.get("/sobjects").json()["sobjects"]}

    assert {"Account", "Contact", "Opportunity", "Order", "User", *INTEGRATION} <= set(told)
    assert {name: told[name]["keyPrefix"] for name in ("Account", "Contact", "Opportunity", "Order")} == {
        "Account": "001",
        "Contact": "003",
        "Opportunity": "006",
        "Order": "801",
    }
    assert all(told[name]["keyPrefix"].startswith("a0") for name in INTEGRATION)


@pytest.mark.parametrize("sobject", ["Account", "Order", *INTEGRATION])
def test_every_field_has_all_57_keys(outsider, sobject):
    told = outsider.get(f"/sobjects/{sobject}/describe").json()

    assert {len(field) for field in told["fields"]} == {57}
    assert told["recordTypeInfos"][0]["recordTypeId"] == "012000000000000AAA"
    assert told["urls"]["describe"].endswith(f"/sobjects/{sobject}/describe")


@pytest.mark.parametrize(
    ("sobject", "required"),
    [
        ("Account", {"Name"}),
        ("Contact", {"LastName"}),
        ("Opportunity", {"Name", "StageName", "CloseDate"}),
        ("Order", {"AccountId", "EffectiveDate", "Status"}),
        ("Payment__c", set()),
        ("Subscription_Line__c", {"Subscription_Contract__c"}),
    ],
)
def test_what_a_record_cannot_be_made_without(outsider, sobject, required):
    told = fields(outsider, sobject).values()

    assert {
        field["name"]
        for field in told
        if field["createable"] and not field["nillable"] and not field["defaultedOnCreate"]
    } == required


@pytest.mark.parametrize("sobject", INTEGRATION)
def test_every_object_of_the_integration_is_found_by_its_external_id(outsider, sobject):
    key = fields(outsider, sobject)["External_ID__c"]

    wanted = {"externalId": True, "unique": True, "caseSensitive": True, "idLookup": True, "length": 255}
    assert wanted.items() <= key.items()


def test_money_text_and_choices_tell_their_bounds(outsider):
    payment = fields(outsider, "Payment__c")

    assert (payment["Amount__c"]["precision"], payment["Amount__c"]["scale"]) == (18, 3)
    assert (payment["Name"]["length"], payment["Name"]["byteLength"]) == (80, 240)
    assert payment["Status__c"]["restrictedPicklist"] is True
    assert "Partially Refunded" in {value["value"] for value in payment["Status__c"]["picklistValues"]}
    assert payment["Account__c"]["referenceTo"] == ["Account"]
    assert payment["Account__c"]["relationshipName"] == "Account__r"
    assert payment["CreatedDate"]["updateable"] is False


def test_a_parent_knows_its_children(outsider):
    children = outsider.get("/sobjects/Subscription_Contract__c/describe").json()["childRelationships"]

    lines = next(child for child in children if child["childSObject"] == "Subscription_Line__c")
    assert (lines["cascadeDelete"], lines["field"]) == (True, "Subscription_Contract__c")


@pytest.mark.parametrize("path", ["/sobjects", "/sobjects/Payment__c/describe"])
def test_an_unchanged_schema_is_not_sent_again(outsider, path):
    first = outsider.get(path)
    since = {"If-Modified-Since": first.headers["Last-Modified"]}
    again = outsider.get(path, headers=since)

    outsider.control("POST", "fields", {"object": "Payment__c", "field": "Order_ID__c", "length": 80})
    changed = outsider.get(path, headers=since)

    assert (first.status_code, again.status_code, changed.status_code) == (200, 304, 200)
    assert again.content == b""


def test_a_removed_field_is_unknown_everywhere(outsider):
    outsider.control("POST", "fields", {"object": "Payment__c", "field": "Order_ID__c", "remove": True})

    assert "Order_ID__c" not in fields(outsider, "Payment__c")
    assert (
        outsider.upsert({"External_ID__c": "pi_1", "Order_ID__c": "7"}).json()[0]["errorCode"]
        == "INVALID_FIELD"
    )
    assert outsider.query("SELECT Order_ID__c FROM Payment__c").json()[0]["errorCode"] == "INVALID_FIELD"


def test_an_unknown_object_is_not_found(outsider):
    answer = outsider.get("/sobjects/Nothing__c/describe")

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (404, "NOT_FOUND")


def test_a_method_that_a_resource_has_not_is_refused(outsider):
    answer = outsider.post("/sobjects/Account/describe", {})

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (405, "METHOD_NOT_ALLOWED")
