"""This module tells how a customer whom nobody has linked is recognised among the accounts of an org."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from flows import directories, publishing, reviews
from flows.matching.answers import APART
from flows.models import Directory, Event, KnownRecord, Review
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
