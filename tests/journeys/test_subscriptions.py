"""This module tells how a won opportunity becomes a subscription, and how both stay true to each other."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.utils import timezone

from flows import publishing
from flows.models import Attempt, DeadLetter, Effect, Event, Review, Run
from integrator.kernel.money import to_major
from tests.journeys.bridge import Bridge, Service, until
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
    product: str
    told: set[str] = field(default_factory=set)
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


@pytest.fixture
def sales(office: Office) -> Sales:
    bridge = office.bridge
    (book,) = bridge.salesforce.look("records", object="Pricebook2")["records"]
    sales = Sales(office, price="", book=book["Id"], entry="", product="")
    sales.price, sales.entry, sales.product = sales.plan(4900, "month")
    bridge.salesforce.turn("stages", name="Gewonnen", won=True)
    now = timezone.now()
    for slug in RECIPES:
        version = publishing.install_recipe(
            slug=slug, integration=bridge.pair.integration, actor="ada", now=now
        )
        publishing.deploy(version=version, pair=bridge.pair, actor="ada", now=now)
    return sales


def agree(sales: Sales) -> None:
    """Compare everything that Salesforce has of subscriptions with what Stripe says of them."""
    subscriptions = {one["id"]: one for one in sales.listed("subscriptions", status="all")}
    contracts = {one["External_ID__c"]: one for one in sales.records("Subscription_Contract__c")}
    lines = sales.records("Subscription_Line__c")
    assert contracts.keys() == subscriptions.keys()
    for own, contract in contracts.items():
        subscription = subscriptions[own]
        items = subscription["items"]["data"]
        assert contract["Status__c"] == subscription["status"]
        assert contract["Cancel_At_Period_End__c"] is subscription["cancel_at_period_end"]
        assert moment(contract["Canceled_At__c"]) == subscription["canceled_at"]
        assert moment(contract["Current_Period_End__c"]) == items[0]["current_period_end"]
        assert contract["Latest_Invoice__c"] == subscription["latest_invoice"]
        assert contract["Currency__c"] == subscription["currency"].upper()
        assert exact(contract["MRR__c"]) == monthly(subscription)
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


def monthly(subscription: dict[str, Any]) -> Decimal:
    """Return what a subscription brings in a month, by way of hundredths of a year."""
    if subscription["status"] not in {"active", "past_due"}:
        return Decimal(0)
    a_year = {"week": 52, "month": 12, "year": 1}
    total = sum(
        item["price"]["unit_amount"] * item["quantity"] * a_year[item["price"]["recurring"]["interval"]]
        for item in subscription["items"]["data"]
    )
    return to_major(int((Decimal(total) / 12).quantize(Decimal(1))), subscription["currency"])


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
    assert (contract["Account__c"], contract["Opportunity__c"]) == (account, deal)
    (line,) = sales.records("Subscription_Line__c")
    assert line["Product__c"] == sales.product
    (order,) = sales.records("Order")
    assert (order["AccountId"], order["OpportunityId"], order["Status"]) == (account, deal, "Draft")
    agree(sales)

    bridge.ask("DELETE", f"/v1/subscriptions/{subscription['id']}")
    sales.come_to_rest()
    (contract,) = sales.records("Subscription_Contract__c")
    assert (contract["Status__c"], contract["MRR__c"]) == ("canceled", 0)
    agree(sales)

    writes = bridge.stripe.calls("/v1/", "POST"), bridge.salesforce.calls("/services/data", "PATCH")
    office.change("Opportunity", id=deal, values={"Description": "Signed"})
    sales.come_to_rest()
    assert (bridge.stripe.calls("/v1/", "POST"), bridge.salesforce.calls("/services/data", "PATCH")) == writes
    assert len(sales.listed("subscriptions", status="all")) == len(sales.records("Order")) == 1
    assert not DeadLetter.objects.exists()


def in_a_bad_network(events: list[Any]) -> list[Any]:
    """Return what Stripe tells in the wrong order, each of it twice."""
    return [*reversed(events), *events]


def test_whatever_becomes_of_subscriptions_in_stripe_salesforce_says_the_same(sales: Sales) -> None:
    bridge, sales.disturb = sales.bridge, in_a_bad_network
    yearly, _, product = sales.plan(100_001, "year")
    _, yen, _ = sales.plan(1_000, "week", "jpy")
    _, dinars, _ = sales.plan(12_340, "year", "kwd")
    for name, entry in (("Acme", ""), ("Beta", yen), ("Gamma", dinars)):
        sales.stage(sales.deal(sales.account(name), entry=entry, quantity=5), "Gewonnen")
    sales.come_to_rest()
    agree(sales)
    mrr = {one["Currency__c"]: exact(one["MRR__c"]) for one in sales.records("Subscription_Contract__c")}
    assert mrr == {"EUR": 245, "JPY": 21667, "KWD": Decimal("5.142")}
    (one,) = [one for one in sales.listed("subscriptions") if one["currency"] == "eur"]
    place, (first,) = f"/v1/subscriptions/{one['id']}", one["items"]["data"]

    # An upgrade, and a downgrade that takes the first item out: told in one go, in a bad order.
    bridge.ask("POST", f"/v1/subscription_items/{first['id']}", quantity=7)
    bridge.ask("POST", "/v1/subscription_items", subscription=one["id"], price=yearly, quantity=3)
    bridge.ask("DELETE", f"/v1/subscription_items/{first['id']}")
    sales.come_to_rest()
    agree(sales)
    (gone,) = [
        line for line in sales.records("Subscription_Line__c") if line["External_ID__c"] == first["id"]
    ]
    assert (gone["Quantity__c"], gone["Price_ID__c"]) == (0, sales.price)
    assert moment(gone["Period_End__c"]) < first["current_period_end"]
    assert product in {line["Product__c"] for line in sales.records("Subscription_Line__c")}

    # A payment fails, and another one does not.
    invoice = one["latest_invoice"]
    bridge.ask("POST", f"/v1/invoices/{invoice}/pay", payment_method="pm_card_chargeCustomerFail")
    sales.come_to_rest()
    agree(sales)
    assert status_of(sales, one["id"]) == "past_due"
    bridge.ask("POST", f"/v1/invoices/{invoice}/pay", payment_method="pm_card_visa")
    sales.come_to_rest()
    agree(sales)
    assert status_of(sales, one["id"]) == "active"

    # Paused, resumed, and to be canceled later: told when all is over.
    bridge.ask("POST", f"{place}/pause")
    sales.come_to_rest()
    agree(sales)
    assert status_of(sales, one["id"]) == "paused"
    bridge.ask("POST", f"{place}/resume")
    bridge.ask("POST", place, cancel_at_period_end="true")
    sales.come_to_rest()
    agree(sales)
    bridge.ask("DELETE", place)
    sales.come_to_rest()
    agree(sales)
    assert status_of(sales, one["id"]) == "canceled"
    assert not DeadLetter.objects.exists()
    assert not Review.objects.exists()


def status_of(sales: Sales, subscription: str) -> str:
    contracts = {one["External_ID__c"]: one for one in sales.records("Subscription_Contract__c")}
    return str(contracts[subscription]["Status__c"])


# What the product calls in each service; not what these tests ask for themselves, nor who a key belongs to.
OUTWARD = {"stripe": "^/v1/(?!events|account$)", "salesforce": "^/services/data/"}
OWNED = {"Subscription_Contract__c": "Account__c", "Stripe_Customer__c": "Account__c", "Order": "AccountId"}
EVERY_CALL = "EVERY_CALL_FAILS" in os.environ  # by hand: each single call in turn, not one of each shape


def shape(call: dict[str, Any]) -> tuple[str, str]:
    """Return what tells kinds of calls apart: the method, and the address with the object that is read."""
    path = re.sub(r"/[a-z]+_[A-Za-z0-9]+$|/[A-Za-z0-9]{18}$|(?<=__c)/[^/]+$", "/…", call["path"])
    (query,) = parse_qs(call["query"]).get("q", [""])
    return call["method"], path + "".join(re.findall(r" FROM (\w+)", query))


def calls_of(service: Service, side: str, *, since: int = 0) -> list[dict[str, Any]]:
    return list(service.look("journal", path=OUTWARD[side], since=since, limit=100_000)["calls"])


def to_break(calls: Sequence[dict[str, Any]]) -> list[tuple[int, str]]:
    """
    Return which calls of an undisturbed deal are to fail in turn, by their number, and how.

    What is written fails before and after its effect; what is read, which has none, in one of both ways.
    """
    shapes = [shape(one) for one in calls]
    new = [number for number, one in enumerate(shapes) if EVERY_CALL or one not in shapes[:number]]
    return [
        (number + 1, kind)
        for place, number in enumerate(new)
        for kind in ("before", "after")
        if EVERY_CALL or shapes[number][0] != "GET" or kind == ("before", "after")[place % 2]
    ]


def test_whichever_call_fails_there_is_one_of_everything(sales: Sales) -> None:
    services = {"stripe": sales.bridge.stripe, "salesforce": sales.bridge.salesforce}
    last = {side: service.look("counts")["last_id"] for side, service in services.items()}
    accounts = [sales.account("Undisturbed")]
    sales.stage(sales.deal(accounts[0]), "Gewonnen")
    sales.come_to_rest()
    undisturbed = {side: calls_of(services[side], side, since=last[side]) for side in services}

    for side, service in services.items():
        for number, kind in to_break(undisturbed[side]):
            params = {"status": 503} if kind == "before" else {}
            account = sales.account(f"Acme-{side}-{number}-{kind}")
            opportunity = sales.deal(account)
            fault = service.break_calls(kind, OUTWARD[side], nth=number, times=1, params=params)
            sales.stage(opportunity, "Gewonnen")
            sales.come_to_rest()
            assert service.fired(fault) == 1, (side, number, kind)
            accounts.append(account)

    for side, service in services.items():
        failed = {shape(one) for one in calls_of(service, side) if one["fault"]}
        assert failed == {shape(one) for one in undisturbed[side]}
    customers = [one["metadata"]["salesforce_account_id"] for one in sales.listed("customers")]
    assert Counter(customers) == Counter(accounts)
    sold = [one["metadata"]["salesforce_account_id"] for one in sales.listed("subscriptions", status="all")]
    assert Counter(sold) == Counter(accounts)
    for object_, account in OWNED.items():
        assert Counter(one[account] for one in sales.records(object_)) == Counter(accounts)
    agree(sales)
    # Where a webhook or a list told of the object before its call was tried again, nobody had to ask for the
    # call's answer: its effect stays as it was.
    assert set(Effect.objects.values_list("state", flat=True)) <= {"done", "sent", "planned"}
    assert not DeadLetter.objects.exists()
    assert not Review.objects.exists()
