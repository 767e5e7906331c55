"""This module tells how a won opportunity becomes a subscription, and how both stay true to each other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.utils import timezone

from flows import publishing
from flows.models import Attempt, DeadLetter, Effect, Event, Review, Run
from tests.journeys.bridge import Bridge, until
from tests.journeys.office import TOPICS, Office, office

__all__ = ["office"]

RECIPES = ("closed_won", "customers", "subscriptions")


@dataclass
class Sales:
    """The bridge with the templates of the subscription use case, and a plan that can be sold."""

    office: Office
    price: str
    book: str
    entry: str
    told: set[str] = field(default_factory=set)

    @property
    def bridge(self) -> Bridge:
        return self.office.bridge

    def account(self, name: str) -> str:
        """Make an account with somebody to bill."""
        account = self.office.change("Account", "create", values={"Name": name})
        values = {"LastName": name, "AccountId": account, "Email": f"{name.lower()}@example.com"}
        self.office.change("Contact", "create", values=values)
        return account

    def deal(self, account: str, *, quantity: int = 2) -> str:
        """Make an opportunity with a product, and return its id."""
        opportunity = self.office.change(
            "Opportunity", "create",
            values={
                "Name": "Deal", "AccountId": account, "StageName": "Prospecting", "CloseDate": "2031-01-31",
                "Pricebook2Id": self.book,
            },
        )  # fmt: skip
        product = {"OpportunityId": opportunity, "PricebookEntryId": self.entry, "Quantity": quantity}
        self.office.change("OpportunityLineItem", "create", values={**product, "UnitPrice": 49})
        return opportunity

    def stage(self, opportunity: str, name: str) -> None:
        self.office.change("Opportunity", id=opportunity, values={"StageName": name})

    def come_to_rest(self) -> None:
        """Hear the org, hand over Stripe's webhooks, and work, until nothing comes any more."""
        before = -1
        while (counted := self._counted()) != before:
            before = counted
            self._hear()
            self._hand_over()
            self.bridge.hasten()
            self.bridge.drain()
        assert not Run.objects.exclude(state="done").exists(), list(
            Run.objects.exclude(state="done").values_list("flow__slug", "state", "reason")
        )

    def _hear(self) -> None:
        """Wait until everything that the org has told is in the inbox."""
        told = self.bridge.salesforce.look("pubsub")["events"]
        number = sum(told.get(topic, 0) for topic in TOPICS)
        until(lambda: self.office.events().count() >= number, seconds=60, what="the org is heard")

    def _hand_over(self) -> None:
        """Deliver what Stripe has told since the last time."""
        events = self.listed("events")
        new = [one for one in reversed(events) if one["id"] not in self.told]
        self.bridge.deliver(*new)
        self.told |= {one["id"] for one in new}

    def _counted(self) -> int:
        return Event.objects.count() + Attempt.objects.count()

    def record(self, object_: str, id_: str) -> dict[str, Any]:
        (found,) = [one for one in self.records(object_) if one["Id"] == id_]
        return found

    def records(self, object_: str) -> list[dict[str, Any]]:
        return list(self.bridge.salesforce.look("records", object=object_)["records"])

    def listed(self, kind: str, **params: Any) -> list[dict[str, Any]]:
        return list(self.bridge.ask("GET", f"/v1/{kind}", limit=100, **params)["data"])


@pytest.fixture
def sales(office: Office) -> Sales:
    bridge = office.bridge
    price = bridge.ask(
        "POST", "/v1/prices", currency="eur", unit_amount=4900,
        **{"recurring[interval]": "month", "product_data[name]": "Plan"},
    )  # fmt: skip
    product = office.change("Product2", "create", values={"Name": "Plan", "IsActive": True})
    (book,) = bridge.salesforce.look("records", object="Pricebook2")["records"]
    values = {"Pricebook2Id": book["Id"], "Product2Id": product, "UnitPrice": 49, "IsActive": True}
    entry = office.change("PricebookEntry", "create", values={**values, "Stripe_Price_ID__c": price["id"]})
    bridge.salesforce.turn("stages", name="Gewonnen", won=True)
    now = timezone.now()
    for slug in RECIPES:
        version = publishing.install_recipe(
            slug=slug, integration=bridge.pair.integration, actor="ada", now=now
        )
        publishing.deploy(version=version, pair=bridge.pair, actor="ada", now=now)
    return Sales(office, price["id"], book["Id"], entry)


