"""This module tells how customers and their accounts stay alike by the templates that ship."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.utils import timezone

from flows import publishing, reviews
from flows.models import Attempt, Event, Link, Review, Run
from tests.journeys.bridge import Bridge, until
from tests.journeys.office import TOPICS, Office, office

__all__ = ["office"]

RECIPES = ("customers", "customer_accounts", "accounts")


@dataclass
class BothSides:
    """The bridge with the templates of both directions, and people who change either side."""

    office: Office
    told: set[str] = field(default_factory=set)

    @property
    def bridge(self) -> Bridge:
        return self.office.bridge

    def in_stripe(self, customer: str, **values: str) -> None:
        self.bridge.ask("POST", f"/v1/customers/{customer}", **values)

    def in_salesforce(self, account: str, **values: str) -> None:
        self.office.change("Account", id=account, values=values)

    def come_to_rest(self) -> None:
        """Hear the org, hand over Stripe's webhooks, and work, until nothing comes any more."""
        before = -1
        while (counted := Event.objects.count() + Attempt.objects.count()) != before:
            before = counted
            told = self.bridge.salesforce.look("pubsub")["events"]
            number = sum(told.get(topic, 0) for topic in TOPICS)
            until(lambda: self.office.events().count() >= number, what="the org is heard")  # noqa: B023
            self._hand_over()
            self.bridge.drain()

    def _hand_over(self) -> None:
        """Deliver what Stripe has told since the last time."""
        events = self.bridge.ask("GET", "/v1/events", limit=100)["data"]
        new = [one for one in reversed(events) if one["id"] not in self.told]
        self.bridge.deliver(*(one for one in new if one["type"].startswith("customer.")))
        self.told |= {one["id"] for one in new}

    def records(self, object_: str) -> list[dict[str, Any]]:
        return list(self.bridge.salesforce.look("records", object=object_)["records"])

    def stand(self, customer: str) -> tuple[Any, ...]:
        """Return name and phone of the customer, and of the only account."""
        (account,) = self.records("Account")
        found = self.bridge.ask("GET", f"/v1/customers/{customer}")
        return found["name"], found["phone"], account["Name"], account.get("Phone")

    def writes(self) -> tuple[int, int]:
        """Return how often the product and people have written to each side."""
        paths = "/services/data/.*(sobjects|composite)"
        salesforce = [self.bridge.salesforce.calls(paths, method) for method in ("PATCH", "POST")]
        return self.bridge.stripe.calls("/v1/customers", "POST"), sum(salesforce)


@pytest.fixture
def sides(office: Office) -> BothSides:
    now, pair = timezone.now(), office.bridge.pair
    for slug in RECIPES:
        version = publishing.install_recipe(slug=slug, integration=pair.integration, actor="ada", now=now)
        publishing.deploy(version=version, pair=pair, actor="ada", now=now)
    return BothSides(office)


def test_a_customer_and_its_account_stay_alike_whoever_changes_which(sides: BothSides) -> None:
    customer = sides.bridge.ask("POST", "/v1/customers", name="Acme", phone="1")["id"]
    sides.come_to_rest()
    (account,) = sides.records("Account")
    assert sides.stand(customer) == ("Acme", "1", "Acme", "1")

    sides.in_stripe(customer, name="Acme AG")
    sides.come_to_rest()
    sides.in_salesforce(account["Id"], Phone="2")
    sides.come_to_rest()
    assert sides.stand(customer) == ("Acme AG", "2", "Acme AG", "2")

    # Different fields at once, and a number that is taken away.
    sides.in_stripe(customer, name="Acme SE")
    sides.in_salesforce(account["Id"], Phone="")
    sides.come_to_rest()
    name, phone, *org = sides.stand(customer)
    assert (name, phone or None, *org) == ("Acme SE", None, "Acme SE", None)
    assert Event.objects.filter(fate="echo").exists()

    sides.in_stripe(customer, name="By Stripe")
    sides.in_salesforce(account["Id"], Name="By Salesforce")
    sides.come_to_rest()
    (review,) = Review.objects.open()
    reviews.answer(review=review, value="salesforce", actor="otto", now=timezone.now())
    sides.come_to_rest()

    name, _, named, _ = sides.stand(customer)
    assert (name, named) == ("By Salesforce", "By Salesforce")
    assert Link.objects.get(salesforce_object="Account").state == "agreed"
    assert not Run.objects.exclude(state="done").exists()

    # What tells nothing new is heard and writes nothing.
    written = sides.writes()
    sides.in_salesforce(account["Id"], Description="Signed")
    sides.in_salesforce(account["Id"], Name="By Salesforce")
    sides.come_to_rest()
    assert sides.writes() == written
    assert Review.objects.count() == 1


def test_an_account_with_several_customers_and_one_with_none_change_nothing(sides: BothSides) -> None:
    account = sides.office.change("Account", "create", values={"Name": "Acme"})
    sides.come_to_rest()
    customers = [sides.office.customer(account, name=name) for name in ("Acme", "Acme Shop")]
    sides.come_to_rest()

    sides.in_salesforce(account, Name="Acme AG")
    sides.in_stripe(customers[1], name="Acme Store")
    sides.come_to_rest()

    names = [sides.bridge.ask("GET", f"/v1/customers/{one}")["name"] for one in customers]
    assert names == ["Acme", "Acme Store"]
    assert [one["Name"] for one in sides.records("Account")] == ["Acme AG"]
    reasons = set(Run.objects.values_list("reason", flat=True))
    assert reasons >= {"the account has several customers", "the account has no customer"}
    assert not Review.objects.exists()
