"""This module tells how a customer whom nobody has linked is recognised among the accounts of an org."""

from __future__ import annotations

import json
from datetime import timedelta
from importlib import resources
from typing import Any

import pytest
from django.utils import timezone

from flows import directories, publishing, reviews
from flows.matching.answers import APART
from flows.models import Directory, Event, KnownRecord, Review
from tests.builders import a_flow
from tests.journeys.bridge import Bridge
from tests.journeys.test_customers import put, stored, tell

HOEFER = {
    "Name": "Höfer GmbH", "Phone": "+49 731 5551234", "Website": "www.hoefer.example",
    "BillingStreet": "Münsterplatz 4", "BillingPostalCode": "89073", "BillingCity": "Ulm",
    "BillingCountry": "DE",
}  # fmt: skip
ADDRESS = {"line1": "Muensterplatz 4", "postal_code": "89073", "city": "Ulm", "country": "DE"}


@pytest.fixture
def recognising(bridge: Bridge) -> Bridge:
    """Return the bridge with the template that recognises customers."""
    now, integration = timezone.now(), bridge.pair.integration
    version = publishing.install_recipe(
        slug="recognised_customers", integration=integration, actor="ada", now=now
    )
    publishing.deploy(version=version, pair=bridge.pair, actor="ada", now=now)
    return bridge


def read(after: timedelta = timedelta()) -> None:
    directories.begin_due(now=timezone.now())
    directories.read_due(now=timezone.now() + after)


def a_customer(bridge: Bridge, **fields: Any) -> str:
    told = {"name": "Hoefer", "phone": "0731 5551234", "email": "info@hoefer.example", **fields}
    address = {f"address[{name}]": value for name, value in ADDRESS.items()}
    customer = bridge.ask("POST", "/v1/customers", **told, **address)["id"]
    tell(bridge, customer, "customer.created")
    return customer


def test_a_person_says_who_a_customer_is_and_nobody_is_asked_again(recognising: Bridge) -> None:
    account = put(recognising, "Account", "hoefer", **HOEFER)
    put(recognising, "Account", "other", Name="Beta AG")
    read()
    assert KnownRecord.objects.count() == Directory.objects.get(object="Account").read == 2

    customer = a_customer(recognising)
    assert Event.objects.get().fate == "waiting"
    review = Review.objects.open().get()
    assert review.kind == "duplicate"
    told = reviews.evidence_of(review)["candidates"][0]
    assert (told["id"], told["values"]["city"]) == (account, "Ulm")

    reviews.answer(review=review, value=account, actor="otto", now=timezone.now())
    recognising.drain()
    (record,) = stored(recognising, "Stripe_Customer__c")
    assert (record["External_ID__c"], record["Account__c"]) == (customer, account)

    recognising.ask("POST", f"/v1/customers/{customer}", description="Changed")
    tell(recognising, customer, "customer.updated")
    assert not Review.objects.open().exists()
    assert len(stored(recognising, "Account")) == 2


def test_another_customer_gets_an_account_of_its_own_that_is_known_from_then_on(recognising: Bridge) -> None:
    put(recognising, "Account", "hoefer", **HOEFER)
    read()
    customer = a_customer(recognising)

    reviews.answer(review=Review.objects.open().get(), value=APART, actor="otto", now=timezone.now())
    recognising.drain()
    read(timedelta(minutes=6))

    assert len(stored(recognising, "Account")) == KnownRecord.objects.filter(expected=False).count() == 2

    recognising.ask("POST", f"/v1/customers/{customer}", description="Changed")
    tell(recognising, customer, "customer.updated")
    assert not Review.objects.open().exists()


KEYS = [{"field": "AccountNumber", "from": ["customer.metadata.number"], "label": "customer number"}]


@pytest.fixture
def by_number(bridge: Bridge) -> Bridge:
    """Return the bridge with the same template, which knows accounts by a customer number as well."""
    now, integration = timezone.now(), bridge.pair.integration
    recipe = resources.files("flows.recipes") / "recognised_customers.json"
    document = json.loads(recipe.read_text(encoding="utf-8"))
    _, is_there = document["steps"][:2]
    recognise = is_there["exits"]["yes"][0]
    recognise["settings"]["keys"] = KEYS
    flow = a_flow(integration, slug="by_number")
    version = publishing.publish(flow=flow, document=document, actor="ada", now=now)
    publishing.deploy(version=version, pair=bridge.pair, actor="ada", now=now)
    return bridge


def account_of(bridge: Bridge, customer: str) -> Any:
    (record,) = (one for one in stored(bridge, "Stripe_Customer__c") if one["External_ID__c"] == customer)
    return record["Account__c"]


def test_the_same_customer_number_decides_before_any_likeness_and_without_asking(by_number: Bridge) -> None:
    put(by_number, "Account", "hoefer", **HOEFER)
    account = put(by_number, "Account", "other", Name="Beta AG", AccountNumber="K 17")
    read()

    customer = a_customer(by_number, **{"metadata[number]": "k17"})

    assert not Review.objects.exists()
    assert account_of(by_number, customer) == account


def test_numbers_that_contradict_each_other_or_that_several_have_are_for_a_person(by_number: Bridge) -> None:
    wrong = put(by_number, "Account", "hoefer", **HOEFER, AccountNumber="K18")
    right = put(by_number, "Account", "other", Name="Beta AG", AccountNumber="K17")
    read()

    told = {"metadata[number]": "K17", "metadata[salesforce_account_id]": wrong}
    customer = a_customer(by_number, **told)
    review = Review.objects.open().get()
    candidates = reviews.evidence_of(review)["candidates"]
    assert [(one["id"], one["values"]["AccountNumber"]) for one in candidates] == [
        (wrong, "K18"),
        (right, "K17"),
    ]
    reviews.answer(review=review, value=right, actor="otto", now=timezone.now())
    by_number.drain()
    assert account_of(by_number, customer) == right

    by_number.ask("POST", f"/v1/customers/{customer}", description="Changed")
    tell(by_number, customer, "customer.updated")
    assert not Review.objects.open().exists()

    put(by_number, "Account", "third", Name="Gamma AG", AccountNumber="K17")
    read(timedelta(minutes=6))
    a_customer(by_number, **{"metadata[number]": "K17"})
    assert Review.objects.open().count() == 1
