"""This module tests collections: up to 200 records in one call, each with its own result."""

from __future__ import annotations

import pytest

from connectors.sandbox.salesforce.ids import full_id


def payments(count, **values):
    return [{"External_ID__c": f"pi_{number}", **values} for number in range(count)]


def codes(answer):
    assert answer.status_code == 200, answer.text
    return [item["errors"][0]["statusCode"] if item["errors"] else "ok" for item in answer.json()]


def test_two_hundred_records_are_upserted_in_order(outsider):
    first = outsider.collection(payments(200, Amount__c=1))
    second = outsider.collection(list(reversed(payments(200, Amount__c=2))))

    assert all(item["success"] and item["created"] for item in first.json())
    assert [item["id"] for item in second.json()] == [item["id"] for item in reversed(first.json())]
    assert {item["created"] for item in second.json()} == {False}
    assert outsider.query("SELECT COUNT() FROM Payment__c WHERE Amount__c = 2").json()["totalSize"] == 200


def test_one_more_is_too_many(outsider):
    answer = outsider.collection(payments(201))

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "EXCEEDED_ID_LIMIT")
    assert outsider.control("GET", "records", object="Payment__c")["count"] == 0


def test_a_bad_record_fails_alone_and_the_answer_is_200(outsider):
    records = payments(4)
    records[1] |= {"Status__c": "Lost"}
    records[2] |= {"Amount__c": "lots"}

    answer = outsider.collection(records)

    assert codes(answer) == [
        "ok",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "INVALID_TYPE_ON_FIELD_IN_RECORD",
        "ok",
    ]
    assert answer.json()[1] == {
        "success": False,
        "created": False,
        "errors": [
            {
                "statusCode": "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                "message": "Status: bad value for restricted picklist field: Lost",
                "fields": ["Status__c"],
            }
        ],
    }
    assert outsider.control("GET", "records", object="Payment__c")["count"] == 2


def test_all_or_none_takes_everything_back(outsider):
    outsider.upsert({"External_ID__c": "pi_0", "Amount__c": 7})
    records = payments(3, Amount__c=1)
    records[2] |= {"Nope__c": 1}

    answer = outsider.collection(records, all_or_none=True)

    held = outsider.control("GET", "records", object="Payment__c")["records"]
    writes = outsider.control("GET", "writes", object="Payment__c")["writes"]
    rolled_back = "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert codes(answer) == [rolled_back, rolled_back, "INVALID_FIELD"]
    assert [(record["External_ID__c"], record["Amount__c"]) for record in held] == [("pi_0", 7)]
    assert len(writes) == 1
    assert outsider.collection(payments(3, Amount__c=1), all_or_none=True).json()[2]["created"] is True


def test_an_external_id_stands_once_in_a_call(outsider):
    answer = outsider.collection([*payments(2), *payments(1)])

    assert codes(answer) == ["DUPLICATE_VALUE", "ok", "DUPLICATE_VALUE"]
    assert answer.json()[0]["errors"][0]["message"] == "Duplicate external id specified: pi_0"


@pytest.mark.parametrize(
    ("record", "code"),
    [
        pytest.param({"Amount__c": 1}, "MISSING_ARGUMENT", id="no external id"),
        pytest.param({"External_ID__c": " "}, "MISSING_ARGUMENT", id="a blank one"),
        pytest.param({"External_ID__c": "pi_1", "Id": "x"}, "INVALID_FIELD", id="an id besides"),
        pytest.param(
            {"External_ID__c": "pi_1", "attributes": {"type": "Account"}}, "INVALID_TYPE", id="type"
        ),
        pytest.param(
            {"External_ID__c": "pi_1", "Stripe_Customer__r": {"External_ID__c": "x"}},
            "INVALID_FIELD",
            id="parent",
        ),
    ],
)
def test_each_unfit_record_has_its_error(outsider, record, code):
    assert codes(outsider.collection([record])) == [code]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param({"records": {}}, "JSON_PARSER_ERROR", id="no list"),
        pytest.param({"records": [1]}, "JSON_PARSER_ERROR", id="no object"),
        pytest.param({"records": [{"External_ID__c": "a"}]}, "MISSING_ARGUMENT", id="no type"),
    ],
)
def test_a_collection_without_shape_is_refused_as_a_whole(outsider, body, code):
    answer = outsider.patch("/composite/sobjects/Payment__c/External_ID__c", body)

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)


def test_a_wrong_external_id_field_is_not_found(outsider):
    answer = outsider.patch("/composite/sobjects/Payment__c/Amount__c", {"records": []})

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (404, "NOT_FOUND")


def test_several_matches_fail_the_one_record(outsider):
    for name in ("One", "Two"):
        outsider.post("/sobjects/Contact", {"LastName": name, "Email": "ada@example.com"})
    record = {"attributes": {"type": "Contact"}, "Email": "ada@example.com", "LastName": "Three"}

    answer = outsider.patch("/composite/sobjects/Contact/Email", {"records": [record]})

    assert codes(answer) == ["DUPLICATE_EXTERNAL_ID"]


def test_records_of_several_kinds_are_made_changed_read_and_deleted(outsider):
    sent = [
        {"attributes": {"type": "Account"}, "Name": "Acme"},
        {"attributes": {"type": "Contact"}, "LastName": "Ada"},
        {"attributes": {"type": "Nothing__c"}, "Name": "?"},
    ]
    made = outsider.post("/composite/sobjects", {"records": sent})
    account, contact = (item["id"] for item in made.json()[:2])
    changes = [
        {"attributes": {"type": "Account"}, "id": account, "Name": "Acme Ltd"},
        {"attributes": {"type": "Contact"}, "Id": contact, "Title": "Countess"},
        {"attributes": {"type": "Contact"}, "Title": "Nobody"},
    ]
    changed = outsider.patch("/composite/sobjects", {"records": changes})
    read = outsider.get(f"/composite/sobjects/Account?ids={account},001gK0000007zzz&fields=Name,Id")
    asked = outsider.post("/composite/sobjects/Contact", {"ids": [contact], "fields": ["Title"]})
    deleted = outsider.delete(f"/composite/sobjects?ids={account},{contact},nonsense")

    assert codes(made) == ["ok", "ok", "INVALID_TYPE"]
    assert codes(changed) == ["ok", "ok", "MISSING_ARGUMENT"]
    assert [item and item["Name"] for item in read.json()] == ["Acme Ltd", None]
    assert asked.json()[0]["Title"] == "Countess"
    assert codes(deleted) == ["ok", "ok", "MALFORMED_ID"]
    assert full_id(account) == account


def test_deleting_all_or_none_deletes_none(outsider):
    account = outsider.post("/sobjects/Account", {"Name": "Acme"}).json()["id"]

    answer = outsider.delete(f"/composite/sobjects?ids={account},001gK0000007zzz&allOrNone=true")

    assert codes(answer) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "INVALID_CROSS_REFERENCE_KEY"]
    assert outsider.get(f"/sobjects/Account/{account}").status_code == 200


def test_an_upsert_by_id_changes_or_makes(outsider):
    account = outsider.post("/sobjects/Account", {"Name": "Acme"}).json()["id"]
    records = [
        {"attributes": {"type": "Account"}, "Id": account, "Name": "New"},
        {"attributes": {"type": "Account"}, "Name": "Other"},
    ]

    answer = outsider.patch("/composite/sobjects/Account/Id", {"records": records})

    assert [item["created"] for item in answer.json()] == [False, True]
    assert outsider.names("SELECT Name FROM Account ORDER BY Name") == ["New", "Other"]
