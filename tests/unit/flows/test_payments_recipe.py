"""The payments template turns each of its events into the whole record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from flows.engine import batch, plan
from flows.engine.policy import Policy
from flows.recipes import catalogue
from flows.steps import registry
from tests.fakes import NOON, FakePorts, a_reading, an_item

RECIPE = catalogue.load("payments")
PLAN = plan.build(RECIPE.document, kinds=registry.load())
SAMPLES = catalogue.samples("payments")

ADA = {
    "External_ID__c": "pi_3SampleAda0000000001",
    "Name": "pi_3SampleAda0000000001",
    "Charge_ID__c": "ch_3SampleAda0000000001",
    "Amount__c": Decimal("19.99"),
    "Currency__c": "USD",
    "Status__c": "Completed",
    "Failure_Code__c": None,
    "Failure_Message__c": None,
    "Order_ID__c": "ORD-1001",
    "Livemode__c": False,
}
ADAS_CHARGE = {
    "Refunded_Amount__c": Decimal("0.00"),
    "Paid_At__c": "2026-11-24T12:00:00Z",
    "Card_Brand__c": "visa",
    "Card_Last4__c": "4242",
}
BOB = {
    "External_ID__c": "pi_3SampleBob0000000002",
    "Name": "pi_3SampleBob0000000002",
    "Charge_ID__c": "ch_3SampleBob0000000002",
    "Amount__c": Decimal("19.99"),
    "Currency__c": "USD",
    "Status__c": "Failed",
    "Failure_Code__c": "card_declined",
    "Failure_Message__c": "Your card has insufficient funds.",
    "Card_Brand__c": "mastercard",
    "Card_Last4__c": "9995",
    "Order_ID__c": "ORD-1002",
    "Livemode__c": False,
}
DEE = {
    "External_ID__c": "pi_3SampleDee0000000004",
    "Name": "pi_3SampleDee0000000004",
    "Charge_ID__c": "ch_3SampleDee0000000004",
    "Amount__c": Decimal("5000"),
    "Currency__c": "JPY",
    "Failure_Code__c": None,
    "Failure_Message__c": None,
    "Refunded_Amount__c": Decimal("0"),
    "Card_Brand__c": "visa",
    "Card_Last4__c": "4242",
    "Order_ID__c": "ORD-1004",
    "Livemode__c": False,
}
EXPECTED = {
    "charge_succeeded": {**ADA, **ADAS_CHARGE},
    "charge_updated": {**ADA, **ADAS_CHARGE, "Fee__c": Decimal("0.88"), "Net__c": Decimal("19.11")},
    "payment_intent_succeeded": ADA,
    "charge_failed": {**BOB, "Refunded_Amount__c": Decimal("0.00")},
    "payment_intent_failed": BOB,
    "charge_authorized": {**DEE, "Status__c": "Pending"},
    "charge_captured": {**DEE, "Status__c": "Completed", "Paid_At__c": "2026-11-24T12:00:00Z"},
    "charge_pending": {
        "External_ID__c": "pi_3SampleCyd0000000003",
        "Name": "pi_3SampleCyd0000000003",
        "Charge_ID__c": "py_3SampleCyd0000000003",
        "Amount__c": Decimal("120.50"),
        "Currency__c": "USD",
        "Status__c": "Pending",
        "Failure_Code__c": None,
        "Failure_Message__c": None,
        "Refunded_Amount__c": Decimal("0.00"),
        "Livemode__c": False,
    },
    "payment_intent_canceled": {
        "External_ID__c": "pi_3SampleEve0000000005",
        "Name": "pi_3SampleEve0000000005",
        "Amount__c": Decimal("19.99"),
        "Currency__c": "USD",
        "Status__c": "Canceled",
        "Failure_Code__c": None,
        "Failure_Message__c": None,
        "Livemode__c": False,
    },
}
WORTH = {
    "charge_succeeded": 1999,
    "charge_updated": 1999,
    "payment_intent_succeeded": 1999,
    "charge_captured": 5000,
}


def play(*names, ports=None, change=None):
    """Run the sample events called `names` one after the other and return the ports and the last end."""
    ports = ports or FakePorts()
    for sample in SAMPLES.values():
        customer = sample.event["data"]["object"].get("customer")
        ports.stripe[customer] = {"id": customer, "object": "customer", "email": "ada@acme.test"}
    for run_id, name in enumerate(names, start=1):
        sample = SAMPLES[name]
        if sample.reading:
            ports.readings[sample.reading["id"]] = a_reading(sample.reading, NOON + timedelta(minutes=1))
        item = an_item(sample.event, run_id=run_id)
        if change:
            change(item)
        (finished,) = batch.run(PLAN, [item], ports, Policy())
    return ports, finished


def payments(ports):
    """Return the payments that were saved, the relation to their customer apart."""
    return [
        {name: value for name, value in record.items() if name != "Stripe_Customer__r"}
        for target, record in ports.records.items()
        if target.startswith("Payment__c:")
    ]


def test_there_is_a_sample_for_every_event_type_of_the_template():
    assert {sample.event["type"] for sample in SAMPLES.values()} == set(RECIPE.document.trigger.types)
    assert set(SAMPLES) == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_sample_becomes_the_whole_record(name):
    ports, finished = play(name)

    assert finished.fate == "applied"
    assert payments(ports) == [EXPECTED[name]]
    (mapped,) = [entry for entry in finished.item.trace if entry["step"] == "map_payment"]
    assert mapped.get("notes") is None


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_money_counts_once_it_came_in(name):
    _, finished = play(name)

    (payment,) = [write for write in finished.writes if write.object == "Payment__c"]
    assert payment.amount == WORTH.get(name)


def test_a_payment_stays_one_record_through_all_of_its_events():
    ports, _ = play("charge_succeeded", "charge_updated")

    assert len(payments(ports)) == 1
    assert ports.records["Payment__c:pi_3SampleAda0000000001"]["Fee__c"] == Decimal("0.88")


def test_an_intent_that_comes_after_its_charge_loses_nothing_of_it():
    ports = FakePorts()
    ports.readings["pi_3SampleAda0000000001"] = a_reading(SAMPLES["charge_updated"].reading)

    play("charge_succeeded", "payment_intent_succeeded", ports=ports)

    (record,) = payments(ports)
    assert record == EXPECTED["charge_updated"]
    assert len(ports.reads) == 1


def test_a_second_try_that_succeeds_clears_the_failure():
    ports, _ = play("charge_failed")
    paid = SAMPLES["charge_updated"].reading
    intent = {**paid, "id": "pi_3SampleBob0000000002"}
    ports.readings["pi_3SampleBob0000000002"] = a_reading(intent, NOON + timedelta(minutes=1))

    play("charge_failed", ports=ports, change=lambda item: setattr(item, "read_first", True))

    (record,) = payments(ports)
    assert (record["Status__c"], record["Failure_Code__c"], record["Failure_Message__c"]) == (
        "Completed",
        None,
        None,
    )


def test_a_canceled_authorization_is_canceled_although_its_charge_succeeded():
    charge = {**SAMPLES["charge_authorized"].event["data"]["object"], "refunded": True}
    intent = {
        **SAMPLES["payment_intent_canceled"].event["data"]["object"],
        "id": charge["payment_intent"],
        "latest_charge": charge,
    }
    ports = FakePorts()
    ports.readings[intent["id"]] = a_reading(intent)

    play("charge_authorized", ports=ports, change=lambda item: setattr(item, "read_first", True))

    (record,) = payments(ports)
    assert record["Status__c"] == "Canceled"


def test_a_fee_in_another_currency_is_left_out_and_told():
    def settle_in_euro(item):
        reading = SAMPLES["charge_updated"].reading
        charge = reading["latest_charge"]
        settled = {**charge["balance_transaction"], "currency": "eur"}
        intent = {**reading, "latest_charge": {**charge, "balance_transaction": settled}}
        ports.readings[intent["id"]] = a_reading(intent)

    ports = FakePorts()

    _, finished = play("charge_updated", ports=ports, change=settle_in_euro)

    (record,) = payments(ports)
    assert "Fee__c" not in record
    notes = finished.trace[1]["notes"]
    assert [(note["field"], note["code"]) for note in notes] == [
        ("Fee__c", "other_currency"),
        ("Net__c", "other_currency"),
    ]


def test_a_charge_without_an_intent_stands_for_itself():
    def forget_the_intent(item):
        item.context["charge"] = {**item.context["charge"], "payment_intent": None}

    ports, _ = play("charge_succeeded", change=forget_the_intent)

    assert [record["External_ID__c"] for record in payments(ports)] == ["ch_3SampleAda0000000001"]


def test_the_customer_of_a_payment_is_there_before_it():
    ports, finished = play("charge_succeeded")

    customer = SAMPLES["charge_succeeded"].event["data"]["object"]["customer"]
    assert ports.records[f"Stripe_Customer__c:{customer}"]["Email__c"] == "ada@acme.test"
    assert ports.records["Payment__c:pi_3SampleAda0000000001"]["Stripe_Customer__r"] == {
        "External_ID__c": customer
    }
    assert finished.fate == "applied"


@pytest.mark.parametrize("names", [["charge_failed"], ["charge_failed", "payment_intent_failed"]])
def test_a_decline_starts_dunning_once_whatever_tells_of_it(names):
    ports = FakePorts()
    ports.readings["pi_3SampleBob0000000002"] = a_reading(
        {
            **SAMPLES["payment_intent_failed"].event["data"]["object"],
            "latest_charge": SAMPLES["charge_failed"].event["data"]["object"],
        }
    )

    play(*names, ports=ports)

    (effect,) = [one for target, one in ports.records.items() if target.startswith("Integration_Effect__c:")]
    assert effect["Kind__c"] == "dunning"
    assert '"Failure_Code":"card_declined"' in effect["Payload__c"]
    assert '"Payment_ID":"pi_3SampleBob0000000002"' in effect["Payload__c"]


def test_nothing_but_a_decline_starts_dunning():
    for name in set(SAMPLES) - {"charge_failed"}:
        ports, _ = play(name)
        assert not [target for target in ports.records if target.startswith("Integration_Effect__c:")], name


def test_a_decline_without_a_charge_starts_dunning_too():
    def forget_the_charge(item):
        item.context["payment_intent"] = {**item.context["payment_intent"], "latest_charge": None}

    ports, _ = play("payment_intent_failed", change=forget_the_charge)

    assert [target for target in ports.records if target.startswith("Integration_Effect__c:")]


def test_account_opportunity_and_order_learn_how_the_payment_stands():
    ids = {
        "account": "001000000000001AAA",
        "opportunity": "006000000000001AAA",
        "order": "801000000000001AAA",
    }
    ports = FakePorts()
    for name, record_id in ids.items():
        ports.hold(name.capitalize(), record_id)

    def name_them(item):
        named = {f"salesforce_{name}_id": record_id for name, record_id in ids.items()}
        item.context["charge"] = {**item.context["charge"], "metadata": named}

    play("charge_failed", ports=ports, change=name_them)

    assert ports.records["Account:001000000000001AAA"]["Stripe_Payment_Status__c"] == "Failed"
    assert ports.records["Opportunity:006000000000001AAA"]["Payment_Status__c"] == "Failed"
    assert ports.records["Order:801000000000001AAA"]["Payment_Status__c"] == "Failed"


def test_of_several_payments_the_account_shows_the_one_that_something_happened_to_last():
    account = "001000000000001AAA"
    ports = FakePorts()
    ports.hold("Account", account)

    def later(seconds):
        def change(item):
            for root in ("charge", "payment_intent"):
                if root in item.context:
                    item.context[root] = {
                        **item.context[root], "metadata": {"salesforce_account_id": account},
                    }  # fmt: skip
            item.event = replace(item.event, created=item.event.created + seconds)

        return change

    play("charge_failed", ports=ports, change=later(100))
    play("charge_succeeded", ports=ports, change=later(50))

    assert ports.records[f"Account:{account}"]["Stripe_Payment_Status__c"] == "Failed"


def test_an_unseen_status_is_a_dead_letter_that_names_the_field():
    def change_status(item):
        item.context["charge"] = {**item.context["charge"], "status": "frozen"}

    _, finished = play("charge_succeeded", change=change_status)

    assert (finished.fate, finished.outcome.failure.field, finished.outcome.failure.code) == (
        "dead",
        "Status__c",
        "unseen_value",
    )


def test_a_recipe_that_is_not_there_is_named():
    with pytest.raises(catalogue.NoSuchRecipe):
        catalogue.load("../settings")
