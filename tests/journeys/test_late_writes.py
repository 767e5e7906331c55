"""This module tells what happens when a write that we gave up lands later, over a newer state."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from flows import confirmation, context
from flows.models import Lane, Run
from tests.journeys.bridge import Bridge, until
from tests.journeys.test_faults import WRITES


def an_event(number: int, status: str, amount: int, age: int) -> dict:
    """Return an event about a charge that Stripe does not know any more: payloads are all there is."""
    created = int((timezone.now() - timedelta(seconds=age)).timestamp())
    charge = {
        "id": "ch_late",
        "object": "charge",
        "amount": amount,
        "amount_refunded": 0,
        "captured": True,
        "created": created,
        "currency": "eur",
        "livemode": False,
        "metadata": {},
        "payment_intent": None,
        "status": status,
    }
    return {
        "id": f"evt_late_{number}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": created,
        "livemode": False,
        "type": f"charge.{status}",
        "data": {"object": charge},
    }


def test_an_older_write_that_lands_late_does_not_stay(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = bridge.salesforce.break_calls("slow", WRITES, times=1, params={"seconds": 8})

    bridge.deliver(an_event(1, "pending", 1000, age=60))
    with monkeypatch.context() as hasty:
        hasty.setattr(context, "CALL_DEADLINE", timedelta(seconds=2))
        bridge.turn()
    # Its next try may be due at once, and would come before the newer event.
    Run.objects.update(next_attempt_at=timezone.now() + timedelta(hours=1))
    bridge.deliver(an_event(2, "succeeded", 2000, age=30))
    bridge.drain()
    assert bridge.payments()["ch_late"]["Status__c"] == "Completed"
    bridge.hasten()
    bridge.drain()
    until(lambda: bridge.payments()["ch_late"]["Status__c"] == "Pending", what="the late write has landed")
    assert bridge.salesforce.fired(slow) == 1

    Lane.objects.update(confirm_at=timezone.now())
    assert confirmation.open_due(now=timezone.now()) == 1
    bridge.drain()

    assert bridge.payments()["ch_late"]["Status__c"] == "Completed"
    assert bridge.fates() == {"applied": 1, "superseded": 1}


def test_a_write_that_was_answered_is_not_written_again(bridge: Bridge) -> None:
    bridge.deliver(an_event(1, "succeeded", 1000, age=60))
    bridge.drain()

    assert Lane.objects.get().confirm_at is None
    assert confirmation.open_due(now=timezone.now() + timedelta(hours=1)) == 0
    assert Run.objects.count() == 1


def test_nothing_is_written_again_before_the_other_side_can_have_finished(bridge: Bridge) -> None:
    bridge.salesforce.break_calls("after_status", WRITES, times=1, params={"status": 504})

    bridge.deliver(an_event(1, "succeeded", 1000, age=60))
    bridge.turn()
    bridge.hasten()
    bridge.drain()

    due = Lane.objects.get().confirm_at
    assert due is not None
    assert due > timezone.now() + timedelta(minutes=9)
    assert confirmation.open_due(now=timezone.now()) == 0
