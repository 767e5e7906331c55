"""This module tells how a ticked opportunity gets one payment link, and how it learns that it was paid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.utils import timezone

from flows import publishing
from flows.models import Attempt, DeadLetter, Event, Notice, Run
from tests.journeys.bridge import Bridge, until
from tests.journeys.office import TOPICS, Office, office

__all__ = ["office"]


@dataclass
class Desk:
    """The bridge with the template, in an org with several currencies, and a seller."""

    office: Office
    book: str
    told: set[str] = field(default_factory=set)

    @property
    def bridge(self) -> Bridge:
        return self.office.bridge

    def deal(self, currency: str, *lines: tuple[str, str, dict[str, Any]]) -> str:
        """Make an opportunity that sells lines (a price, a quantity and more), and return its id."""
        values = {"Name": f"Deal in {currency}", "StageName": "Prospecting", "CloseDate": "2031-01-31"}
        deal = self.office.change(
            "Opportunity", "create",
            values={**values, "Pricebook2Id": self.book, "CurrencyIsoCode": currency},
        )  # fmt: skip
        for number, (price, quantity, more) in enumerate(lines):
            name = f"Part {number} in {currency}"
            product = self.office.change("Product2", "create", values={"Name": name, "IsActive": True})
            entry = self.office.change(
                "PricebookEntry", "create",
                values={
                    "Pricebook2Id": self.book, "Product2Id": product, "UnitPrice": price, "IsActive": True,
                    "CurrencyIsoCode": currency,
                },
            )  # fmt: skip
            line = {
                "OpportunityId": deal,
                "PricebookEntryId": entry,
                "Quantity": quantity,
                "UnitPrice": price,
            }
            self.office.change("OpportunityLineItem", "create", values={**line, **more})
        return deal

    def tick(self, deal: str) -> None:
        self.office.change("Opportunity", id=deal, values={"Send_Payment_Link__c": True})

    def come_to_rest(self) -> None:
        """Hear the org, hand over Stripe's webhooks, and work, until nothing comes any more."""
        before = -1
        while (counted := Event.objects.count() + Attempt.objects.count()) != before:
            before = counted
            told = self.bridge.salesforce.look("pubsub")["events"]
            number = sum(told.get(topic, 0) for topic in TOPICS)
            until(lambda: self.office.events().count() >= number, what="the org is heard")  # noqa: B023
            events = self.bridge.ask("GET", "/v1/events", limit=100)["data"]
            new = [one for one in reversed(events) if one["id"] not in self.told]
            self.bridge.deliver(*new)
            self.told |= {one["id"] for one in new}
            self.bridge.hasten()
            self.bridge.drain()
        assert not Run.objects.exclude(state="done").exists(), [*Run.objects.values_list("state", "reason")]

    def opportunity(self, deal: str) -> dict[str, Any]:
        records = self.bridge.salesforce.look("records", object="Opportunity")["records"]
        return next(one for one in records if one["Id"] == deal)

    def links(self) -> list[dict[str, Any]]:
        return list(self.bridge.ask("GET", "/v1/payment_links", limit=100)["data"])

    def sold(self, link: str) -> list[tuple[int, int]]:
        """Return amount in minor units and quantity of each line of a link."""
        lines = self.bridge.ask("GET", f"/v1/payment_links/{link}/line_items")["data"]
        return [(one["price"]["unit_amount"], one["quantity"]) for one in lines]


def install(bridge: Bridge, *slugs: str) -> None:
    now = timezone.now()
    for slug in slugs:
        version = publishing.install_recipe(
            slug=slug, integration=bridge.pair.integration, actor="ada", now=now
        )
        publishing.deploy(version=version, pair=bridge.pair, actor="ada", now=now)


@pytest.fixture
def desk(office: Office) -> Desk:
    bridge = office.bridge
    (book,) = bridge.salesforce.look("records", object="Pricebook2")["records"]
    bridge.salesforce.turn("currencies", corporate="EUR", others=["JPY", "KWD", "XAU"])
    install(bridge, "payment_links")
    bridge.pair.deployments.filter(flow__slug="payments").update(enabled=True)
    return Desk(office, book["Id"])


def test_a_ticked_opportunity_is_paid_by_one_link(desk: Desk) -> None:
    bridge = desk.bridge
    deals = {
        "JPY": desk.deal("JPY", ("1500", "2", {}), ("200", "1", {})),
        "KWD": desk.deal("KWD", ("4.25", "3", {})),
        "EUR": desk.deal("EUR", ("9.99", "3", {"Discount": 10})),
    }
    fault = bridge.stripe.break_calls("after", "/v1/payment_links$", match_method="POST", times=1, params={})
    for deal in deals.values():
        desk.tick(deal)
    desk.come_to_rest()

    links = {one["currency"].upper(): one for one in desk.links()}
    assert bridge.stripe.fired(fault) == 1
    assert len(desk.links()) == len(deals)
    assert {
        currency: desk.sold(link["id"]) for currency, link in links.items()
    } == {"JPY": [(1500, 2), (200, 1)], "KWD": [(4250, 3)], "EUR": [(2697, 1)]}  # fmt: skip
    for currency, deal in deals.items():
        assert desk.opportunity(deal)["Stripe_Payment_Link__c"] == links[currency]["url"]
        assert links[currency]["metadata"]["salesforce_opportunity_id"] == deal

    desk.office.change("Opportunity", id=deals["JPY"], values={"Description": "Signed"})
    desk.come_to_rest()
    assert Run.objects.filter(flow__slug="payment_links", fate="applied").count() == len(deals)
    assert len(desk.links()) == len(deals)

    bridge.stripe.turn(f"payment_links/{links['KWD']['id']}/pay")
    desk.come_to_rest()
    assert desk.opportunity(deals["KWD"])["Payment_Status__c"] == "Completed"
    assert desk.opportunity(deals["JPY"]).get("Payment_Status__c") is None
    assert bridge.ask("GET", f"/v1/payment_links/{links['KWD']['id']}")["active"] is False
    assert not DeadLetter.objects.exists()


def test_what_cannot_be_paid_makes_no_link_and_says_why(desk: Desk) -> None:
    said = {
        desk.deal("EUR"): "has no products to pay",
        desk.deal("EUR", ("0", "1", {})): "whose amount is 0.00",
        desk.deal("EUR", ("10", "1.5", {})): "'1.50' is not a whole number",
        desk.deal("XAU", ("10", "1", {})): "'XAU'",
        desk.deal("JPY", ("10.5", "1", {})): "without rounding",
    }
    for deal in said:
        desk.tick(deal)
    desk.come_to_rest()

    told = [f"{one.title}: {one.text}" for one in Notice.objects.all()]
    # Each was made, got its amount and was ticked before anybody looked: one of these events did it for all.
    assert len(told) == len(said)
    assert Run.objects.exclude(fate="superseded").count() == len(said)
    for deal, why in said.items():
        assert any(deal in one and why in one for one in told), (why, told)
        assert desk.opportunity(deal).get("Stripe_Payment_Link__c") is None
    assert desk.links() == desk.bridge.ask("GET", "/v1/products")["data"] == []
    assert not DeadLetter.objects.exists()
