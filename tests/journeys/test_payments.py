"""This module tells the main job: a signed Stripe payment becomes a Salesforce record, whatever the order."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from django.utils import timezone

from connectors import connections
from flows.models import Attempt, Event, Link, Run
from tests.journeys.bridge import Bridge, until


def test_a_signed_payment_becomes_a_record(bridge: Bridge) -> None:
    url = f"http://127.0.0.1:{bridge.receiver.port}"
    now = timezone.now()
    connections.register_webhook(connection=bridge.pair.stripe, public_url=url, actor="ada", now=now)

    intent = bridge.pay(amount=123_45, currency="usd", **{"metadata[order_id]": "O-42"})
    until(lambda: Event.objects.filter(type="charge.updated").exists(), what="Stripe's delivery")
    until(lambda: not (bridge.drain() or bridge.fates().get("queued")), what="everything is done")

    (payment,) = bridge.payments().values()
    assert payment["External_ID__c"] == intent["id"]
    assert (payment["Status__c"], Decimal(str(payment["Amount__c"]))) == ("Completed", Decimal("123.45"))
    assert (payment["Currency__c"], payment["Order_ID__c"]) == ("USD", "O-42")
    assert Decimal(str(payment["Fee__c"])) > 0
    link = Link.objects.get()
    assert (link.record_id, link.amount, link.currency) == (payment["Id"], 12345, "USD")
    assert Run.objects.exclude(state="done").count() == 0
    assert Attempt.objects.count() == Run.objects.count()
    assert set(bridge.fates()) <= {"applied", "superseded", "ignored"}


def test_a_declined_payment_is_a_record_and_no_error(bridge: Bridge) -> None:
    intent = bridge.pay("pm_card_chargeDeclinedInsufficientFunds")

    bridge.deliver(*bridge.events(intent, "charge.failed", "payment_intent.payment_failed"))
    bridge.drain()

    payment = bridge.payments()[intent["id"]]
    assert (payment["Status__c"], payment["Failure_Code__c"]) == ("Failed", "card_declined")
    assert payment["Failure_Message__c"]
    assert Link.objects.get().amount is None
    assert Run.objects.filter(state="done").count() == 2


def test_a_second_card_mends_a_declined_payment(bridge: Bridge) -> None:
    intent = bridge.pay("pm_card_chargeDeclined")
    bridge.ask("POST", f"/v1/payment_intents/{intent['id']}/confirm", payment_method="pm_card_visa")

    bridge.deliver(*bridge.events(intent, "charge.failed", "charge.succeeded"))
    bridge.drain()

    payment = bridge.payments()[intent["id"]]
    assert (payment["Status__c"], payment["Failure_Code__c"]) == ("Completed", None)
    assert Link.objects.get().amount == 1999


def test_an_event_that_comes_ten_times_counts_once(bridge: Bridge) -> None:
    intent = bridge.pay()
    (event,) = bridge.events(intent, "charge.succeeded")

    bridge.deliver(*[event] * 5)
    bridge.drain()
    bridge.deliver(*[event] * 5)
    bridge.drain()

    assert len(bridge.payments()) == 1
    assert len(bridge.salesforce.look("writes", external_id=intent["id"])["writes"]) == 1
    assert bridge.fates() == {"applied": 1}


def test_events_of_one_second_in_the_wrong_order_end_in_the_newest_state(bridge: Bridge) -> None:
    for _ in range(20):
        intent = bridge.pay("pm_card_chargeDeclined")
        bridge.ask("POST", f"/v1/payment_intents/{intent['id']}/confirm", payment_method="pm_card_visa")
        events = bridge.events(intent, "charge.succeeded", "charge.failed", "payment_intent.payment_failed")
        # The second in which they are read: some seconds later a reading would prove the last of them older.
        second = int(time.time())
        bridge.deliver(*[event | {"created": second} for event in events])
        bridge.drain()
        assert bridge.payments()[intent["id"]]["Status__c"] == "Completed"
        if time.time() < second + 1:
            break  # a busy machine may need another payment, until all of it falls into one second

    assert (
        bridge.stripe.calls(f"/v1/payment_intents/{intent['id']}$", "GET") >= 1
    )  # it was in doubt, and read
    told = Event.objects.filter(external_id__in=[event["id"] for event in events])
    assert [event.fate for event in told] == ["applied"] * 3


def test_one_reading_settles_all_that_is_in_doubt_about_a_payment(bridge: Bridge) -> None:
    intents = [bridge.pay() for _ in range(3)]
    for intent in intents:
        bridge.deliver(*bridge.events(intent, "payment_intent.succeeded"))
    bridge.drain()
    before = bridge.stripe.calls("/v1/payment_intents/", "GET")

    for intent in intents:
        bridge.deliver(*bridge.events(intent, "charge.succeeded"))
    bridge.drain()

    assert bridge.stripe.calls("/v1/payment_intents/", "GET") - before == 3
    assert {payment["Status__c"] for payment in bridge.payments().values()} == {"Completed"}


def test_an_older_state_of_the_same_object_is_superseded_without_a_call(bridge: Bridge) -> None:
    intent = bridge.pay(capture_method="manual")
    (authorized,) = bridge.events(intent, "charge.succeeded")
    bridge.stripe.turn("clock", offset=60)
    bridge.ask("POST", f"/v1/payment_intents/{intent['id']}/capture")
    (captured,) = bridge.events(intent, "charge.captured")
    bridge.deliver(captured)
    bridge.drain()
    calls = bridge.stripe.calls("/v1/", "GET")

    bridge.deliver(authorized)
    bridge.drain()

    assert bridge.fates() == {"applied": 1, "superseded": 1}
    assert bridge.payments()[intent["id"]]["Status__c"] == "Completed"
    assert bridge.stripe.calls("/v1/", "GET") == calls


@pytest.mark.parametrize("order", [pytest.param(1, id="as sent"), pytest.param(-1, id="backwards")])
def test_many_payments_end_right_in_one_call_for_all_of_them(bridge: Bridge, order: int) -> None:
    intents = [bridge.pay(amount=1000 + number) for number in range(20)]
    events = [event for intent in intents for event in bridge.events(intent, "charge.succeeded")]

    bridge.deliver(*events[::order])
    bridge.drain()

    amounts = {key: Decimal(str(record["Amount__c"])) for key, record in bridge.payments().items()}
    assert amounts == {intent["id"]: Decimal(intent["amount"]) / 100 for intent in intents}
    assert bridge.salesforce.calls("/composite/sobjects") == 1
