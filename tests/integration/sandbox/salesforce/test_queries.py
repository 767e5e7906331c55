"""This module tests SOQL over HTTP: what it finds, what it refuses, and its pages."""

from __future__ import annotations

import pytest


@pytest.fixture
def books(outsider):
    """Give an org with a few payments of two customers."""
    account = outsider.post("/sobjects/Account", {"Name": "O'Brien \\ Sons"}).json()["id"]
    outsider.upsert({"External_ID__c": "cus_1", "Name": "Ada", "Account__c": account}, "Stripe_Customer__c")
    rows = [
        ("pi_1", "One", 10, "Completed", "2026-01-01T00:00:00Z", True),
        ("pi_2", "two", 20.5, "Failed", "2026-02-01T00:00:00Z", False),
        ("pi_3", "Three %", None, None, None, False),
    ]
    names = ("External_ID__c", "Name", "Amount__c", "Status__c", "Paid_At__c", "Livemode__c")
    records = [dict(zip(names, row, strict=True)) for row in rows]
    records[0]["Stripe_Customer__r"] = {"External_ID__c": "cus_1"}
    outsider.collection(records)
    return outsider


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("External_ID__c = 'pi_1'", ["One"]),
        ("External_ID__c = 'PI_1'", []),
        ("Name = 'ONE'", ["One"]),
        ("Name != 'one'", ["Three %", "two"]),
        ("External_ID__c IN ('pi_1', 'pi_2', 'pi_9')", ["One", "two"]),
        ("Status__c NOT IN ('Failed')", ["One", "Three %"]),
        ("Name LIKE 't%'", ["Three %", "two"]),
        ("Name LIKE '_wo'", ["two"]),
        ("Name LIKE '%\\%'", ["Three %"]),
        ("Amount__c > 10", ["two"]),
        ("Amount__c >= 10 AND Amount__c <= 20.5", ["One", "two"]),
        ("Amount__c < 20.5", ["One"]),
        ("Amount__c <> 10", ["Three %", "two"]),
        ("Amount__c = null", ["Three %"]),
        ("Amount__c != null", ["One", "two"]),
        ("Livemode__c = true", ["One"]),
        ("Paid_At__c > 2026-01-15T00:00:00Z", ["two"]),
        ("Paid_At__c = 2026-01-01T01:00:00+01:00", ["One"]),
        ("(Status__c = 'Failed' OR Amount__c = 10) AND Livemode__c = false", ["two"]),
        ("NOT Livemode__c = true", ["Three %", "two"]),
        ("NOT (Amount__c = 10 OR Amount__c = 20.5)", ["Three %"]),
        ("Stripe_Customer__r.Name = 'Ada'", ["One"]),
        ("Stripe_Customer__r.Account__r.Name = 'O\\'Brien \\\\ Sons'", ["One"]),
        ("Stripe_Customer__c = null", ["Three %", "two"]),
        ("Payment__c.Name = 'One'", ["One"]),
        ("Id = '001000000000000AAA'", []),
        ("Id > 'a01000000000000AAA'", ["One", "Three %", "two"]),
        (
            "CreatedDate > 2020-01-01T00:00:00Z AND SystemModstamp < 2099-01-01T00:00:00Z AND Amount__c = 10",
            ["One"],
        ),
    ],
)
def test_what_a_condition_finds(books, where, names):
    assert books.names(" ".join(("SELECT Name FROM Payment__c WHERE", where, "ORDER BY Name"))) == names


@pytest.mark.parametrize(
    ("rest", "names"),
    [
        ("ORDER BY Amount__c", ["Three %", "One", "two"]),
        ("ORDER BY Amount__c DESC NULLS LAST", ["two", "One", "Three %"]),
        ("ORDER BY Livemode__c DESC, Name ASC", ["One", "Three %", "two"]),
        ("ORDER BY Name LIMIT 1", ["One"]),
        ("ORDER BY Name LIMIT 1 OFFSET 1", ["Three %"]),
        ("ORDER BY Name OFFSET 9", []),
        ("ORDER BY Stripe_Customer__r.Name DESC NULLS LAST LIMIT 1", ["One"]),
    ],
)
def test_in_which_order_and_how_many(books, rest, names):
    assert books.names(" ".join(("SELECT Name FROM Payment__c", rest))) == names


def test_a_row_names_its_record_and_nests_its_parents(books):
    soql = (
        "select p.Name, p.Stripe_Customer__r.Name, p.Stripe_Customer__r.Account__r.Id"
        " from Payment__c p where p.External_ID__c in ('pi_1','pi_2') order by p.Name"
    )

    told = books.query(soql).json()

    first, second = told["records"]
    assert (told["totalSize"], told["done"]) == (2, True)
    assert first["attributes"]["type"] == "Payment__c"
    assert first["Stripe_Customer__r"]["attributes"]["type"] == "Stripe_Customer__c"
    assert first["Stripe_Customer__r"]["Name"] == "Ada"
    assert first["Stripe_Customer__r"]["Account__r"]["Id"].startswith("001")
    assert second["Stripe_Customer__r"] is None


