"""This module tells how products and their prices stay alike on both sides, whoever changes them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from connectors.models import Topic
from flows import publishing
from flows.models import Attempt, DeadLetter, Event, Notice, Review, Run
from tests.journeys.bridge import Bridge, until
from tests.journeys.office import TOPICS, Office, office

__all__ = ["office"]

RECIPES = ("products", "products_into_stripe", "prices", "price_book")
HEARD = (*TOPICS, "/data/Product2ChangeEvent", "/data/PricebookEntryChangeEvent")
UNSAID, EUROS = '{"chip": "constant", "value": "XXX"}', '{"chip": "constant", "value": "EUR"}'


@dataclass
class Shop:
    """The bridge with the templates of both directions, and people who change either side."""

    office: Office
    book: str
    told: set[str] = field(default_factory=set)

    @property
    def bridge(self) -> Bridge:
        return self.office.bridge

    def come_to_rest(self) -> None:
        """Hear the org, hand over Stripe's webhooks, and work, until nothing comes any more."""
        before = -1
        while (counted := Event.objects.count() + Attempt.objects.count()) != before:
            before = counted
            told = self.bridge.salesforce.look("pubsub")["events"]
            number = sum(told.get(topic, 0) for topic in HEARD)
            until(lambda: self.office.events().count() >= number, what="the org is heard")  # noqa: B023
            events = self.bridge.ask("GET", "/v1/events", limit=100)["data"]
            new = [one for one in reversed(events) if one["id"] not in self.told]
            self.bridge.deliver(*new)
            self.told |= {one["id"] for one in new}
            self.bridge.hasten()
            self.bridge.drain()
        unfinished = Run.objects.exclude(state="done")
        assert not unfinished.exists(), [*unfinished.values_list("flow__slug", "state", "reason")]
        assert not DeadLetter.objects.exists()
        assert not Review.objects.exists()

    def in_stripe(self, path: str, **values: Any) -> dict[str, Any]:
        found = self.bridge.ask("POST", f"/v1/{path}", **values)
        assert "error" not in found, found
        return found

    def product(self, name: str) -> dict[str, Any]:
        (found,) = [one for one in self._records("Product2") if one["Name"] == name]
        return found

    def entries(self, product: str) -> list[dict[str, Any]]:
        return [one for one in self._records("PricebookEntry") if one["Product2Id"] == product]

    def entry(self, product: str) -> tuple[Any, ...]:
        """Return price, amount and whether it is active of the only entry of a product."""
        (found,) = self.entries(product)
        return found.get("Stripe_Price_ID__c"), found["UnitPrice"], found["IsActive"]

    def prices(self, product: str) -> dict[int, bool]:
        """Return whether each price of a product in Stripe is active, by its amount in minor units."""
        found = self.bridge.ask("GET", "/v1/prices", product=product, limit=100)["data"]
        assert len({one["unit_amount"] for one in found}) == len(found)
        return {one["unit_amount"]: one["active"] for one in found}

    def writes(self) -> tuple[int, int]:
        """Return how often each side has been written to."""
        paths = "/services/data/.*(sobjects|composite)"
        salesforce = [self.bridge.salesforce.calls(paths, method) for method in ("PATCH", "POST")]
        return self.bridge.stripe.calls("/v1/pr", "POST"), sum(salesforce)

    def _records(self, object_: str) -> list[dict[str, Any]]:
        return list(self.bridge.salesforce.look("records", object=object_)["records"])


def open_shop(office: Office) -> Shop:
    """Install and deploy the templates; in an org with one currency euros are put in."""
    bridge, now = office.bridge, timezone.now()
    for slug in RECIPES:
        by = {"actor": "ada", "now": now}
        version = publishing.install_recipe(slug=slug, integration=bridge.pair.integration, **by)
        document = json.loads(json.dumps(version.document).replace(UNSAID, EUROS))
        version = publishing.publish(flow=version.flow, document=document, **by)
        publishing.deploy(version=version, pair=bridge.pair, **by)
    assert {*HEARD} == {*Topic.objects.values_list("name", flat=True)}

    def hears() -> bool:
        office.listener.turn()
        return {stream["topic"] for stream in bridge.salesforce.look("pubsub")["streams"]} >= {*HEARD}

    until(hears, what="hearing the org")
    (book,) = bridge.salesforce.look("records", object="Pricebook2")["records"]
    return Shop(office, book["Id"])


