"""The customers template joins each Stripe customer with the account and contact that belong to it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from flows.engine import batch, plan
from flows.engine.batch import Finished
from flows.engine.item import Item
from flows.engine.outcome import AskHuman
from flows.engine.policy import Policy
from flows.recipes import catalogue
from flows.steps import registry
from tests.fakes import FakePorts, an_item

RECIPE = catalogue.load("customers")
PLAN = plan.build(RECIPE.document, kinds=registry.load())
SAMPLES = catalogue.samples("customers")

ADA = "Stripe_Customer__c:cus_SampleAda0001"
ACCOUNT, CONTACT = "001000000000001AAA", "003000000000001AAA"
OTHER_CONTACT = "003000000000002AAA"


def play(sample: str, ports: FakePorts, *, later: int = 0, **changes: Any) -> Finished:
    """Run the sample event called `sample` and return how it ended."""
    item: Item = an_item(SAMPLES[sample].event)
    item.event = replace(item.event, created=(item.event.created or 0) + later)
    for field, value in changes.items():
        if field == "memory":
            item.memory = value
        else:
            item.context["customer"] = {**item.context["customer"], field: value}
    (finished,) = batch.run(PLAN, [item], ports, Policy())
    return finished


def accounts(ports: FakePorts) -> list[dict[str, Any]]:
    return [record for target, record in ports.records.items() if target.startswith("Account:")]


def test_there_is_a_sample_for_every_event_type_of_the_template() -> None:
    assert {sample.event["type"] for sample in SAMPLES.values()} == set(RECIPE.document.trigger.types)


def test_the_ids_in_the_metadata_are_the_surest_way() -> None:
    ports = FakePorts()
    ports.hold("Account", ACCOUNT, Name="Acme")
    ports.hold("Contact", CONTACT, Name="Ada", Email="other@acme.test", AccountId=None)

    finished = play("customer_updated", ports)

    assert finished.fate == "applied"
    assert ports.records[ADA] == {
        "External_ID__c": "cus_SampleAda0001",
        "Name": "Ada Sample",
        "Account__c": ACCOUNT,
        "Contact__c": CONTACT,
        "Email__c": "ada@acme.test",
        "Currency__c": "USD",
        "Balance__c": Decimal("-2.50"),
        "Delinquent__c": False,
        "Created_At__c": ports.records[ADA]["Created_At__c"],
        "Deleted__c": False,
        "Livemode__c": False,
    }
    assert len(accounts(ports)) == 1


def test_an_e_mail_that_one_contact_has_finds_it_and_its_account() -> None:
    ports = FakePorts()
    ports.hold("Account", ACCOUNT, Name="Acme")
    ports.hold("Contact", CONTACT, Name="Ada", Email="ADA@acme.test", AccountId=ACCOUNT)

    play("customer_created", ports)

    assert (ports.records[ADA]["Contact__c"], ports.records[ADA]["Account__c"]) == (CONTACT, ACCOUNT)
    assert len(accounts(ports)) == 1


def test_a_known_link_outlives_another_e_mail() -> None:
    ports = FakePorts()
    ports.hold("Account", ACCOUNT, Name="Acme")
    ports.hold("Contact", CONTACT, Name="Ada", Email="ada@acme.test", AccountId=ACCOUNT)
    play("customer_created", ports)

    play("customer_updated", ports, later=9, email="new@acme.test", metadata={})

    assert ports.records[ADA]["Email__c"] == "new@acme.test"
    assert (ports.records[ADA]["Contact__c"], ports.records[ADA]["Account__c"]) == (CONTACT, ACCOUNT)


def test_where_several_contacts_fit_a_person_is_asked_and_nothing_is_written() -> None:
    ports = FakePorts()
    ports.hold("Contact", CONTACT, Name="Ada", Email="ada@acme.test", AccountId=None)
    ports.hold("Contact", OTHER_CONTACT, Name="Ada L", Email="ada@acme.test", AccountId=None)

    finished = play("customer_created", ports)

    assert isinstance(finished.outcome, AskHuman)
    assert [option.value for option in finished.outcome.options] == [CONTACT, OTHER_CONTACT, "none"]
    assert ports.calls == []


@pytest.mark.parametrize(("answer", "contact"), [(OTHER_CONTACT, OTHER_CONTACT), ("none", None)])
def test_the_run_goes_on_with_what_the_person_said(answer: str, contact: str | None) -> None:
    ports = FakePorts()
    ports.hold("Account", ACCOUNT, Name="Acme")
    ports.hold("Contact", CONTACT, Name="Ada", Email="ada@acme.test", AccountId=ACCOUNT)
    ports.hold("Contact", OTHER_CONTACT, Name="Ada L", Email="ada@acme.test", AccountId=ACCOUNT)
    asked = play("customer_created", ports)
    memory = {asked.item.asks: {"answer": answer}}

    play("customer_created", ports, memory=memory)

    assert ports.records[ADA].get("Contact__c") == contact


def test_where_nothing_fits_an_account_is_created_once() -> None:
    ports = FakePorts()

    play("customer_created", ports)
    play("customer_created", ports)
    play("customer_updated", ports, metadata={})

    (account,) = accounts(ports)
    assert account["Name"] == "Ada Sample"
    assert ports.records[ADA]["Account__c"]


def test_a_deleted_customer_is_marked_and_creates_nothing() -> None:
    ports = FakePorts()

    finished = play("customer_deleted", ports)

    assert finished.fate == "applied"
    assert ports.records[ADA]["Deleted__c"] is True
    assert accounts(ports) == []


def test_a_customer_that_is_gone_when_it_is_read_is_marked_too() -> None:
    ports = FakePorts()

    play("customer_updated", ports, deleted=True, name=None, email=None)

    assert ports.records[ADA]["Deleted__c"] is True
    assert accounts(ports) == []
