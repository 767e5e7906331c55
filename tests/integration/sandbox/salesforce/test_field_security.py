"""This module tests what a user may see and change: describe, reads and writes agree about it."""

from __future__ import annotations

import pytest

from tests.integration.sandbox.salesforce.rig import USERNAME, Outsider


def restrict(outsider, level, username=USERNAME, field="Amount__c"):
    outsider.control(
        "POST",
        "permissions",
        {"username": username, "object": "Payment__c", "field": field, "level": level},
    )


def described(outsider):
    fields = outsider.get("/sobjects/Payment__c/describe").json()["fields"]
    return {field["name"]: field for field in fields}


@pytest.fixture
def another(outsider):
    """Give another user of the same org."""
    token = outsider.control("POST", "sessions", {"username": "eve@acme.example"})["access_token"]
    client = Outsider(outsider.address, token)
    yield client
    client.http.close()


def test_a_hidden_field_does_not_exist_for_its_user(outsider, another):
    outsider.upsert({"External_ID__c": "pi_1", "Amount__c": 5})
    restrict(outsider, "hidden")

    written = outsider.upsert({"External_ID__c": "pi_1", "Amount__c": 7})
    asked = outsider.query("SELECT Amount__c FROM Payment__c")

    assert "Amount__c" not in described(outsider)
    assert written.json()[0]["errorCode"] == asked.json()[0]["errorCode"] == "INVALID_FIELD"
    assert "Amount__c" not in outsider.get("/sobjects/Payment__c/External_ID__c/pi_1").json()
    assert "Amount__c" in described(another)
    assert another.query("SELECT Amount__c FROM Payment__c").json()["records"][0]["Amount__c"] == 5


def test_a_read_only_field_is_seen_and_not_written(outsider):
    restrict(outsider, "readonly")

    written = outsider.upsert({"External_ID__c": "pi_1", "Amount__c": 7})
    (together,) = outsider.collection([{"External_ID__c": "pi_1", "Amount__c": 7}]).json()

    assert written.json()[0]["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"
    assert together["errors"][0]["statusCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"
    assert together["errors"][0]["fields"] == ["Amount__c"]
    field = described(outsider)["Amount__c"]
    assert (field["createable"], field["updateable"]) == (False, False)


def test_a_record_keeps_what_its_writer_may_not_see(outsider, another):
    outsider.upsert({"External_ID__c": "pi_1", "Amount__c": 5})
    restrict(outsider, "hidden")

    outsider.upsert({"External_ID__c": "pi_1", "Status__c": "Completed"})
    outsider.upsert({"External_ID__c": "pi_2"})

    rows = another.query("SELECT Amount__c, Status__c FROM Payment__c ORDER BY External_ID__c").json()
    assert [row["Amount__c"] for row in rows["records"]] == [5, None]
    assert rows["records"][0]["Status__c"] == "Completed"


def test_a_unique_key_that_a_user_may_not_see_still_holds(outsider, another):
    outsider.upsert({"External_ID__c": "pi_1"})
    restrict(outsider, "hidden", field="Charge_ID__c")
    outsider.upsert({"External_ID__c": "pi_1", "Status__c": "Failed"})

    assert another.upsert({"External_ID__c": "pi_1", "Charge_ID__c": "ch_1"}).status_code == 200
    assert outsider.control("GET", "records", object="Payment__c")["count"] == 1


def test_everybody_can_be_restricted_and_freed(outsider, another):
    restrict(outsider, "hidden", username="")
    assert "Amount__c" not in described(another)

    restrict(outsider, "full", username="")
    assert "Amount__c" in described(another)


def test_the_permission_set_of_the_package_is_there_and_assigned(outsider):
    soql = (
        "SELECT Id FROM PermissionSetAssignment WHERE PermissionSet.Name = 'Stripe_Integration'"
        " AND Assignee.Username = 'integration@acme.example'"
    )
    assert outsider.query(soql).json()["totalSize"] == 1

    outsider.control("POST", "permissions", {"username": USERNAME, "unassign": "Stripe_Integration"})
    assert outsider.query(soql).json()["totalSize"] == 0
