"""This module tests single records: made, read, changed, upserted by external id, deleted."""

from __future__ import annotations

import re
from decimal import Decimal
from urllib.parse import quote

import pytest


def a_customer(outsider, stripe_id="cus_1", **values) -> str:
    answer = outsider.upsert({"External_ID__c": stripe_id, **values}, "Stripe_Customer__c")
    return answer.json()["id"]


def test_a_record_is_made_read_changed_and_deleted(outsider):
    made = outsider.post("/sobjects/Account", {"Name": "  Acme  ", "Website": ""})
    id18 = made.json()["id"]
    read = outsider.get(f"/sobjects/Account/{id18}").json()
    changed = outsider.patch(f"/sobjects/Account/{id18}", {"BillingCity": "Ghent"})
    address = outsider.get(f"/sobjects/Account/{id18}?fields=BillingAddress").json()["BillingAddress"]
    gone = outsider.delete(f"/sobjects/Account/{id18}")

    assert (made.status_code, changed.status_code, gone.status_code) == (201, 204, 204)
    assert made.json() == {"id": id18, "success": True, "errors": []}
    assert made.headers["Location"] == f"/services/data/v67.0/sobjects/Account/{id18}"
    assert (read["Name"], read["Website"]) == ("Acme", None)
    assert read["attributes"] == {"type": "Account", "url": f"/services/data/v67.0/sobjects/Account/{id18}"}
    assert address["city"] == "Ghent"
    assert outsider.get(f"/sobjects/Account/{id18}").status_code == 404


def test_an_id_of_15_characters_is_as_good(outsider):
    id18 = outsider.post("/sobjects/Account", {"Name": "Acme"}).json()["id"]

    assert outsider.get(f"/sobjects/Account/{id18[:15]}").json()["Id"] == id18