def test_products_and_prices_of_stripe_come_into_the_standard_price_book(office: Office) -> None:
    shop = open_shop(office)
    plan = shop.in_stripe("products", name="Plan", description="All of it")["id"]
    price = shop.in_stripe("prices", product=plan, currency="eur", unit_amount=1250)["id"]
    shop.in_stripe("prices", product=plan, currency="jpy", unit_amount=900)
    shop.come_to_rest()

    product = shop.product("Plan")
    assert (product["External_ID__c"], product["Description"]) == (plan, "All of it")
    assert shop.entry(product["Id"]) == (price, 12.5, True)

    dearer = shop.in_stripe("prices", product=plan, currency="eur", unit_amount=1500)["id"]
    shop.in_stripe(f"products/{plan}", default_price=dearer)
    shop.in_stripe(f"prices/{price}", active="false")
    shop.in_stripe(f"products/{plan}", name="Plan A")
    office.change("Product2", id=product["Id"], values={"Description": "Some of it"})
    shop.come_to_rest()
    assert shop.entry(product["Id"]) == (dearer, 15, True)
    assert shop.product("Plan A")["Description"] == "Some of it"
    assert shop.bridge.ask("GET", f"/v1/products/{plan}")["description"] == "Some of it"
    assert shop.prices(plan) == {1250: False, 900: True, 1500: True}

    free = shop.in_stripe("products", name="Gone soon")["id"]
    shop.come_to_rest()
    assert shop.product("Gone soon")["IsActive"]
    shop.bridge.ask("DELETE", f"/v1/products/{free}")
    shop.come_to_rest()
    assert not shop.product("Gone soon")["IsActive"]

    writes = shop.writes()
    office.change("Product2", id=product["Id"], values={"Family": "Plans"})
    shop.in_stripe(f"products/{plan}", **{"metadata[note]": "seen"})
    shop.come_to_rest()
    assert shop.writes() == (writes[0] + 1, writes[1])  # that of the note


def test_products_and_prices_of_salesforce_come_into_stripe_once(office: Office) -> None:
    shop = open_shop(office)
    faults = [
        shop.bridge.stripe.break_calls("after", f"/v1/{kind}$", match_method="POST", times=1, params={})
        for kind in ("products", "prices")
    ]
    seat = office.change("Product2", "create", values={"Name": "Seat", "IsActive": True})
    values = {"Pricebook2Id": shop.book, "Product2Id": seat, "UnitPrice": "9.90", "IsActive": True}
    entry = office.change("PricebookEntry", "create", values=values)
    shop.come_to_rest()

    assert [shop.bridge.stripe.fired(fault) for fault in faults] == [1, 1]
    (product,) = shop.bridge.ask("GET", "/v1/products")["data"]
    (price,) = shop.bridge.ask("GET", "/v1/prices")["data"]
    assert shop.product("Seat")["External_ID__c"] == product["id"]
    assert (product["name"], product["default_price"]) == ("Seat", price["id"])
    assert product["metadata"]["salesforce_product_id"] == seat
    assert (price["currency"], price["unit_amount"]) == ("eur", 990)
    assert shop.entry(seat) == (price["id"], 9.9, True)

    # So often that Stripe tells of the new price, and the entry gets it, before the old one is archived.
    before = {"match_method": "POST", "times": 2, "params": {"status": 503}}
    fault = shop.bridge.stripe.break_calls("before", f"/v1/prices/{price['id']}$", **before)
    office.change("PricebookEntry", id=entry, values={"UnitPrice": "11"})
    shop.come_to_rest()
    assert shop.bridge.stripe.fired(fault) == 2
    assert shop.prices(product["id"]) == {990: False, 1100: True}
    dearer = shop.bridge.ask("GET", f"/v1/products/{product['id']}")["default_price"]
    assert shop.entry(seat) == (dearer, 11, True)

    office.change("PricebookEntry", id=entry, values={"UnitPrice": "9.90"})
    shop.come_to_rest()
    assert shop.prices(product["id"]) == {990: True, 1100: False}
    assert shop.entry(seat) == (price["id"], 9.9, True)

    office.change("PricebookEntry", id=entry, values={"IsActive": False})  # which Stripe refuses of a default
    shop.come_to_rest()
    assert shop.prices(product["id"]) == {990: True, 1100: False}
    assert [*Notice.objects.values_list("title", flat=True)] == ["Stripe does not archive the price of Seat"]


def test_an_org_with_several_currencies_has_an_entry_for_each(office: Office) -> None:
    office.bridge.salesforce.turn("currencies", corporate="EUR", others=["JPY", "KWD"])
    shop = open_shop(office)
    plan = shop.in_stripe("products", name="Plan")["id"]
    for currency, amount in {"jpy": 900, "kwd": 4250, "eur": 1250}.items():
        shop.in_stripe("prices", product=plan, currency=currency, unit_amount=amount)
    shop.come_to_rest()

    product = shop.product("Plan")["Id"]
    entries = {one["CurrencyIsoCode"]: one for one in shop.entries(product)}
    assert {currency: one["UnitPrice"] for currency, one in entries.items()} == {
        "JPY": 900, "KWD": 4.25, "EUR": 12.5,
    }  # fmt: skip

    office.change("PricebookEntry", id=entries["KWD"]["Id"], values={"UnitPrice": "4.50"})
    office.change("PricebookEntry", id=entries["JPY"]["Id"], values={"IsActive": False})
    shop.come_to_rest()
    assert shop.prices(plan) == {900: False, 4250: False, 4500: True, 1250: True}
    after = {one["CurrencyIsoCode"]: one for one in shop.entries(product)}
    assert {currency: one["IsActive"] for currency, one in after.items()} == {
        "JPY": False, "KWD": True, "EUR": True,
    }  # fmt: skip
