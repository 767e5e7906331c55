"""This module tests queries beyond one table: look-ups, sub-queries, semi-joins, groups and date literals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest


@pytest.fixture
def crm(outsider):
    """Give an org with two accounts, three contacts and four opportunities."""
    ids = [outsider.post("/sobjects/Account", {"Name": name}).json()["id"] for name in ("Acme", "Bee")]
    for last, account in (("Ada", ids[0]), ("Otto", ids[0]), ("Eve", None)):
        outsider.post("/sobjects/Contact", {"LastName": last, "AccountId": account})
    today = datetime.now(UTC).date()
    for name, stage, amount, days in (
        ("A", "Prospecting", 10.5, 0),
        ("B", "Prospecting", 20, -10),
        ("C", "Closed Won", 5, -400),
        ("D", "Closed Lost", None, 1),
    ):
        body = {"Name": name, "StageName": stage, "AccountId": ids[name > "B"]}
        body |= {"Amount": amount, "CloseDate": str(today + timedelta(days=days))}
        assert outsider.post("/sobjects/Opportunity", body).status_code == 201
    return outsider


def rows(crm, soql):
    answer = crm.query(soql)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["totalSize"] == len(told["records"])
    return told["records"]


def test_a_sub_query_gives_the_children_of_each_record(crm):
    acme, bee = rows(
        crm,
        "SELECT Name, (SELECT LastName FROM Contacts ORDER BY LastName DESC LIMIT 1) FROM Account"
        " ORDER BY Name",
    )

    contacts = acme["Contacts"]
    assert (contacts["totalSize"], contacts["done"]) == (1, True)
    assert contacts["records"][0]["LastName"] == "Otto"
    assert contacts["records"][0]["attributes"]["type"] == "Contact"
    assert bee["Contacts"] is None


def test_a_custom_relation_has_its_own_name(crm):
    crm.upsert({"External_ID__c": "cus_1"}, "Stripe_Customer__c")
    crm.upsert({"External_ID__c": "pi_1", "Stripe_Customer__r": {"External_ID__c": "cus_1"}})

    (customer,) = rows(crm, "SELECT (SELECT External_ID__c FROM Payments__r) FROM Stripe_Customer__c")
    (payment,) = rows(
        crm,
        "SELECT Stripe_Customer__r.External_ID__c FROM Payment__c"
        " WHERE Stripe_Customer__r.External_ID__c = 'cus_1'",
    )

    assert [child["External_ID__c"] for child in customer["Payments__r"]["records"]] == ["pi_1"]
    assert payment["Stripe_Customer__r"]["External_ID__c"] == "cus_1"


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("Id IN (SELECT AccountId FROM Contact)", ["Acme"]),
        ("Id NOT IN (SELECT AccountId FROM Contact WHERE AccountId != null)", ["Bee"]),
        ("Id IN (SELECT AccountId FROM Opportunity WHERE StageName = 'Closed Won')", ["Bee"]),
        ("Name LIKE '%e' AND NOT (Name = 'Acme')", ["Bee"]),
    ],
)
def test_a_semi_join_finds_by_other_records(crm, condition, names):
    assert crm.names(" ".join(("SELECT Name FROM Account WHERE", condition))) == names


def test_groups_are_counted_and_summed(crm):
    found = rows(
        crm,
        "SELECT StageName, COUNT(Id) n, SUM(Amount), MAX(CloseDate) last FROM Opportunity"
        " GROUP BY StageName ORDER BY COUNT(Id) DESC, StageName",
    )

    assert [(row["StageName"], row["n"], row["expr0"]) for row in found] == [
        ("Prospecting", 2, 30.5),
        ("Closed Lost", 1, None),
        ("Closed Won", 1, 5),
    ]
    assert found[0]["attributes"] == {"type": "AggregateResult"}
    assert found[0]["last"] == str(datetime.now(UTC).date())


@pytest.mark.parametrize(
    ("soql", "expected"),
    [
        ("SELECT COUNT(Id) FROM Opportunity", [{"expr0": 4}]),
        ("SELECT COUNT(Amount) a, AVG(Amount) b FROM Opportunity WHERE Amount > 10", [{"a": 2, "b": 15.25}]),
        ("SELECT COUNT_DISTINCT(StageName) FROM Opportunity", [{"expr0": 3}]),
        ("SELECT SUM(Amount) FROM Opportunity WHERE Name = 'Z'", [{"expr0": None}]),
        (
            "SELECT Account.Name FROM Opportunity GROUP BY Account.Name HAVING SUM(Amount) > 20",
            [{"Name": "Acme"}],
        ),
        (
            "SELECT StageName s FROM Opportunity GROUP BY StageName HAVING COUNT(Id) > 1",
            [{"s": "Prospecting"}],
        ),
    ],
)
def test_aggregates(crm, soql, expected):
    found = [{name: value for name, value in row.items() if name != "attributes"} for row in rows(crm, soql)]

    assert found == expected


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("CloseDate = TODAY", ["A"]),
        ("CloseDate = LAST_N_DAYS:30", ["A", "B"]),
        ("CloseDate > TODAY", ["D"]),
        ("CloseDate < LAST_N_DAYS:30", ["C"]),
        ("CloseDate >= TODAY", ["A", "D"]),
        ("CreatedDate = TODAY AND CloseDate = TOMORROW", ["D"]),
    ],
)
def test_date_literals_count_from_today(crm, condition, names):
    assert crm.names(" ".join(("SELECT Name FROM Opportunity WHERE", condition, "ORDER BY Name"))) == names


@pytest.mark.parametrize(
    ("soql", "code", "said"),
    [
        ("SELECT (SELECT Id FROM Contact) FROM Account", "INVALID_TYPE", "relationship 'Contact'"),
        ("SELECT Name, COUNT(Id) FROM Account", "MALFORMED_QUERY", "grouped or aggregated: Name"),
        ("SELECT SUM(Name) FROM Account", "INVALID_FIELD", "aggregate operator SUM"),
        ("SELECT Name x FROM Account", "MALFORMED_QUERY", "aliasing"),
        ("SELECT Id FROM Account WHERE Name = TODAY", "INVALID_FIELD", "must be of type string"),
        ("SELECT Id FROM Account WHERE Id IN (SELECT Name FROM Contact)", "MALFORMED_QUERY", "inner select"),
        ("SELECT Id FROM Account WHERE Id IN (SELECT Id FROM Nope)", "INVALID_TYPE", "'Nope'"),
        ("SELECT Nope.Name FROM Account", "INVALID_FIELD", "relationship 'Nope'"),
    ],
)
def test_what_cannot_be_asked_is_said(crm, soql, code, said):
    (error,) = crm.query(soql).json()

    assert error["errorCode"] == code
    assert said in error["message"]


def test_what_a_user_may_not_see_cannot_be_reached_through_a_relation(crm):
    crm.control("POST", "permissions", {"object": "Account", "field": "Phone", "level": "hidden"})

    assert crm.query("SELECT Account.Phone FROM Contact").json()[0]["errorCode"] == "INVALID_FIELD"