def test_times_and_numbers_are_written_as_salesforce_writes_them(outsider):
    sent = {
        "Paid_At__c": "2024-09-24T05:26:07.999+02:00",
        "Amount__c": 10,
        "Fee__c": 1.0005,
        "Net__c": -1.0005,
    }
    outsider.upsert({"External_ID__c": "pi_1", **sent})

    answer = outsider.get("/sobjects/Payment__c/External_ID__c/pi_1")

    held = answer.json(parse_float=Decimal)
    assert held["Paid_At__c"] == "2024-09-24T03:26:07.000+0000"
    assert (held["Amount__c"], held["Fee__c"], held["Net__c"]) == (10, Decimal("1.001"), Decimal("-1.001"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+0000", held["SystemModstamp"])
    assert held["CreatedDate"] == held["LastModifiedDate"]
    assert (held["Livemode__c"], held["Name"]) == (False, held["Id"][:15])


def test_only_the_asked_fields_are_read(outsider):
    outsider.upsert({"External_ID__c": "pi_1"})

    read = outsider.get("/sobjects/Payment__c/External_ID__c/pi_1?fields=Amount__c,External_ID__c").json()
    unknown = outsider.get("/sobjects/Payment__c/External_ID__c/pi_1?fields=Nope__c")

    assert set(read) == {"attributes", "Amount__c", "External_ID__c", "Id"}
    assert (unknown.status_code, unknown.json()[0]["errorCode"]) == (400, "INVALID_FIELD")


def test_an_upsert_makes_once_and_changes_after(outsider):
    first = outsider.upsert({"External_ID__c": "pi_1", "Amount__c": 1})
    second = outsider.upsert({"External_ID__c": "pi_1", "Amount__c": 2})

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["created"] is True
    assert second.json() == {"id": first.json()["id"], "success": True, "errors": [], "created": False}
    assert outsider.control("GET", "records", object="Payment__c")["count"] == 1


@pytest.mark.parametrize("key", ["a/b", "a b", "a%2Fb", "a:b?x#y", "a+b", "Zoë 🙂", "'; DROP", "a;b"])
def test_an_external_id_is_one_encoded_segment(outsider, key):
    outsider.upsert({"External_ID__c": quote(key, safe=""), "Amount__c": 1})

    held = outsider.control("GET", "records", object="Payment__c")["records"]
    assert [record["External_ID__c"] for record in held] == [key]


def test_an_external_id_that_is_not_encoded_goes_astray(outsider):
    answer = outsider.patch("/sobjects/Payment__c/External_ID__c/a/b", {})

    assert answer.status_code == 404


def test_external_ids_mind_their_case(outsider):
    outsider.upsert({"External_ID__c": "cus_a"})

    assert outsider.upsert({"External_ID__c": "cus_A"}).status_code == 201


def test_several_matches_are_listed_and_nothing_is_written(outsider):
    ids = [
        outsider.post("/sobjects/Contact", {"LastName": name, "Email": "Ada@example.com"}).json()["id"]
        for name in ("One", "Two")
    ]

    answer = outsider.upsert({"Email": "ada@example.com", "LastName": "Three"}, "Contact", "Email")

    assert answer.status_code == 300
    assert answer.json() == [f"/services/data/v67.0/sobjects/Contact/{each}" for each in ids]
    assert outsider.names("SELECT Name FROM Contact ORDER BY Name") == ["One", "Two"]


def test_an_external_id_that_is_not_unique_can_be_ambiguous(outsider):
    outsider.control("POST", "fields", {"object": "Payment__c", "field": "External_ID__c", "unique": False})
    for _ in range(2):
        outsider.post("/sobjects/Payment__c", {"External_ID__c": "pi_1"})

    assert outsider.upsert({"External_ID__c": "pi_1"}).status_code == 300
    assert outsider.control("GET", "records", object="Payment__c")["duplicates"] == {"pi_1": 2}


def test_update_only_makes_nothing(outsider):
    path = "/sobjects/Payment__c/External_ID__c/pi_1?updateOnly=true"

    refused = outsider.patch(path, {"Amount__c": 1})
    outsider.upsert({"External_ID__c": "pi_1"})
    accepted = outsider.patch(path, {"Amount__c": 1})

    assert (refused.status_code, accepted.status_code) == (404, 200)


@pytest.mark.parametrize("name", ["Amount__c", "Nope__c"])
def test_only_an_external_id_finds_records(outsider, name):
    answer = outsider.patch(f"/sobjects/Payment__c/{name}/1", {})

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (404, "NOT_FOUND")
    assert "does not exist or is not accessible" in answer.json()[0]["message"]


@pytest.mark.parametrize("name", ["External_ID__c", "external_id__c", "Id"])
def test_the_key_is_not_repeated_in_the_body(outsider, name):
    answer = outsider.patch("/sobjects/Payment__c/External_ID__c/pi_1", {name: "pi_1"})

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_FIELD")
    assert "should not be specified in the sobject data" in answer.json()[0]["message"]


def test_a_look_up_can_name_its_target_by_external_id(outsider):
    customer = a_customer(outsider)

    outsider.upsert({"External_ID__c": "pi_1", "Stripe_Customer__r": {"External_ID__c": "cus_1"}})

    held = outsider.get("/sobjects/Payment__c/External_ID__c/pi_1").json()
    assert held["Stripe_Customer__c"] == customer


def test_a_missing_target_is_told_by_name(outsider):
    answer = outsider.upsert({"External_ID__c": "pi_1", "Stripe_Customer__r": {"External_ID__c": "cus_9"}})

    assert answer.status_code == 400
    assert answer.json()[0]["errorCode"] == "INVALID_FIELD"
    assert answer.json()[0]["message"] == (
        "Foreign key external ID: cus_9 not found for field External_ID__c in entity Stripe_Customer__c"
    )


def test_a_deleted_record_is_gone_but_not_forgotten(outsider):
    account = outsider.post("/sobjects/Account", {"Name": "Acme"}).json()["id"]
    customer = a_customer(outsider, Account__c=account)
    outsider.delete(f"/sobjects/Account/{account}")

    change = outsider.patch(f"/sobjects/Account/{account}", {"Name": "New"})
    again = outsider.delete(f"/sobjects/Account/{account}")
    link = outsider.patch(f"/sobjects/Stripe_Customer__c/{customer}", {"Account__c": account})

    assert [answer.status_code for answer in (change, again, link)] == [404, 404, 404]
    assert {answer.json()[0]["errorCode"] for answer in (change, again, link)} == {"ENTITY_IS_DELETED"}
    assert outsider.get(f"/sobjects/Stripe_Customer__c/{customer}").json()["Account__c"] is None
    assert outsider.query("SELECT Id FROM Account").json()["totalSize"] == 0
    deleted = outsider.get("/queryAll", params={"q": "SELECT Id FROM Account WHERE IsDeleted = true"})
    assert deleted.json()["records"][0]["Id"] == account


def test_the_external_id_of_a_deleted_record_is_free_again(outsider):
    first = outsider.upsert({"External_ID__c": "pi_1"}).json()["id"]
    outsider.delete("/sobjects/Payment__c/External_ID__c/pi_1")

    second = outsider.upsert({"External_ID__c": "pi_1"})

    assert second.status_code == 201
    assert second.json()["id"] != first


def test_details_die_with_their_master(outsider):
    master = outsider.upsert({"External_ID__c": "sub_1"}, "Subscription_Contract__c").json()["id"]
    line = {"External_ID__c": "si_1", "Subscription_Contract__r": {"External_ID__c": "sub_1"}}
    outsider.upsert(line, "Subscription_Line__c")

    outsider.delete(f"/sobjects/Subscription_Contract__c/{master}")

    assert outsider.query("SELECT COUNT() FROM Subscription_Line__c").json()["totalSize"] == 0


def test_salesforce_works_out_its_own_fields(outsider):
    deal = {"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-08-31", "Amount": 200}
    id18 = outsider.post("/sobjects/Opportunity", deal).json()["id"]
    before = outsider.get(f"/sobjects/Opportunity/{id18}").json()
    outsider.patch(f"/sobjects/Opportunity/{id18}", {"StageName": "Closed Won"})
    after = outsider.get(f"/sobjects/Opportunity/{id18}").json()

    assert (before["IsClosed"], before["Probability"], before["ExpectedRevenue"]) == (False, 10, 20)
    assert (after["IsClosed"], after["IsWon"], after["ForecastCategory"]) == (True, True, "Closed")
    assert (after["ExpectedRevenue"], after["FiscalQuarter"]) == (200, 3)


def test_an_order_starts_as_a_draft(outsider):
    account = outsider.post("/sobjects/Account", {"Name": "Acme"}).json()["id"]
    order = {"AccountId": account, "EffectiveDate": "2026-01-01", "Status": "Draft"}

    refused = outsider.post("/sobjects/Order", {**order, "Status": "Activated"})
    id18 = outsider.post("/sobjects/Order", order).json()["id"]

    held = outsider.get(f"/sobjects/Order/{id18}").json()
    assert refused.json()[0]["errorCode"] == "FAILED_ACTIVATION"
    assert (held["StatusCode"], held["OrderNumber"]) == ("Draft", "00000001")


@pytest.mark.parametrize(
    ("id_text", "status"),
    [
        pytest.param("nonsense", 404, id="no id"),
        pytest.param("001gK000000700CQAR", 404, id="wrong checksum"),
        pytest.param("003gK000000700CQAQ", 404, id="another object's"),
        pytest.param("001gK0000007zzz", 404, id="nobody's"),
    ],
)
def test_an_id_that_leads_nowhere_is_not_found(outsider, id_text, status):
    answer = outsider.get(f"/sobjects/Account/{id_text}")

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (status, "NOT_FOUND")


def test_users_and_the_organization_can_be_read_but_not_made(outsider):
    who = outsider.query("SELECT Id, Name, IsSandbox FROM Organization").json()["records"]
    user = outsider.query("SELECT Id FROM User WHERE Username = 'integration@acme.example'").json()
    refused = outsider.post("/sobjects/User", {"LastName": "Eve"})

    assert [(row["Id"][:3], row["IsSandbox"]) for row in who] == [("00D", True)]
    assert user["totalSize"] == 1
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (403, "INSUFFICIENT_ACCESS_OR_READONLY")
