"""This module tells how changes that people ask for in Salesforce reach running subscriptions, each once."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from flows.models import DeadLetter, Review
from tests.journeys.bridge import until
from tests.journeys.sales import Sales, agree, install, office, sales

__all__ = ["office", "sales"]

REQUESTS = ("contract_requests", "line_requests")


@pytest.fixture
def amended(sales: Sales) -> Sales:
    """Return the sales whose contracts and lines may be asked for something, with a subscription."""
    install(sales, *REQUESTS)
    sales.topics += tuple(f"/data/Subscription_{name}__ChangeEvent" for name in ("Contract", "Line"))
    listener, look = sales.office.listener, sales.bridge.salesforce.look

    def hears() -> bool:
        listener.turn()
        return {stream["topic"] for stream in look("pubsub")["streams"]} >= set(sales.topics)

    until(hears, what="hearing of contracts and lines")
    sales.stage(sales.deal(sales.account("Acme")), "Gewonnen")
    sales.come_to_rest()
    return sales


def test_what_is_asked_for_in_salesforce_is_done_in_stripe_once(amended: Sales) -> None:
    sales, change = amended, amended.office.change
    yearly, _, product = sales.plan(100_000, "year")
    (contract,), (line,) = sales.records("Subscription_Contract__c"), sales.records("Subscription_Line__c")

    # Another quantity and another price at once; a new line; then the first one out.
    wanted = {"Requested_Quantity__c": 7, "Requested_Price_ID__c": yearly}
    change("Subscription_Line__c", id=line["Id"], values=wanted)
    sales.come_to_rest()
    agree(sales)
    ((item,), _) = items_of(sales)
    assert (item["id"], item["quantity"], item["price"]["id"]) == (line["External_ID__c"], 7, yearly)
    assert sales.record("Subscription_Line__c", line["Id"])["Product__c"] == product

    values = {
        "Name": "More", "Subscription_Contract__c": contract["Id"], "Requested_Quantity__c": 3,
        "Requested_Price_ID__c": sales.price,
    }  # fmt: skip
    added = change("Subscription_Line__c", "create", values=values)
    sales.come_to_rest()
    agree(sales)
    more = sales.record("Subscription_Line__c", added)
    assert (more["Quantity__c"], more["Unit_Amount__c"], more["Product__c"]) == (3, 49, sales.product)
    assert len(sales.records("Subscription_Line__c")) == 2

    change("Subscription_Line__c", id=line["Id"], values={"Requested_Quantity__c": 0})
    sales.come_to_rest()
    agree(sales)
    assert [one["id"] for one in items_of(sales)[0]] == [more["External_ID__c"]]
    assert sales.record("Subscription_Line__c", line["Id"])["Quantity__c"] == 0
    assert sales.listed("invoiceitems"), "what changes in the middle of a period is charged by the day"

    for asked, status, ends in (
        ("Cancel at period end", "active", True),
        ("Do not cancel", "active", False),
        ("Pause", "paused", False),
        ("Resume", "active", False),
        ("Cancel now", "canceled", False),
    ):
        change("Subscription_Contract__c", id=contract["Id"], values={"Requested_Change__c": asked})
        sales.come_to_rest()
        agree(sales)
        _, subscription = items_of(sales)
        assert (subscription["status"], subscription["cancel_at_period_end"]) == (status, ends), asked
        assert sales.record("Subscription_Contract__c", contract["Id"])["Requested_Change__c"] is None
    assert written_once(sales)
    assert not DeadLetter.objects.exists()
    assert not Review.objects.exists()


def items_of(sales: Sales) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    (subscription,) = sales.listed("subscriptions", status="all")
    return list(subscription["items"]["data"]), subscription


def written_once(sales: Sales) -> bool:
    """Tell whether each request went to Stripe once, and nothing of what came back did."""
    calls = sales.bridge.stripe.look("journal", path="^/v1/subscription", limit=1000)["calls"]
    written = Counter(
        re.sub("/su?[bi]_[A-Za-z0-9]+", "", one["path"]) for one in calls if one["method"] != "GET"
    )
    return written == {
        "/v1/subscriptions": 1 + 3,  # made; to end, not to end, canceled
        "/v1/subscriptions/pause": 1,
        "/v1/subscriptions/resume": 1,
        "/v1/subscription_items": 3,  # changed, added, taken out
    }


@pytest.mark.parametrize("kind", ["before", "after"])
def test_a_request_whose_calls_fail_is_done_once(amended: Sales, kind: str) -> None:
    sales, services = amended, {"stripe": amended.bridge.stripe, "salesforce": amended.bridge.salesforce}
    # Nobody waits eleven minutes here, after which it is certain that a DELETE without an answer did nothing.
    params = {"status": 429} if kind == "before" else {}
    (contract,) = sales.records("Subscription_Contract__c")
    added = ""
    for quantity, (side, path, method) in enumerate(
        (
            ("stripe", "^/v1/subscription_items", "POST"),
            ("salesforce", "/sobjects/Subscription_Line__c", "PATCH"),
            ("salesforce", "/query", "GET"),
            ("stripe", "^/v1/subscription_items", "DELETE"),
        ),
        1,
    ):
        fault = services[side].break_calls(kind, path, match_method=method, times=1, params=params)
        if method == "DELETE":
            sales.office.change("Subscription_Line__c", id=added, values={"Requested_Quantity__c": 0})
        else:
            values = {"Requested_Quantity__c": quantity, "Requested_Price_ID__c": sales.price, "Name": "More"}
            values["Subscription_Contract__c"] = contract["Id"]
            added = sales.office.change("Subscription_Line__c", "create", values=values)
        sales.come_to_rest()
        assert services[side].fired(fault) == 1, (path, method)
        agree(sales)
    assert sorted(item["quantity"] for item in items_of(sales)[0]) == [1, 2, 2]
    lines = sales.records("Subscription_Line__c")
    assert sorted(line["Quantity__c"] for line in lines) == [0, 1, 2, 2]
    assert not any(line["Requested_Quantity__c"] or line["Requested_Price_ID__c"] for line in lines)
    assert not DeadLetter.objects.exists()
    assert not Review.objects.exists()
