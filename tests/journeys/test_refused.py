"""This module tells what becomes of accounts that a duplicate rule of the org holds back."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from django.utils import timezone

from flows import publishing, reviews
from flows.models import Event, Review
from flows.models.runs import AlreadyHandled
from flows.steps.refused import LEAVE_OUT, SAVE
from integrator.accounts.models import AuditEntry
from tests.builders import a_flow
from tests.journeys.bridge import Bridge
from tests.journeys.test_customers import customers, put, stored, tell

__all__ = ["customers"]


def a_refused_customer(bridge: Bridge, action: str = "alert") -> tuple[str, str]:
    """Return a customer whose account is held back, and the account that it looks like."""
    account = put(bridge, "Account", "ada", Name="Ada")
    bridge.salesforce.turn("duplicate-rules", object="Account", fields=["Name"], action=action)
    return another_customer(bridge), account


def another_customer(bridge: Bridge) -> str:
    customer = str(bridge.ask("POST", "/v1/customers", name="Ada")["id"])
    tell(bridge, customer, "customer.created")
    return customer


def answer(bridge: Bridge, value: str, review: Review | None = None) -> None:
    review = review or Review.objects.open().get()
    reviews.answer(review=review, value=value, actor="otto", now=timezone.now())
    bridge.drain()


def account_of(bridge: Bridge, customer: str) -> Any:
    (record,) = (one for one in stored(bridge, "Stripe_Customer__c") if one["External_ID__c"] == customer)
    return record["Account__c"]


def test_the_account_that_a_person_chooses_is_taken_and_nobody_is_asked_again(customers: Bridge) -> None:
    customer, account = a_refused_customer(customers)
    review = Review.objects.open().get()
    (shown,) = reviews.evidence_of(review)["candidates"]
    assert (review.kind, shown["id"], shown["values"]["Name"]) == ("duplicate", account, "Ada")
    assert Event.objects.get().fate == "waiting"

    answer(customers, account)

    assert account_of(customers, customer) == account
    assert len(stored(customers, "Account")) == 1

    customers.ask("POST", f"/v1/customers/{customer}", description="Changed")
    tell(customers, customer, "customer.updated")
    assert not Review.objects.open().exists()


def test_it_is_saved_nonetheless_for_this_run_alone(customers: Bridge) -> None:
    customer, account = a_refused_customer(customers)

    answer(customers, SAVE)

    assert account_of(customers, customer) not in (None, account)
    assert len(stored(customers, "Account")) == 2
    assert AuditEntry.objects.get(action="review.answered").details["answer"] == SAVE
    another_customer(customers)
    assert Review.objects.open().count() == 1


def test_what_a_rule_blocks_can_only_be_settled_chosen_or_left_out(customers: Bridge) -> None:
    customer, _ = a_refused_customer(customers, "block")
    review = Review.objects.open().get()
    with pytest.raises(reviews.NotAnOption):
        reviews.answer(review=review, value=SAVE, actor="otto", now=timezone.now())

    requests.delete(f"{customers.salesforce.url}/_sandbox/duplicate-rules", timeout=60)
    answer(customers, "again", review)

    assert account_of(customers, customer)
    assert len(stored(customers, "Account")) == 2


def test_what_is_left_out_is_not_made_and_the_rest_is_saved(customers: Bridge) -> None:
    customer, _ = a_refused_customer(customers)

    answer(customers, LEAVE_OUT)

    assert account_of(customers, customer) is None
    assert len(stored(customers, "Account")) == 1


def test_of_two_people_the_first_one_counts_and_a_run_that_is_gone_takes_no_answer(customers: Bridge) -> None:
    customer, account = a_refused_customer(customers)
    review = Review.objects.open().get()
    answer(customers, account, review)
    with pytest.raises(AlreadyHandled):
        answer(customers, SAVE, review)
    assert account_of(customers, customer) == account

    another_customer(customers)
    other = Review.objects.open().get()
    reviews.discard(review=other, reason="A mistake", actor="ada", now=timezone.now())
    with pytest.raises(AlreadyHandled):
        answer(customers, SAVE, other)
    assert len(stored(customers, "Account")) == 1


def test_an_account_that_was_deleted_meanwhile_is_not_chosen_and_a_new_one_is_made(customers: Bridge) -> None:
    customer, account = a_refused_customer(customers)
    customers.salesforce.turn("changes", object="Account", act="delete", id=account)

    answer(customers, account)

    assert account_of(customers, customer) not in (None, account)


BY_ADDRESS: dict[str, Any] = {
    "format": 1,
    "name": "Contacts by address",
    "trigger": {"kind": "stripe.event", "types": ["customer.created", "customer.updated"]},
    "steps": [
        {
            "id": "describe",
            "kind": "map",
            "settings": {
                "target": "Contact",
                "lines": [
                    {"field": "Email", "from": ["customer.email"], "empty": "fail"},
                    {"field": "LastName", "from": ["customer.name"], "empty": "fail"},
                ],
            },
        },
        {
            "id": "save",
            "kind": "salesforce.upsert",
            "settings": {"object": "Contact", "external_id": "Email", "record": "describe"},
        },
    ],
}


@pytest.fixture
def by_address(bridge: Bridge) -> Bridge:
    """Return the bridge with a live flow that saves contacts by an address, which several may have."""
    now = timezone.now()
    flow = a_flow(bridge.pair.integration, slug="by_address")
    version = publishing.publish(flow=flow, document=BY_ADDRESS, actor="ada", now=now)
    publishing.deploy(version=version, pair=bridge.pair, actor="ada", now=now)
    return bridge


def two_contacts(bridge: Bridge, address: str) -> list[str]:
    return [put(bridge, "Contact", f"{one} {address}", LastName=one, Email=address) for one in ("ada", "ida")]


def test_of_contacts_that_have_one_address_a_person_says_which_and_nobody_is_asked_again(
    by_address: Bridge,
) -> None:
    ada, ida = two_contacts(by_address, "ada@acme.test")
    customer = str(by_address.ask("POST", "/v1/customers", name="Lovelace", email="ada@acme.test")["id"])
    tell(by_address, customer, "customer.created")
    shown = reviews.evidence_of(Review.objects.open().get())
    assert {one["id"] for one in shown["candidates"]} == {ada, ida}

    answer(by_address, ida)
    by_address.ask("POST", f"/v1/customers/{customer}", name="King")
    tell(by_address, customer, "customer.updated")

    assert not Review.objects.open().exists()
    assert {one["Id"]: one["LastName"] for one in stored(by_address, "Contact")} == {ada: "ada", ida: "King"}


def test_of_records_that_are_saved_together_each_gets_a_question_of_its_own(by_address: Bridge) -> None:
    addresses = {name: f"{name}@acme.test" for name in ("ann", "ben")}
    contacts = {name: two_contacts(by_address, address) for name, address in addresses.items()}
    for name, address in {**addresses, "eve": "eve@acme.test"}.items():
        by_address.ask("POST", "/v1/customers", name=name.title(), email=address)
    by_address.deliver(*by_address.ask("GET", "/v1/events", limit=100)["data"])
    by_address.drain()
    asked = list(Review.objects.open())
    assert [reviews.evidence_of(one)["code"] for one in asked] == ["DUPLICATE_EXTERNAL_ID"] * 2

    for review in asked:
        candidates = {one["id"] for one in reviews.evidence_of(review)["candidates"]}
        answer(by_address, next(both[1] for both in contacts.values() if set(both) == candidates), review)

    names = {one["Id"]: one["LastName"] for one in stored(by_address, "Contact")}
    assert [names[both[1]] for both in contacts.values()] == ["Ann", "Ben"]
    assert sorted(names.values()) == ["Ann", "Ben", "Eve", "ada", "ada"]
    assert by_address.fates() == {"applied": 3}


def test_of_payments_that_have_one_external_id_a_person_says_which_and_no_third_one_is_made(
    bridge: Bridge,
) -> None:
    bridge.salesforce.turn("fields", object="Payment__c", field="External_ID__c", unique=False)
    intent = bridge.pay()
    first, second = (
        str(bridge.salesforce.turn("changes", object="Payment__c", act="create", values=values)["id"])
        for values in [{"External_ID__c": intent["id"], "Name": name} for name in ("One", "Two")]
    )
    bridge.deliver(*bridge.events(intent, "charge.succeeded"))
    bridge.drain()
    review = Review.objects.open().get()
    shown = reviews.evidence_of(review)
    # What Salesforce answers to one record that is saved by its own address, with a list of addresses.
    assert (shown["code"], {one["id"] for one in shown["candidates"]}) == ("HTTP_300", {first, second})

    answer(bridge, second, review)

    amounts = {one["Id"]: one.get("Amount__c") for one in stored(bridge, "Payment__c")}
    assert set(amounts) == {first, second}
    assert amounts[first] is None
    assert amounts[second] is not None
    assert bridge.fates() == {"applied": 1}