def test_a_won_opportunity_becomes_one_subscription_that_both_sides_keep_true(sales: Sales) -> None:
    office, bridge = sales.office, sales.bridge
    account = sales.account("Acme")
    deal = sales.deal(account)

    for stage in ("Gewonnen", "Prospecting", "Gewonnen"):
        sales.stage(deal, stage)
    sales.come_to_rest()

    (customer,) = sales.listed("customers")
    (subscription,) = sales.listed("subscriptions", status="all")
    (item,) = subscription["items"]["data"]
    assert (customer["name"], customer["email"]) == ("Acme", "acme@example.com")
    assert (subscription["customer"], item["price"]["id"], item["quantity"]) == (
        customer["id"], sales.price, 2,
    )  # fmt: skip
    (known,) = sales.records("Stripe_Customer__c")
    assert (known["External_ID__c"], known["Account__c"]) == (customer["id"], account)
    (contract,) = sales.records("Subscription_Contract__c")
    (line,) = sales.records("Subscription_Line__c")
    assert (contract["External_ID__c"], contract["Status__c"]) == (subscription["id"], "active")
    assert (contract["Account__c"], contract["Opportunity__c"]) == (account, deal)
    assert (line["Quantity__c"], line["Unit_Amount__c"]) == (2, 49)
    assert sales.record("Opportunity", deal)["Stripe_Subscription_ID__c"] == subscription["id"]

    bridge.ask("POST", f"/v1/subscription_items/{item['id']}", quantity=5)
    sales.come_to_rest()
    (line,) = sales.records("Subscription_Line__c")
    assert line["Quantity__c"] == 5

    bridge.ask("DELETE", f"/v1/subscriptions/{subscription['id']}")
    sales.come_to_rest()
    (contract,) = sales.records("Subscription_Contract__c")
    assert contract["Status__c"] == "canceled"
    assert contract["Canceled_At__c"]

    writes = bridge.stripe.calls("/v1/", "POST"), bridge.salesforce.calls("/services/data", "PATCH")
    office.change("Opportunity", id=deal, values={"Description": "Signed"})
    sales.come_to_rest()
    assert (bridge.stripe.calls("/v1/", "POST"), bridge.salesforce.calls("/services/data", "PATCH")) == writes
    assert len(sales.listed("subscriptions", status="all")) == 1
    assert not DeadLetter.objects.exists()


# What the use case calls, each with how a call fails: before it was done, or after with the answer lost.
CALLS = [
    (side, path, method, kind)
    for side, path, method in (
        ("salesforce", "/services/data/v[0-9.]+/query", "GET"),
        ("stripe", "/v1/customers$", "GET"),
        ("stripe", "/v1/customers$", "POST"),
        ("stripe", "/v1/subscriptions$", "POST"),
        ("salesforce", "/sobjects/Stripe_Customer__c", "PATCH"),
        ("salesforce", "/sobjects/Subscription_Contract__c", "PATCH"),
        ("salesforce", "/sobjects/Subscription_Line__c", "PATCH"),
        ("salesforce", "/sobjects/Opportunity", "PATCH"),
    )
    for kind in ("before", "after")
]


def test_whichever_call_fails_there_is_one_customer_one_subscription_and_one_contract(sales: Sales) -> None:
    bridge = sales.bridge
    accounts = {sales.account(f"Acme{number}"): sides for number, sides in enumerate(CALLS)}

    for account, (side, path, method, kind) in accounts.items():
        service = bridge.stripe if side == "stripe" else bridge.salesforce
        params = {"status": 503} if kind == "before" else {}
        fault = service.break_calls(kind, path, match_method=method, times=1, params=params)
        sales.stage(sales.deal(account), "Gewonnen")
        sales.come_to_rest()
        assert service.fired(fault) == 1, (path, method, kind)

    customers = [one["metadata"]["salesforce_account_id"] for one in sales.listed("customers")]
    assert Counter(customers) == Counter([*accounts])
    sold = [one["metadata"]["salesforce_account_id"] for one in sales.listed("subscriptions", status="all")]
    assert Counter(sold) == Counter([*accounts])
    assert Counter(one["Account__c"] for one in sales.records("Subscription_Contract__c")) == Counter(sold)
    assert Counter(one["Account__c"] for one in sales.records("Stripe_Customer__c")) == Counter(sold)
    assert all(one["Stripe_Subscription_ID__c"] for one in sales.records("Opportunity"))
    # Where a webhook told of the customer before the call was tried again, nobody had to ask for its answer.
    assert set(Effect.objects.values_list("state", flat=True)) <= {"done", "sent"}
    assert not DeadLetter.objects.exists()
    assert not Review.objects.exists()
