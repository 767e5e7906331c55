"""This module tells how Stripe's customers find their accounts and contacts in Salesforce."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from connectors import gateway
from flows import publishing, reviews
from flows.models import Event, Review, Run
from tests.journeys.bridge import Bridge


@pytest.fixture
def customers(bridge: Bridge) -> Bridge:
    """Return the bridge with the customers flow live as well."""
    now = timezone.now()
    integration = bridge.pair.integration
    version = publishing.install_recipe(slug="customers", integration=integration, actor="ada", now=now)
    publishing.deploy(version=version, pair=bridge.pair, actor="ada", now=now)
    return bridge


def put(bridge: Bridge, object_: str, key: str, **fields: Any) -> str:
    """Put a record into the org and return its id."""
    request = {"object": object_, "external_id_field": "Integration_Key__c", "external_id": key}
    (answer,) = gateway.call_many(
        connection_id=bridge.pair.salesforce_id, action="upsert", requests=[{**request, "values": fields}]
    )
    assert isinstance(answer, dict), answer
    return str(answer["id"])


def stored(bridge: Bridge, object_: str) -> list[dict[str, Any]]:
    return list(bridge.salesforce.look("records", object=object_)["records"])


def tell(bridge: Bridge, customer: str, *types: str) -> None:
    """Deliver what Stripe says of a customer, and work."""
    events = reversed(bridge.ask("GET", "/v1/events", limit=100)["data"])
    bridge.deliver(
        *(one for one in events if one["data"]["object"]["id"] == customer and one["type"] in types)
    )
    bridge.drain()


def test_a_customer_whom_nobody_knows_gets_an_account_once(customers: Bridge) -> None:
    ada = customers.ask("POST", "/v1/customers", email="ada@acme.test", name="Ada")["id"]
    tell(customers, ada, "customer.created")
    customers.ask("POST", f"/v1/customers/{ada}", name="Ada Lovelace")
    tell(customers, ada, "customer.created", "customer.updated")

    (record,) = stored(customers, "Stripe_Customer__c")
    (account,) = stored(customers, "Account")
    assert (record["External_ID__c"], record["Account__c"]) == (ada, account["Id"])
    assert (record["Name"], account["Name"]) == ("Ada Lovelace", "Ada")


def test_an_exact_e_mail_finds_the_contact_and_its_account(customers: Bridge) -> None:
    account = put(customers, "Account", "acme", Name="Acme")
    contact = put(customers, "Contact", "ada", LastName="Lovelace", Email="ada@acme.test", AccountId=account)

    ada = customers.ask("POST", "/v1/customers", email="Ada@Acme.test")["id"]
    tell(customers, ada, "customer.created")

    (record,) = stored(customers, "Stripe_Customer__c")
    assert (record["Account__c"], record["Contact__c"]) == (account, contact)
    assert len(stored(customers, "Account")) == 1


def test_where_several_contacts_fit_a_person_chooses_and_the_run_goes_on(customers: Bridge) -> None:
    account = put(customers, "Account", "acme", Name="Acme")
    for key in ("ada", "ida"):
        put(customers, "Contact", key, LastName=key, Email="office@acme.test", AccountId=account)
    ada = customers.ask("POST", "/v1/customers", email="office@acme.test")["id"]
    tell(customers, ada, "customer.created")
    assert stored(customers, "Stripe_Customer__c") == []
    assert Event.objects.get().fate == "waiting"

    review = Review.objects.open().get()
    ida = next(option["value"] for option in review.options if "ida" in option["label"])
    reviews.answer(review=review, value=ida, actor="otto", now=timezone.now())
    customers.drain()

    (record,) = stored(customers, "Stripe_Customer__c")
    assert record["Contact__c"] == ida
    assert Event.objects.get().fate == "applied"


def test_a_newer_event_asks_instead_of_the_older_one(customers: Bridge) -> None:
    for key in ("ada", "ida"):
        put(customers, "Contact", key, LastName=key, Email="office@acme.test")
    ada = customers.ask("POST", "/v1/customers", email="office@acme.test")["id"]
    tell(customers, ada, "customer.created")
    customers.ask("POST", f"/v1/customers/{ada}", name="Ada")
    tell(customers, ada, "customer.updated")

    assert Review.objects.open().count() == 1
    assert sorted(Run.objects.values_list("fate", flat=True)) == ["superseded", "waiting"]


def test_a_charge_that_comes_before_its_customer_brings_it_along(customers: Bridge) -> None:
    ada = customers.ask("POST", "/v1/customers", email="ada@acme.test", name="Ada")["id"]
    intent = customers.pay(customer=ada)
    customers.deliver(*customers.events(intent, "charge.succeeded"))
    customers.drain()

    (record,) = stored(customers, "Stripe_Customer__c")
    payment = customers.payments()[str(intent["id"])]
    assert (record["External_ID__c"], payment["Stripe_Customer__c"]) == (ada, record["Id"])
    assert customers.fates() == {"applied": 1}


def test_a_deleted_customer_is_marked_and_stays_linked(customers: Bridge) -> None:
    ada = customers.ask("POST", "/v1/customers", email="ada@acme.test", name="Ada")["id"]
    tell(customers, ada, "customer.created")
    customers.ask("DELETE", f"/v1/customers/{ada}")
    tell(customers, ada, "customer.deleted")

    (record,) = stored(customers, "Stripe_Customer__c")
    assert record["Deleted__c"] is True
    assert record["Account__c"]
