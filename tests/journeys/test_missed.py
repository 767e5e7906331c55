"""This module tells of events that were lost, or never told, and of those that do not carry their object."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from flows import missed, sweeps, walk
from flows.models import Attempt, Effect, Event, Notice, Run
from tests.journeys.bridge import Bridge, until


def everything_happened(bridge: Bridge, payments: int) -> None:
    """Wait until Stripe has made the last event of so many payments, which comes a moment later."""

    def told() -> bool:
        events = bridge.ask("GET", "/v1/events", limit=100, type="charge.updated")["data"]
        return len(events) >= payments

    until(told, what="Stripe's last event")


def walk_now(bridge: Bridge) -> int:
    """Have the list of events read, as a person may ask for."""
    now = timezone.now()
    missed.catch_up(connection=bridge.pair.stripe, since=None, actor="ada", now=now)
    return walk.walk_due(now=now)


def test_without_any_delivery_the_list_of_events_is_enough(bridge: Bridge) -> None:
    intents = [bridge.pay(amount=1000 + number) for number in range(4)]
    declined = bridge.pay("pm_card_chargeDeclined")
    everything_happened(bridge, 4)

    assert walk_now(bridge) == Event.objects.count() > 10
    bridge.drain()

    payments = bridge.payments()
    assert set(payments) == {intent["id"] for intent in [*intents, declined]}
    assert payments[declined["id"]]["Status__c"] == "Failed"
    assert {run.state for run in Run.objects.all()} == {"done"}
    wanted = Event.objects.exclude(fate="ignored").count()
    assert missed.standing(bridge.pair.stripe, now=timezone.now()).recovered == wanted > 5


def test_what_comes_late_after_all_is_not_done_twice(bridge: Bridge) -> None:
    intent = bridge.pay()
    everything_happened(bridge, 1)
    walk_now(bridge)
    bridge.drain()
    before = (Event.objects.count(), Run.objects.count(), Attempt.objects.count())

    bridge.deliver(*bridge.events(intent))
    assert walk_now(bridge) == 0
    bridge.drain()

    assert (Event.objects.count(), Run.objects.count(), Attempt.objects.count()) == before
    assert set(Event.objects.values_list("origin", flat=True)) == {"walk"}


def test_a_change_that_was_never_told_is_found_in_the_objects(bridge: Bridge) -> None:
    bridge.stripe.turn("settings", missing_events=1.0)
    intent = bridge.pay(currency="usd")
    until(lambda: bridge.ask("GET", "/v1/charges")["data"][0]["balance_transaction"], what="the fee")
    assert walk_now(bridge) == 0
    now = timezone.now()

    types = missed.compare(connection=bridge.pair.stripe, since=None, actor="ada", now=now)
    assert sweeps.sweep_due(now=now) == 2
    bridge.drain()

    assert types == ["charge", "payment_intent"]
    payment = bridge.payments()[intent["id"]]
    assert (payment["Status__c"], payment["Fee__c"] is not None) == ("Completed", True)
    assert {run.event.origin for run in Run.objects.all()} == {"sweep"}
    assert not Effect.objects.exists()
    assert sweeps.sweep_due(now=now + timedelta(days=1)) == 0, "what was found once is known"


def test_what_was_delivered_is_not_found_once_more(bridge: Bridge) -> None:
    intent = bridge.pay()
    everything_happened(bridge, 1)
    bridge.deliver(*bridge.events(intent))
    bridge.drain()
    now = timezone.now()

    missed.compare(connection=bridge.pair.stripe, since=None, actor="ada", now=now)

    assert sweeps.sweep_due(now=now) == 0


def test_a_thin_event_brings_the_object_as_it_is(bridge: Bridge) -> None:
    intent = bridge.pay(amount=4321)
    everything_happened(bridge, 1)
    (event,) = bridge.events(intent, "payment_intent.succeeded")

    bridge.deliver(
        {
            "id": "evt_thin_1",
            "object": "v2.core.event",
            "type": "v1.payment_intent.succeeded",
            "livemode": False,
            "created": datetime.now(UTC).isoformat(),
            "related_object": {
                "id": intent["id"],
                "type": "payment_intent",
                "url": f"/v1/payment_intents/{intent['id']}",
            },
            "snapshot_event": event["id"],
        }
    )
    bridge.drain()
    bridge.deliver(event)

    payment = bridge.payments()[intent["id"]]
    assert (payment["Status__c"], float(payment["Amount__c"])) == ("Completed", 43.21)
    assert Event.objects.count() == 1, "the snapshot is the same event"


def in_another_shape(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event as another version would have told it: without fields that a mapping reads."""
    told = json.loads(json.dumps(event)) | {"api_version": "2019-02-11"}
    for name in ("amount", "currency", "latest_charge"):
        told["data"]["object"].pop(name, None)
    return told


def test_an_event_of_another_version_is_mapped_from_the_object_as_it_is(bridge: Bridge) -> None:
    intent = bridge.pay(amount=5000)
    everything_happened(bridge, 1)
    (event,) = bridge.events(intent, "payment_intent.succeeded")

    bridge.deliver(in_another_shape(event))
    bridge.drain()

    payment = bridge.payments()[intent["id"]]
    assert (float(payment["Amount__c"]), payment["Currency__c"]) == (50.0, "EUR")
    assert "2019-02-11" in Notice.objects.get(kind="api_version").title
