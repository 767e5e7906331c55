"""This module tests the simulated org with simple-salesforce, a client that we did not write."""

from __future__ import annotations

from decimal import Decimal

import pytest
import requests
import simple_salesforce as sf

from tests.integration.sandbox.salesforce.rig import CONSUMER_KEY, PRIVATE_PEM, USERNAME, Loopback

HOST = "https://acme.my.salesforce.com"


@pytest.fixture
def session(app):
    """Give an HTTP session that ends at the sandbox whatever https host is meant."""
    app.control("POST", "org", {"my_domain": HOST})
    with requests.Session() as http:
        http.mount("https://", Loopback(app.address))
        yield http


@pytest.fixture
def client(app, session) -> sf.Salesforce:
    """Log in with a JWT, as simple-salesforce does it."""
    return sf.Salesforce(
        username=USERNAME,
        consumer_key=CONSUMER_KEY,
        privatekey=PRIVATE_PEM,
        domain="acme.my",
        session=session,
        version="67.0",
    )


def test_it_logs_in_by_jwt(app, client):
    assert client.sf_instance == "acme.my.salesforce.com"
    assert app.control("GET", "state")["door"]["logins"] == 1


def test_it_is_told_why_a_login_fails(app, session):
    with (
        pytest.warns(UserWarning, match="authorize"),
        pytest.raises(sf.SalesforceAuthenticationFailed, match="hasn't approved") as refusal,
    ):
        sf.Salesforce(
            username="eve@acme.example",
            consumer_key=CONSUMER_KEY,
            privatekey=PRIVATE_PEM,
            domain="acme.my",
            session=session,
        )

    assert refusal.value.code == "invalid_grant"


def test_it_describes_and_reads_limits(client):
    assert client.describe()["maxBatchSize"] == 200
    assert {field["name"] for field in client.Payment__c.describe()["fields"]} >= {"Id", "Amount__c"}
    assert client.limits()["DailyApiRequests"]["Max"] == 1_000_000


def test_it_makes_changes_reads_and_deletes(client):
    made = client.Account.create({"Name": "Acme"})
    client.Account.update(made["id"], {"Phone": "1"})
    read = client.Account.get(made["id"])
    client.Account.delete(made["id"])

    assert (made["success"], read["Phone"]) == (True, "1")
    with pytest.raises(sf.SalesforceResourceNotFound):
        client.Account.get(made["id"])


def test_it_upserts_and_finds_by_external_id(client):
    assert client.Payment__c.upsert("External_ID__c/pi_1", {"Amount__c": 1.5}) == 201
    assert client.Payment__c.upsert("External_ID__c/pi_1", {"Amount__c": 2.5}) == 200
    assert client.Payment__c.get_by_custom_id("External_ID__c", "pi_1")["Amount__c"] == 2.5


def test_it_sees_several_matches(client):
    for name in ("One", "Two"):
        client.Contact.create({"LastName": name, "Email": "ada@example.com"})

    with pytest.raises(sf.SalesforceMoreThanOneRecord) as several:
        client.Contact.upsert("Email/ada@example.com", {"LastName": "Three"})

    assert len(several.value.content) == 2


def test_it_walks_all_pages(client):
    for start in (0, 200):
        records = [
            {"attributes": {"type": "Payment__c"}, "External_ID__c": f"pi_{start + number}"}
            for number in range(200)
        ]
        client.restful(
            "composite/sobjects/Payment__c/External_ID__c", method="PATCH", json={"records": records}
        )
    client.headers["Sforce-Query-Options"] = "batchSize=200"

    rows = list(client.query_all_iter("SELECT External_ID__c FROM Payment__c"))

    assert len({row["External_ID__c"] for row in rows}) == 400


def test_it_escapes_what_it_asks_for(client):
    hostile = "O'Brien \\' OR Name != ''\n%_"
    client.Account.create({"Name": hostile})
    client.Account.create({"Name": "Other"})

    found = client.query(sf.format_soql("SELECT Name FROM Account WHERE Name = {}", hostile))

    assert [row["Name"] for row in found["records"]] == [hostile]


