"""Lists of records and of objects: what is asked, in which order, and what becomes of too many."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from flows.engine.outcome import GiveUp
from flows.steps.list_records import ListRecordsSettings
from integrator.kernel.errors import Forbidden, Refused
from tests.fakes import FakePorts
from tests.unit.flows.taking import KINDS, a_mapped, take

OPEN = {"field": "StageName", "is": "not_equal", "value": "Closed Won"}
OF_ACCOUNT = {"field": "AccountId", "from": "charge.metadata.account"}


def a_list(*where: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"object": "Opportunity", "where": list(where), "fields": ["Name", "Amount"], **more}


def about(run_id: int = 1, **fields: Any) -> Any:
    return a_mapped({}, run_id=run_id, **fields)


def an_org(count: int) -> FakePorts:
    ports = FakePorts()
    records = [{"Id": f"006{number:015d}", "Name": f"Deal {number}"} for number in range(count)]
    ports.query = lambda request: {"records": records[: int(str(request["soql"]).rpartition(" ")[2])]}
    return ports


def test_a_list_is_asked_for_once_with_its_values_bound_ordered_and_limited():
    ports, hostile = an_org(2), "x' OR Id != '"
    settings = a_list(OF_ACCOUNT, OPEN, order_by="Amount", descending=True, limit=5)

    answers = take(
        "salesforce.list", settings, [about(n, metadata={"account": hostile}) for n in (1, 2)], ports
    )

    (asked,) = ports.asked
    assert asked == (
        "query",
        [
            {
                "soql": "SELECT Id, Name, Amount FROM Opportunity WHERE AccountId = {v0} "
                "AND StageName != {v1} ORDER BY Amount DESC NULLS LAST, Id DESC LIMIT 6",
                "bindings": {"v0": hostile, "v1": "Closed Won"},
            }
        ],
    )  # fmt: skip
    assert [answer.exit for answer in answers] == ["found", "found"]
    assert answers[0].output["count"] == 2
    assert [one["Name"] for one in answers[0].output["records"]] == ["Deal 0", "Deal 1"]
    assert answers[0].output["record"]["Name"] == "Deal 0"


@pytest.mark.parametrize(
    ("beyond", "count", "comes_to"),
    [("exit", 3, "too_many"), ("first", 3, "found"), ("exit", 2, "found"), ("exit", 0, "none")],
)
def test_a_list_is_never_cut_unless_that_is_wanted(beyond, count, comes_to):
    (answer,) = take("salesforce.list", a_list(limit=2, beyond=beyond), [about()], an_org(count))

    assert answer.exit == comes_to
    assert len(answer.output["records"]) == {"found": 2}.get(comes_to, 0)
    assert answer.exit in KINDS["salesforce.list"].exits_of(ListRecordsSettings(object="A", beyond=beyond))


def test_more_than_there_may_be_fail_the_run_where_that_is_wanted():
    (answer,) = take("salesforce.list", a_list(limit=2, beyond="fail"), [about()], an_org(3))

    assert isinstance(answer, GiveUp)
    assert (answer.failure.code, answer.reason) == ("too_many", "There are more than 2 records")


def test_without_a_value_nothing_is_asked_since_empty_would_find_whatever_has_none():
    ports = an_org(2)

    (answer,) = take("salesforce.list", a_list(OF_ACCOUNT), [about()], ports)

    assert (answer.exit, ports.asked) == ("none", [])


def test_dates_and_moments_are_what_the_field_needs():
    ports = an_org(1)
    where = [
        {"field": "CloseDate", "is": "at_least", "from": "event.created", "holds": "date"},
        {"field": "CreatedDate", "is": "less", "value": "2026-11-24", "holds": "moment"},
        {"field": "Name", "is": "contains", "value": "100%"},
        {"field": "StageName", "is": "in", "value": ["Won", "Lost", "Won"]},
        {"field": "OwnerId", "is": "present"},
    ]

    take("salesforce.list", a_list(*where, zone="Europe/Berlin", match="any"), [about()], ports)

    request = ports.asked[0][1][0]
    assert request["bindings"] == {
        "v0": datetime(2026, 11, 24, tzinfo=UTC).date(),
        "v1": datetime(2026, 11, 23, 23, tzinfo=UTC),
        "v2": "100%",
        "v3": ["Won", "Lost"],
    }
    assert (
        "WHERE CloseDate >= {v0} OR CreatedDate < {v1} OR Name LIKE '%{v2:like}%' OR StageName IN {v3} "
        "OR OwnerId != NULL ORDER BY"
    ) in request["soql"]


def test_what_cannot_be_compared_is_told_with_its_field():
    where = {"field": "CloseDate", "from": "charge.status", "holds": "date"}

    (answer,) = take("salesforce.list", a_list(where), [about()], an_org(1))

    assert isinstance(answer, GiveUp)
    assert (answer.failure.code, answer.failure.field) == ("not_a_value", "CloseDate")
    assert "succeeded" in answer.reason


@pytest.mark.parametrize(
    "failure",
    [Refused("No such column", code="INVALID_FIELD", field="Amount"), Forbidden("no access", code="X")],
)
def test_a_field_that_may_not_be_seen_is_passed_on_as_it_came(failure):
    ports = FakePorts()
    ports.query = lambda _request: failure

    assert take("salesforce.list", a_list(), [about()], ports) == [failure]


@pytest.mark.parametrize(
    "where",
    [
        {"field": "Name"},
        {"field": "Name", "from": "charge.id", "value": "x"},
        {"field": "Name", "value": ["a", "b"]},
        {"field": "Name) OR (Id", "value": "x"},
        {"field": "Name", "is": "starts_with", "value": "x", "holds": "date"},
    ],
)
def test_conditions_that_say_nothing_or_too_much_are_refused(where):
    with pytest.raises(ValidationError):
        ListRecordsSettings.model_validate(a_list(where))


# Stripe


def charges(count: int) -> FakePorts:
    ports = FakePorts()
    for number in range(count):
        one = {"id": f"ch_{number}", "object": "charge", "customer": "cus_1", "created": number}
        ports.stripe[f"ch_{number}"] = one
    return ports


def of_customer(**more: Any) -> dict[str, Any]:
    return {"object": "charge", "where": [{"field": "customer", "from": "charge.customer"}], **more}


def test_a_list_of_stripe_is_read_to_its_end_page_by_page():
    ports = charges(250)

    (answer,) = take("stripe.list", of_customer(limit=1000), [about(customer="cus_1")], ports)

    assert (answer.exit, answer.output["count"]) == ("found", 250)
    assert [len(requests) for _, requests in ports.asked] == [1, 1, 1]
    assert [one["id"] for one in answer.output["objects"]] == [f"ch_{number}" for number in range(250)]


def test_no_more_is_read_than_is_needed_to_know_that_there_are_too_many():
    ports = charges(250)

    (answer,) = take("stripe.list", of_customer(limit=10), [about(customer="cus_1")], ports)

    assert answer.exit == "too_many"
    assert [request["limit"] for _, requests in ports.asked for request in requests] == [11]


def test_filters_are_what_stripe_takes():
    ports = FakePorts()
    where = [
        {"field": "created", "is": "at_least", "value": "2026-11-24"},
        {"field": "created", "is": "less", "from": "event.created"},
        {"field": "active", "value": False},
        {"field": "lookup_keys", "value": "gold"},
    ]

    take("stripe.list", {"object": "price", "where": where}, [about()], ports)

    midnight, noon = (int(datetime(2026, 11, 24, hour, tzinfo=UTC).timestamp()) for hour in (0, 12))
    assert ports.asked[0][1][0]["params"] == {
        "created": {"gte": midnight, "lt": noon},
        "active": False,
        "lookup_keys": ["gold"],
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"object": "charge", "where": [{"field": "colour", "value": "red"}]},
        {"object": "charge", "where": [{"field": "customer", "is": "less", "value": "cus_1"}]},
        {"object": "subscription_item"},
    ],
)
def test_what_stripe_cannot_be_asked_is_refused(settings):
    with pytest.raises(ValidationError):
        KINDS["stripe.list"].settings_model.model_validate(settings)
