"""This module is the office where subscriptions are sold, and what both sides have to agree on afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from flows import publishing
from flows.models import Attempt, Event, Run
from integrator.kernel.money import to_major
from tests.journeys.bridge import Bridge, until
from tests.journeys.office import TOPICS, Office, office

__all__ = ["Sales", "agree", "exact", "install", "items_of", "moment", "office", "sales"]

RECIPES = ("closed_won", "customers", "subscriptions")
MOST_ROUNDS = 30


@dataclass
class Sales:
    """The bridge with the templates of the subscription use case, and a plan that can be sold."""

    office: Office
    price: str
    book: str
    entry: str
    product: str
    told: set[str] = field(default_factory=set)
    topics: tuple[str, ...] = TOPICS
    disturb: Callable[[list[Any]], list[Any]] = list  # what the network makes of what Stripe tells

    @property
    def bridge(self) -> Bridge:
        return self.office.bridge

    def account(self, name: str) -> str:
        """Make an account with somebody to bill."""
        account = self.office.change("Account", "create", values={"Name": name})
        values = {"LastName": name, "AccountId": account, "Email": f"{name.lower()}@example.com"}
        self.office.change("Contact", "create", values=values)
        return account

    def deal(self, account: str, *, quantity: int = 2, entry: str = "") -> str:
        """Make an opportunity with a product, and return its id."""
        opportunity = self.office.change(
            "Opportunity", "create",
            values={
                "Name": "Deal", "AccountId": account, "StageName": "Prospecting", "CloseDate": "2031-01-31",
                "Pricebook2Id": self.book,
            },
        )  # fmt: skip
        product = {
            "OpportunityId": opportunity,
            "PricebookEntryId": entry or self.entry,
            "Quantity": quantity,
        }
        self.office.change("OpportunityLineItem", "create", values={**product, "UnitPrice": 49})
        return opportunity

    def stage(self, opportunity: str, name: str) -> None:
        self.office.change("Opportunity", id=opportunity, values={"StageName": name})

    def come_to_rest(self) -> None:
        """Hear the org, hand over Stripe's webhooks, and work, until nothing comes any more."""
        before = -1
        for _ in range(MOST_ROUNDS):
            if (counted := self._counted()) == before:
                break
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
        number = sum(told.get(topic, 0) for topic in self.topics)
        until(lambda: self.office.events().count() >= number, seconds=60, what="the org is heard")

    def _hand_over(self) -> None:
        """Deliver what Stripe has told since the last time."""
        events = self.listed("events")
        new = [one for one in reversed(events) if one["id"] not in self.told]
        self.bridge.deliver(*self.disturb(new))
        self.told |= {one["id"] for one in new}

    def _counted(self) -> int:
        return Event.objects.count() + Attempt.objects.count()

    def record(self, object_: str, id_: str) -> dict[str, Any]:
        (found,) = [one for one in self.records(object_) if one["Id"] == id_]
        return found

    def records(self, object_: str) -> list[dict[str, Any]]:
        return list(self.bridge.salesforce.look("records", object=object_)["records"])

    def plan(self, amount: int, interval: str, currency: str = "eur") -> tuple[str, str, str]:
        """Make a plan that can be sold; return its price, price book entry and product."""
        price = self.bridge.ask(
            "POST", "/v1/prices", currency=currency, unit_amount=amount,
            **{"recurring[interval]": interval, "product_data[name]": "Plan"},
        )  # fmt: skip
        product = self.office.change("Product2", "create", values={"Name": "Plan", "IsActive": True})
        values = {"Pricebook2Id": self.book, "Product2Id": product, "UnitPrice": 49, "IsActive": True}
        values["Stripe_Price_ID__c"] = price["id"]
        return price["id"], self.office.change("PricebookEntry", "create", values=values), product

    def listed(self, kind: str, **params: Any) -> list[dict[str, Any]]:
        return list(self.bridge.ask("GET", f"/v1/{kind}", limit=100, **params)["data"])