def test_it_gets_exact_numbers(app, session):
    token = app.control("POST", "sessions", {"username": USERNAME})["access_token"]
    exact = sf.Salesforce(
        session_id=token, instance_url=HOST, session=session, version="67.0", parse_float=Decimal
    )
    app.upsert({"External_ID__c": "pi_1", "Amount__c": "123456789012345.678"})

    rows = exact.query("SELECT Amount__c FROM Payment__c")["records"]

    assert rows[0]["Amount__c"] == Decimal("123456789012345.678")


@pytest.mark.parametrize(
    ("act", "error"),
    [
        pytest.param(lambda c: c.query("SELECT"), sf.SalesforceMalformedRequest, id="malformed query"),
        pytest.param(lambda c: c.Account.create({}), sf.SalesforceMalformedRequest, id="required field"),
        pytest.param(lambda c: c.Nope__c.describe(), sf.SalesforceResourceNotFound, id="unknown object"),
    ],
)
def test_it_understands_errors(client, act, error):
    with pytest.raises(error):
        act(client)


def test_it_understands_an_expired_session_and_a_used_up_day(app, session):
    token = app.control("POST", "sessions", {"username": USERNAME})["access_token"]
    plain = sf.Salesforce(session_id=token, instance_url=HOST, session=session, version="67.0")

    app.control("POST", "limits", {"daily": 0})
    with pytest.raises(sf.SalesforceRefusedRequest, match="REQUEST_LIMIT_EXCEEDED"):
        plain.query("SELECT Id FROM Account")
    app.control("DELETE", "sessions")
    with pytest.raises(sf.SalesforceExpiredSession):
        plain.query("SELECT Id FROM Account")


def test_it_follows_look_ups_and_sub_queries(client):
    account = client.Account.create({"Name": "Acme"})["id"]
    client.Contact.create({"LastName": "Lovelace", "AccountId": account})

    (contact,) = client.query_all_iter("SELECT Account.Name FROM Contact")
    (found,) = client.query_all("SELECT (SELECT LastName FROM Contacts) FROM Account")["records"]

    assert contact["Account"]["Name"] == "Acme"
    assert [row["LastName"] for row in found["Contacts"]["records"]] == ["Lovelace"]


def test_it_starts_a_flow_publishes_an_event_and_sends_a_composite(app, client):
    (started,) = client.restful(
        "actions/custom/flow/Stripe_Dunning", method="POST", json={"inputs": [{"Effect_ID": "eff_1"}]}
    )
    published = client.restful(
        "sobjects/Stripe_Payment_Failed__e", method="POST", json={"Payment_ID__c": "pi_1"}
    )
    parts = [
        {
            "method": "POST",
            "url": "/services/data/v67.0/sobjects/Account",
            "referenceId": "acc",
            "body": {"Name": "Acme"},
        },
        {"method": "GET", "url": "/services/data/v67.0/sobjects/Account/@{acc.id}", "referenceId": "read"},
    ]
    told = client.restful("composite", method="POST", json={"allOrNone": True, "compositeRequest": parts})

    assert started["isSuccess"]
    assert published["success"]
    assert told["compositeResponse"][1]["body"]["Name"] == "Acme"
    assert app.control("GET", "flows")["counts"] == {"Stripe_Dunning": 1}
    assert app.control("GET", "events")["counts"] == {"Stripe_Payment_Failed__e": 1}


def test_it_is_told_of_duplicates(app, client):
    app.control("POST", "duplicate-rules", {"object": "Contact", "fields": ["Email"]})
    first = client.Contact.create({"LastName": "Lovelace", "Email": "ada@acme.test"})["id"]

    with pytest.raises(sf.SalesforceMalformedRequest) as refusal:
        client.Contact.create({"LastName": "L", "Email": "ada@acme.test"})

    (error,) = refusal.value.content
    (match,) = error["duplicateResult"]["matchResults"]
    assert match["matchRecords"][0]["record"]["Id"] == first
