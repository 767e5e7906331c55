"""This module tests duplicate rules: who is refused, with which details, and who may save all the same."""

from __future__ import annotations

import pytest

HEADER = "Sforce-Duplicate-Rule-Header"


def a_rule(outsider, **rule):
    usual = {"object": "Contact", "fields": ["Email"]}
    return outsider.control("POST", "duplicate-rules", usual | rule)


def a_contact(outsider, last="Lovelace", email="ada@acme.test", **more):
    return outsider.post("/sobjects/Contact", {"LastName": last, "Email": email}, **more)


def test_a_duplicate_is_refused_with_the_records_that_it_is_like(outsider):
    a_rule(outsider)
    first = a_contact(outsider).json()["id"]

    answer = a_contact(outsider, email="ADA@acme.test")

    (error,) = answer.json()
    assert (answer.status_code, error["errorCode"]) == (400, "DUPLICATES_DETECTED")
    result = error["duplicateResult"]
    (match,) = result["matchResults"]
    assert (result["allowSave"], match["entityType"], match["size"]) == (False, "Contact", 1)
    assert [record["record"]["Id"] for record in match["matchRecords"]] == [first]


def test_without_a_rule_or_a_value_nothing_is_a_duplicate(outsider):
    a_contact(outsider)
    assert a_contact(outsider).status_code == 201

    a_rule(outsider)
    assert {a_contact(outsider, email=None).status_code for _ in range(2)} == {201}


@pytest.mark.parametrize(
    ("action", "header", "status"),
    [
        pytest.param(
            "alert", "allowSave=true; includeRecordDetails=true", 201, id="an alert may be overruled"
        ),
        pytest.param("alert", "allowSave=false", 400, id="an alert is one unless overruled"),
        pytest.param("block", "allowSave=true", 400, id="a block may not be overruled"),
    ],
)
def test_the_caller_may_save_where_the_rule_only_alerts(outsider, action, header, status):
    a_rule(outsider, action=action)
    a_contact(outsider)

    assert a_contact(outsider, headers={HEADER: header}).status_code == status


def test_details_of_the_matches_are_told_to_who_asks(outsider):
    a_rule(outsider)
    a_contact(outsider)

    answer = a_contact(outsider, headers={HEADER: "includeRecordDetails=true"})

    (match,) = answer.json()[0]["duplicateResult"]["matchResults"]
    assert match["matchRecords"][0]["record"]["Email"] == "ada@acme.test"


def test_a_rule_may_keep_its_matches_to_itself_and_a_collection_always_does(outsider):
    a_rule(outsider, told=False)
    a_contact(outsider)
    record = {"attributes": {"type": "Contact"}, "LastName": "L", "Email": "ada@acme.test"}

    alone = a_contact(outsider).json()[0]
    (together,) = outsider.post("/composite/sobjects", {"records": [record]}).json()

    assert alone["duplicateResult"]["matchResults"] == []
    assert together["errors"] == [
        {"statusCode": "DUPLICATES_DETECTED", "message": "Use one of these records?", "fields": []}
    ]


def test_an_update_is_checked_when_it_changes_what_is_compared(outsider):
    a_rule(outsider)
    a_contact(outsider)
    other = a_contact(outsider, email="other@acme.test").json()["id"]

    assert outsider.patch(f"/sobjects/Contact/{other}", {"LastName": "New"}).status_code == 204
    assert outsider.patch(f"/sobjects/Contact/{other}", {"Email": "ada@acme.test"}).status_code == 400


def test_rules_are_listed_for_those_who_ask_and_counted(outsider):
    a_rule(outsider, rule="Ours")
    a_contact(outsider)
    a_contact(outsider)

    rows = outsider.query("SELECT MasterLabel, SobjectType FROM DuplicateRule WHERE IsActive = true").json()

    assert [row["SobjectType"] for row in rows["records"]] == ["Contact"]
    assert outsider.control("GET", "duplicate-rules")["rules"][0]["fired"] == 1