def install(sales: Sales, *slugs: str) -> None:
    """Install templates and let them go live."""
    pair, now = sales.bridge.pair, timezone.now()
    for slug in slugs:
        version = publishing.install_recipe(slug=slug, integration=pair.integration, actor="ada", now=now)
        publishing.deploy(version=version, pair=pair, actor="ada", now=now)


@pytest.fixture
def sales(office: Office) -> Sales:
    bridge = office.bridge
    (book,) = bridge.salesforce.look("records", object="Pricebook2")["records"]
    sales = Sales(office, price="", book=book["Id"], entry="", product="")
    sales.price, sales.entry, sales.product = sales.plan(4900, "month")
    bridge.salesforce.turn("stages", name="Gewonnen", won=True)
    install(sales, *RECIPES)
    return sales


def agree(sales: Sales) -> None:
    """Compare everything that Salesforce has of subscriptions with what Stripe says of them."""
    subscriptions = {one["id"]: one for one in sales.listed("subscriptions", status="all")}
    contracts = {one["External_ID__c"]: one for one in sales.records("Subscription_Contract__c")}
    lines = sales.records("Subscription_Line__c")
    assert contracts.keys() == subscriptions.keys()
    for own, contract in contracts.items():
        subscription = subscriptions[own]
        items = items_of(sales, subscription)
        assert contract["Status__c"] == subscription["status"]
        assert contract["Cancel_At_Period_End__c"] is subscription["cancel_at_period_end"]
        assert moment(contract["Canceled_At__c"]) == subscription["canceled_at"]
        assert moment(contract["Current_Period_End__c"]) == items[0]["current_period_end"]
        assert contract["Latest_Invoice__c"] == subscription["latest_invoice"]
        assert contract["Currency__c"] == subscription["currency"].upper()
        assert exact(contract["MRR__c"]) == monthly(subscription, items)
        mine = [line for line in lines if line["Subscription_Contract__c"] == contract["Id"]]
        open_ = {line["External_ID__c"]: line for line in mine if line["Quantity__c"] != 0}
        assert open_.keys() == {item["id"] for item in items}
        for item in items:
            line, price = open_[item["id"]], item["price"]
            assert (line["Quantity__c"], line["Price_ID__c"]) == (item["quantity"], price["id"])
            assert exact(line["Unit_Amount__c"]) == to_major(price["unit_amount"], price["currency"])
            assert line["Interval__c"] == price["recurring"]["interval"]
            assert moment(line["Period_End__c"]) == item["current_period_end"]
            assert line["Product__c"] in {one["Id"] for one in sales.records("Product2")}
        order = sales.record("Order", contract["Order__c"])
        assert order["OpportunityId"] == contract["Opportunity__c"]
        assert (order["Stripe_Subscription_ID__c"], order["Subscription_Status__c"]) == (
            own, subscription["status"],
        )  # fmt: skip
        opportunity = sales.record("Opportunity", contract["Opportunity__c"])
        assert opportunity["Stripe_Subscription_ID__c"] == own
    assert len(lines) == len({line["External_ID__c"] for line in lines})


def moment(text: str | None) -> int | None:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp()) if text else None


def exact(number: Any) -> Decimal:
    return Decimal(str(number))


def items_of(sales: Sales, subscription: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all items of a subscription, which itself shows ten of them."""
    return sales.listed("subscription_items", subscription=subscription["id"])


def monthly(subscription: dict[str, Any], items: list[dict[str, Any]]) -> Decimal:
    """Return what a subscription brings in a month, by way of hundredths of a year."""
    if subscription["status"] not in {"active", "past_due"}:
        return Decimal(0)
    a_year = {"week": 52, "month": 12, "year": 1}
    total = sum(
        item["price"]["unit_amount"] * item["quantity"] * a_year[item["price"]["recurring"]["interval"]]
        for item in items
    )
    return to_major(int((Decimal(total) / 12).quantize(Decimal(1))), subscription["currency"])