def test_an_object_may_be_called_like_a_word_of_the_language(books):
    assert books.query("SELECT Id, Status FROM Order ORDER BY CreatedDate LIMIT 1").json()["records"] == []


def test_counting_gives_no_rows(books):
    told = books.query("SELECT COUNT() FROM Payment__c WHERE Amount__c != null").json()

    assert told == {"totalSize": 2, "done": True, "records": []}


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("", "MALFORMED_QUERY"),
        ("SELECT", "MALFORMED_QUERY"),
        ("SELECT FROM Payment__c", "MALFORMED_QUERY"),
        ("SELECT * FROM Payment__c", "MALFORMED_QUERY"),
        ("SELECT Id FRM Payment__c", "MALFORMED_QUERY"),
        ("SELECT Id FROM Payment__c WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Payment__c WHERE Name = 'a", "MALFORMED_QUERY"),
        ("SELECT Id FROM Payment__c WHERE Name = 'O'Brien'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Payment__c WHERE Name = 'a\\q'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Payment__c WHERE Name = One", "MALFORMED_QUERY"),
        ("SELECT Id FROM Payment__c WHERE Name = 'a' OR Name = 'b' AND Name = 'c'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Payment__c WHERE (Name = 'a'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Payment__c WHERE Name IN ()", "MALFORMED_QUERY"),
        ("SELECT Id FROM Payment__c LIMIT x", "MALFORMED_QUERY"),
        ("SELECT Id FROM Payment__c; DROP", "MALFORMED_QUERY"),
        ("SELECT Id, Id FROM Payment__c", "INVALID_FIELD"),
        ("SELECT Nope__c FROM Payment__c", "INVALID_FIELD"),
        ("SELECT Nope__r.Name FROM Payment__c", "INVALID_FIELD"),
        ("SELECT Id FROM Payment__c WHERE Nope__c = 1", "INVALID_FIELD"),
        ("SELECT Id FROM Payment__c ORDER BY Nope__c", "INVALID_FIELD"),
        ("SELECT Id FROM Payment__c WHERE Amount__c = '10'", "INVALID_FIELD"),
        ("SELECT Id FROM Payment__c WHERE Name = 10", "INVALID_FIELD"),
        ("SELECT Id FROM Payment__c WHERE Paid_At__c > 2026-01-01", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Payment__c WHERE Id = 'nonsense'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Payment__c WHERE Amount__c LIKE '1%'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Payment__c WHERE Livemode__c > true", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Nothing__c", "INVALID_TYPE"),
        ("SELECT Id FROM Payment__c OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
    ],
)
def test_each_bad_query_has_its_error(books, soql, code):
    answer = books.query(soql)

    assert answer.status_code == 400
    assert [error["errorCode"] for error in answer.json()] == [code]


def test_a_malformed_query_shows_where(books):
    message = books.query("SELECT Id FRM Payment__c").json()[0]["message"]

    assert "ERROR at Row:1:Column:11" in message
    assert "unexpected token: 'FRM'" in message


def test_long_answers_come_in_pages(outsider):
    for start in range(0, 500, 200):
        outsider.collection(
            [{"External_ID__c": f"pi_{number:03}"} for number in range(start, min(start + 200, 500))]
        )
    headers = {"Sforce-Query-Options": "batchSize=200"}

    page = outsider.query(
        "SELECT External_ID__c FROM Payment__c ORDER BY External_ID__c", headers=headers
    ).json()
    pages = [page]
    while not page["done"]:
        page = outsider.http.get(outsider.address + page["nextRecordsUrl"], timeout=60).json()
        pages.append(page)

    assert [len(each["records"]) for each in pages] == [200, 200, 100]
    assert {each["totalSize"] for each in pages} == {500}
    assert [row["External_ID__c"] for each in pages for row in each["records"]] == [
        f"pi_{number:03}" for number in range(500)
    ]


@pytest.mark.parametrize(("asked", "given"), [(1, 200), (250, 250), (9_999, 300)])
def test_a_page_holds_from_200_to_2000_rows(outsider, asked, given):
    for start in (0, 150):
        outsider.collection([{"External_ID__c": f"pi_{start + number}"} for number in range(150)])

    page = outsider.query(
        "SELECT Id FROM Payment__c", headers={"Sforce-Query-Options": f"batchSize={asked}"}
    ).json()

    assert len(page["records"]) == given


def test_an_unknown_page_is_refused(outsider):
    answer = outsider.get("/query/0r8gK000000700CQAQ-2000")

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_QUERY_LOCATOR")


def test_an_address_that_is_too_long_is_refused_by_the_proxy(outsider):
    answer = outsider.query("SELECT Id FROM Payment__c WHERE Name = '" + "x" * 17_000 + "'")

    assert answer.status_code == 414
    assert answer.headers["Content-Type"].startswith("text/html")
