"""Reading goes through simple-salesforce, and none of its traps comes with it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connectors import connections, gateway
from connectors.models import Connection
from integrator.kernel import errors
from tests.builders import NOON, an_environment
from tests.integration.connectors.rig import CONSUMER_KEY, USERNAME

NAMES = ["O'Brien \\' OR Id!=''", "50%_off", "line\nbreak", 'say "hi"', "back\\slash", "{braces}", "{0}"]
BY_NAME = "SELECT Id, Name, Amount__c FROM Payment__c WHERE Card_Brand__c = {brand}"


def call(crm: Connection, action: str, *requests: dict[str, Any]) -> list[Any]:
    return gateway.call_many(connection_id=crm.pk, action=action, requests=requests)


def write(crm: Connection, external_id: str, **values: Any) -> None:
    request = {
        "object": "Payment__c",
        "external_id_field": "External_ID__c",
        "external_id": external_id,
        "values": values,
    }
    (result,) = call(crm, "upsert", request)
    assert isinstance(result, dict), result


@pytest.mark.parametrize("name", NAMES)
def test_a_value_in_a_query_finds_itself_and_nothing_else(crm, name):
    write(crm, "pi_1", Card_Brand__c=name)
    write(crm, "pi_2", Card_Brand__c="visa")

    (answer,) = call(crm, "query", {"soql": BY_NAME, "bindings": {"brand": name}})

    assert len(answer["records"]) == 1


def test_money_is_read_with_all_its_digits_and_records_come_without_ballast(crm):
    write(crm, "pi_1", Card_Brand__c="visa", Amount__c=Decimal("90071992547409.935"))

    (answer,) = call(crm, "query", {"soql": BY_NAME, "bindings": {"brand": "visa"}})

    (record,) = answer["records"]
    assert record["Amount__c"] == Decimal("90071992547409.935")
    assert "attributes" not in record


@pytest.mark.parametrize(
    ("soql", "bindings"),
    [
        pytest.param("SELECT Id FROM Payment__c WHERE Name = {name}", {}, id="without a value"),
        pytest.param("SELECT Id FROM Payment__c WHERE Name = {n:literal}", {"n": "x"}, id="unquoted"),
        pytest.param("SELECT Id FROM Payment__c WHERE Name = {n.__class__}", {"n": "x"}, id="an attribute"),
        pytest.param("SELECT Id FROM Payment__c WHERE Name = {n!r}", {"n": "x"}, id="a conversion"),
        pytest.param("SELECT Id FROM Payment__c WHERE Name = {}", {"": "x"}, id="no name"),
        pytest.param("SELECT Id FROM Payment__c WHERE Name = {0}", {"0": "x"}, id="a number for a name"),
        pytest.param("SELECT Id FROM Payment__c WHERE Name = {n", {"n": "x"}, id="half a brace"),
        pytest.param("SELECT Id FROM Payment__c WHERE Name = {n}", {"n": object()}, id="an object"),
        pytest.param("SELECT Id FROM Payment__c WHERE Name = {n}", {"n": "\ud800"}, id="half a character"),
        pytest.param("SELECT Id FROM Payment__c WHERE Name = {n}", {"n": "x" * 20_000}, id="too long"),
        pytest.param(
            "SELECT Id FROM Payment__c WHERE Amount__c = {n}", {"n": Decimal("1E+9000")}, id="too many digits"
        ),
        pytest.param("SELECT Nonsense FROM Payment__c", {}, id="a wrong field"),
        pytest.param("not a query", {}, id="no query"),
    ],
)
def test_a_query_that_cannot_be_right_is_refused(crm, soql, bindings):
    (answer,) = call(crm, "query", {"soql": soql, "bindings": bindings})

    assert isinstance(answer, errors.Refused)


def test_lists_numbers_and_times_can_be_bound(crm):
    write(crm, "pi_1", Card_Brand__c="visa", Amount__c=Decimal("12.500"), Paid_At__c=NOON)
    soql = (
        "SELECT Id FROM Payment__c WHERE Card_Brand__c IN {brands} AND Amount__c = {amount} "
        "AND Paid_At__c = {at} AND Livemode__c = {live} AND Failure_Code__c = {nothing}"
    )
    bindings = {
        "brands": ["visa", "amex"],
        "amount": Decimal("12.5"),
        "at": NOON,
        "live": False,
        "nothing": None,
    }

    (answer,) = call(crm, "query", {"soql": soql, "bindings": bindings})

    assert isinstance(answer, dict), answer
    assert len(answer["records"]) == 1


def test_every_page_of_a_long_answer_is_read(crm, org):
    requests = [
        {
            "object": "Payment__c",
            "external_id_field": "External_ID__c",
            "external_id": f"pi_{number}",
            "values": {"Card_Brand__c": "visa"},
        }
        for number in range(2_100)
    ]
    gateway.call_many(connection_id=crm.pk, action="upsert", requests=requests, deadline=60)

    (answer,) = gateway.call_many(
        connection_id=crm.pk,
        action="query",
        requests=[{"soql": "SELECT Id FROM Payment__c", "bindings": {}}],
        deadline=60,
    )

    assert len(answer["records"]) == 2_100
    assert len(org.calls("/query")) > 1


def test_an_object_is_described(crm):
    (answer,) = call(crm, "describe", {"object": "Payment__c"})

    fields = {field["name"]: field for field in answer["fields"]}
    assert fields["External_ID__c"]["externalId"]
    assert fields["Amount__c"]["scale"] == 3


@pytest.mark.parametrize("name", ["Nonsense__c", "Account/../../limits", ""])
def test_an_object_that_is_not_there_is_no_description(crm, name):
    (answer,) = call(crm, "describe", {"object": name})

    assert isinstance(answer, errors.Missing | errors.Refused)


def test_the_limits_are_read_and_the_header_is_kept(crm, org):
    org.post("limits", daily=5000, used=1200)

    (answer,) = call(crm, "limits", {})

    assert answer["DailyApiRequests"]["Max"] == 5000
    crm.refresh_from_db()
    assert crm.api_limit == 5000
    assert crm.api_used is not None
    assert crm.api_used >= 1200


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "garbage"}, id="a page of a proxy"),
        *(
            pytest.param({"kind": "garbage", "params": {"status": status}}, id=f"a page with {status}")
            for status in (400, 403, 404, 407)
        ),
        pytest.param({"kind": "garbage", "params": {"style": "text"}}, id="a 200 that is no JSON"),
        pytest.param({"kind": "empty"}, id="an empty 200"),
        pytest.param({"kind": "partial"}, id="half an answer"),
        pytest.param({"kind": "reset"}, id="reset"),
        pytest.param({"kind": "before", "params": {"status": 200, "body": []}}, id="a list"),
        pytest.param({"kind": "before", "params": {"status": 200, "body": "text"}}, id="a string"),
        pytest.param({"kind": "before", "params": {"status": 200, "body": 5}}, id="a number"),
        pytest.param({"kind": "before", "params": {"status": 503, "body": ""}}, id="a 503"),
        pytest.param(
            {"kind": "before", "params": {"status": 302, "headers": {"Location": "https://evil.example/"}}},
            id="a redirect",
        ),
    ],
)
@pytest.mark.parametrize(
    ("action", "request_"),
    [
        ("query", {"soql": "SELECT Id FROM Payment__c", "bindings": {}}),
        ("describe", {"object": "Payment__c"}),
        ("limits", {}),
    ],
)
def test_an_answer_that_is_none_is_transient(crm, org, fault, action, request_):
    org.break_(match_path=r"/services/data/v67\.0/", match_method="GET", **fault)

    (answer,) = call(crm, action, request_)

    assert type(answer) is errors.Transient, answer


def test_two_connections_in_one_thread_do_not_share_a_header(crm, org, pem):
    """The session of a thread is shared; whatever simple-salesforce does to its headers must not be."""
    other = connections.create(
        environment=an_environment("qa"),
        system="salesforce",
        name="Other",
        base_url=org.address,
        settings={"username": USERNAME},
        secrets={"consumer_key": CONSUMER_KEY, "private_key": pem},
        actor="ada@acme.test",
        now=NOON,
    )
    call(crm, "limits", {})
    call(other, "limits", {})
    write(crm, "pi_1")
    call(crm, "limits", {})

    for made in org.calls("/services/data/v67.0"):
        headers = {name.lower(): value for name, value in made["headers"].items()}
        assert headers.get("content-type", "application/json") == "application/json"
        assert "soapaction" not in headers
    assert org.logins() == 2


def test_a_sub_query_comes_as_a_list_without_ballast(crm):
    parent = {
        "object": "Stripe_Customer__c",
        "external_id_field": "External_ID__c",
        "external_id": "cus_1",
        "values": {},
    }
    call(crm, "upsert", parent)
    write(crm, "pi_1", Stripe_Customer__r={"External_ID__c": "cus_1"})

    (answer,) = call(
        crm,
        "query",
        {"soql": "SELECT External_ID__c, (SELECT Name FROM Payments__r) FROM Stripe_Customer__c"},
    )

    (customer,) = answer["records"]
    (payment,) = customer["Payments__r"]
    assert set(payment) == {"Name"}
