"""The subscriptions template keeps contracts and lines true, whatever order events come in."""

from __future__ import annotations

import copy
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from flows.engine import batch, plan
from flows.engine.batch import Finished
from flows.engine.item import Item
from flows.engine.policy import Policy
from flows.recipes import catalogue
from flows.steps import registry
from integrator.kernel.errors import Transient
from tests.fakes import FakePorts, an_item

RECIPE = catalogue.load("subscriptions")
PLAN = plan.build(RECIPE.document, kinds=registry.load())
SAMPLES = catalogue.samples("subscriptions")

CONTRACT, LINE = "Subscription_Contract__c:sub_SampleAda0001", "Subscription_Line__c:si_SampleAda0001"
EXTRA = "Subscription_Line__c:si_Extra"


@pytest.fixture
def ports() -> FakePorts:
    ports = FakePorts()
    ports.hold("Stripe_Customer__c", "cus_SampleAda0001", Account__c="001000000000001AAA")
    ports.query = lambda _request: {
        "records": [
            {"Id": name, "External_ID__c": record["External_ID__c"]}
            for name, record in ports.records.items()
            if name.startswith("Subscription_Line__c:") and record["Quantity__c"] != 0
        ]
    }
    return ports


def play(ports: FakePorts, *, later: int = 0, extra: bool = False, **changes: Any) -> Finished:
    """Run an update that came `later` seconds later, with an `extra` item or without."""
    event = copy.deepcopy(SAMPLES["subscription_updated"].event)
    event["created"] += later
    event["id"] += str(later)
    subscription = event["data"]["object"]
    subscription |= changes
    if extra:
        subscription["items"]["data"].append({**subscription["items"]["data"][0], "id": "si_Extra"})
    item: Item = an_item(event)
    item.event = replace(item.event, created=event["created"])
    (finished,) = batch.run(PLAN, [item], ports, Policy())
    return finished


def test_the_line_of_an_item_that_was_taken_out_stays_with_nothing(ports: FakePorts) -> None:
    play(ports, extra=True)
    assert (ports.records[EXTRA]["Quantity__c"], ports.records[CONTRACT]["MRR__c"]) == (5, Decimal("490.00"))

    finished = play(ports, later=60)

    assert finished.fate == "applied"
    assert ports.records[EXTRA]["Quantity__c"] == 0
    assert ports.records[EXTRA]["Price_ID__c"] == "price_SampleAnalytical01"
    assert ports.records[LINE]["Quantity__c"] == 5
    assert ports.records[CONTRACT]["MRR__c"] == Decimal("245.00")
    ended = ports.records[EXTRA]["Period_End__c"]
    play(ports, later=120)
    assert ports.records[EXTRA]["Period_End__c"] == ended


def many(ports: FakePorts, count: int) -> dict[str, Any]:
    """Let the subscription have so many items, and return how it shows them: the newest ten."""
    (first,) = SAMPLES["subscription_updated"].event["data"]["object"]["items"]["data"]
    items = [{**first, "id": f"si_{n}", "subscription": "sub_SampleAda0001"} for n in range(count, 0, -1)]
    ports.stripe = {one["id"]: one for one in items}
    return {"object": "list", "data": items[:10], "has_more": count > 10, "url": "/v1/subscription_items"}


def open_lines(ports: FakePorts) -> set[str]:
    lines = {name: one for name, one in ports.records.items() if name.startswith("Subscription_Line__c:")}
    return {name.partition(":")[2] for name, one in lines.items() if one["Quantity__c"] != 0}


def test_of_more_items_than_the_event_shows_all_are_read(ports: FakePorts) -> None:
    play(ports, items=many(ports, 13))
    assert open_lines(ports) == {f"si_{number}" for number in range(1, 14)}
    assert ports.records[CONTRACT]["MRR__c"] == 13 * Decimal("245.00")

    shown = many(ports, 13)
    del ports.stripe["si_2"]
    play(ports, later=60, items=shown)

    assert open_lines(ports) == {f"si_{number}" for number in range(1, 14) if number != 2}
    assert ports.records[CONTRACT]["MRR__c"] == 12 * Decimal("245.00")


def test_items_are_read_only_where_there_are_more(ports: FakePorts) -> None:
    play(ports, items=many(ports, 10))

    assert len(open_lines(ports)) == 10
    assert "list" not in {action for action, _ in ports.asked}


def test_items_that_cannot_be_read_close_no_line(ports: FakePorts) -> None:
    play(ports, items=many(ports, 13))

    ports.refuses["subscription_item"] = Transient("Out of order")
    shown = many(ports, 13)
    assert play(ports, later=60, items=shown).fate != "applied"
    del ports.refuses["subscription_item"]
    ports.stripe.clear()
    play(ports, later=120, items=shown)

    assert len(open_lines(ports)) == 13


def test_an_older_event_brings_no_line_back(ports: FakePorts) -> None:
    play(ports, later=60)

    play(ports, extra=True)

    assert EXTRA not in ports.records
    play(ports, later=120, extra=True)
    play(ports, later=180)
    play(ports, later=90, extra=True)
    assert ports.records[EXTRA]["Quantity__c"] == 0


@pytest.mark.parametrize(
    ("status", "mrr"),
    [("past_due", Decimal("245.00")), *((one, 0) for one in ("trialing", "paused", "canceled", "unpaid"))],
)
def test_only_what_is_running_brings_something(ports: FakePorts, status: str, mrr: Any) -> None:
    play(ports, status=status)

    assert ports.records[CONTRACT]["MRR__c"] == mrr


def test_discounts_are_read_along(ports: FakePorts) -> None:
    half = {"source": {"coupon": {"duration": "forever", "percent_off": 50}}}
    ports.stripe["sub_SampleAda0001"] = {"object": "subscription", "discounts": [half]}

    play(ports, discounts=["di_1"])
    assert ports.records[CONTRACT]["MRR__c"] == Decimal("122.50")

    del ports.stripe["sub_SampleAda0001"]
    play(ports, later=60, discounts=["di_1"])
    assert ports.records[CONTRACT]["MRR__c"] is None


def test_a_line_knows_its_product_by_price_or_by_product(ports: FakePorts) -> None:
    ports.hold("Product2", "01t000000000001AAA", External_ID__c="prod_SampleAnalytical01")
    play(ports)
    assert ports.records[LINE]["Product__c"] == "01t000000000001AAA"

    entry = {"Stripe_Price_ID__c": "price_SampleAnalytical01", "Product2Id": "01t000000000002AAA"}
    ports.hold("PricebookEntry", "01u000000000001AAA", **entry)
    play(ports, later=60)
    assert ports.records[LINE]["Product__c"] == "01t000000000002AAA"


def test_the_contract_is_that_of_the_order(ports: FakePorts) -> None:
    order = "801000000000001AAA"
    ports.hold("Order", order, ContractId="800000000000001AAA")

    play(ports, metadata={"salesforce_order_id": order})

    assert ports.records[CONTRACT]["Contract__c"] == "800000000000001AAA"
    assert ports.records[f"Order:{order}"]["Subscription_Status__c"] == "active"
