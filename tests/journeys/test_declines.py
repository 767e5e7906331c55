"""This module tells what follows a declined payment: dunning starts once, and others learn of it."""

from __future__ import annotations

from typing import Any

import pytest

from connectors import gateway
from flows.models import DeadLetter, Effect, Event, Lane, Review, Run
from tests.journeys.bridge import Bridge

DECLINED = "pm_card_chargeDeclinedInsufficientFunds"
CALLS = "/services/data/"


def a_record(bridge: Bridge, object_: str, **fields: Any) -> str:
    """Put a record into the org and return its id."""
    key = {"external_id_field": "Integration_Key__c", "external_id": f"test-{object_}"}
    (answer,) = gateway.call_many(
        connection_id=bridge.pair.salesforce_id,
        action="upsert",
        requests=[{"object": object_, "values": fields, **key}],
    )
    assert isinstance(answer, dict), answer
    return str(answer["id"])


def started(bridge: Bridge) -> int:
    """Return how often the org has started its dunning Flow."""
    return int(bridge.salesforce.look("flows", flow="Stripe_Dunning")["counts"].get("Stripe_Dunning", 0))


def decline(bridge: Bridge, *types: str, **metadata: str) -> str:
    """Let a card be declined, deliver what Stripe says of it, and return the payment's id."""
    named = {f"metadata[{name}]": value for name, value in metadata.items()}
    intent = bridge.pay(DECLINED, **named)
    bridge.deliver(*bridge.events(intent, *(types or ("charge.failed", "payment_intent.payment_failed"))))
    return str(intent["id"])


def drain_for_good(bridge: Bridge) -> None:
    """Work until nothing waits for a retry any more."""
    for _ in range(6):
        bridge.drain()
        if not Run.objects.filter(state__in=["retrying", "ready"]).exists():
            return
        bridge.hasten()
    raise AssertionError(list(Run.objects.values_list("state", "reason")))


def test_a_decline_is_a_failed_payment_with_its_reason_and_starts_dunning_once(bridge: Bridge) -> None:
    payment = decline(bridge)

    bridge.drain()

    record = bridge.payments()[payment]
    assert (record["Status__c"], record["Failure_Code__c"]) == ("Failed", "card_declined")
    assert record["Failure_Message__c"]
    assert started(bridge) == 1
    effect = Effect.objects.get()
    assert (effect.state, effect.purpose, effect.record) == ("done", "Start the Flow Stripe_Dunning", payment)
    assert not DeadLetter.objects.exists()


def test_the_account_the_opportunity_and_the_order_learn_of_it(bridge: Bridge) -> None:
    account = a_record(bridge, "Account", Name="Acme")
    opportunity = a_record(
        bridge,
        "Opportunity",
        Name="Big deal",
        StageName="Closed Won",
        CloseDate="2026-11-24",
        AccountId=account,
    )
    decline(bridge, salesforce_account_id=account, salesforce_opportunity_id=opportunity)
    bridge.drain()

    def status(object_: str, field: str) -> Any:
        (record,) = bridge.salesforce.look("records", object=object_)["records"]
        return record[field]

    assert status("Account", "Stripe_Payment_Status__c") == "Failed"
    assert status("Opportunity", "Payment_Status__c") == "Failed"


def test_a_second_decline_starts_dunning_again_and_a_second_delivery_does_not(bridge: Bridge) -> None:
    intent = bridge.pay(DECLINED)
    (first,) = bridge.events(intent, "charge.failed")
    bridge.deliver(first, first)
    bridge.drain()
    assert started(bridge) == 1

    bridge.ask("POST", f"/v1/payment_intents/{intent['id']}/confirm", payment_method=DECLINED)
    events = [event for event in bridge.events(intent) if event["type"] == "charge.failed"]
    bridge.deliver(*events, *events)
    bridge.drain()

    assert started(bridge) == 2


def test_a_decline_that_comes_after_a_newer_one_starts_dunning_too(bridge: Bridge) -> None:
    intent = bridge.pay(DECLINED)
    bridge.stripe.turn("clock", offset=60)
    bridge.ask("POST", f"/v1/payment_intents/{intent['id']}/confirm", payment_method=DECLINED)
    older, newer = [event for event in bridge.events(intent) if event["type"] == "charge.failed"]
    older["data"]["object"] = {**newer["data"]["object"], "amount": 1}  # the same object, a minute ago

    bridge.deliver(newer)
    bridge.drain()
    bridge.deliver(older)
    bridge.drain()

    assert started(bridge) == 2
    assert bridge.payments()[intent["id"]]["Amount__c"] == 19.99
    assert not DeadLetter.objects.exists()


@pytest.mark.parametrize("kind", ["before", "after", "partial"])
def test_whichever_call_fails_before_or_after_its_effect_dunning_starts_once(
    bridge: Bridge, kind: str
) -> None:
    account = a_record(bridge, "Account", Name="Acme")
    decline(bridge, salesforce_account_id=account)
    before = bridge.salesforce.calls(CALLS)
    bridge.drain()
    calls = bridge.salesforce.calls(CALLS) - before
    assert calls >= 4  # the payment, the effect, the customer's account, the account

    for number in range(1, calls + 1):
        fault = bridge.salesforce.break_calls(kind, CALLS, nth=number, times=1)
        decline(bridge, salesforce_account_id=account)
        drain_for_good(bridge)
        assert bridge.salesforce.fired(fault) == 1, f"call {number} of {calls}"
        assert started(bridge) == number + 1, f"call {number} of {calls}"
        bridge.salesforce.turn("faults", method="DELETE")

    assert not DeadLetter.objects.exists()
    assert not Review.objects.exists()
    assert set(Effect.objects.values_list("state", flat=True)) == {"done"}
    assert set(bridge.fates()) <= {"applied", "superseded"}


def test_history_starts_no_dunning_until_a_person_wants_it(bridge: Bridge) -> None:
    intent = bridge.pay(DECLINED)
    (event,) = bridge.events(intent, "charge.failed")
    bridge.deliver({**event, "created": event["created"] - 3 * 86_400})
    bridge.drain()

    assert bridge.payments()[str(intent["id"])]["Status__c"] == "Failed"
    assert started(bridge) == 0
    assert Effect.objects.skipped().count() == 1
    assert Event.objects.get().fate == "applied"
    assert Lane.objects.filter(ready_at__isnull=False).count() == 0
