"""This module tells what the main job does when the other side fails, and proves each time that it failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from connectors.models import Connection
from flows import deadletters
from flows.models import DeadLetter, Run
from tests.journeys.bridge import Bridge

WRITES = "/sobjects/"  # single records and collections alike


def a_payment(bridge: Bridge) -> str:
    """Deliver one payment and return its id."""
    intent = bridge.pay()
    bridge.deliver(*bridge.events(intent, "charge.succeeded"))
    return str(intent["id"])


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        pytest.param("before", {"params": {"status": 503}}, id="unavailable"),
        pytest.param("before", {"params": {"status": 500}}, id="server error"),
        pytest.param("garbage", {}, id="an HTML page of a proxy"),
        pytest.param("garbage", {"params": {"status": 404}}, id="a page that says not found"),
        pytest.param("empty", {"params": {"status": 403}}, id="forbidden, without a word"),
        pytest.param("reset", {}, id="the line is cut"),
        pytest.param("after", {}, id="done, but the answer is lost"),
        pytest.param("partial", {}, id="done, but the answer is cut"),
        pytest.param("after_status", {"params": {"status": 500}}, id="done, but said to have failed"),
        pytest.param("empty", {"params": {"done": True}}, id="done, but the answer is empty"),
    ],
)
def test_a_failing_call_is_tried_again_and_writes_one_record(
    bridge: Bridge, kind: str, how: dict[str, Any]
) -> None:
    fault = bridge.salesforce.break_calls(kind, WRITES, times=1, **how)
    payment = a_payment(bridge)

    bridge.turn()
    run = Run.objects.get()
    assert bridge.salesforce.fired(fault) == 1
    assert (run.state, run.attempts, run.fate) == ("retrying", 1, "queued")
    assert run.first_failed_at is not None
    assert run.next_attempt_at is not None

    bridge.hasten()
    bridge.drain()

    assert list(bridge.payments()) == [payment]
    assert bridge.fates() == {"applied": 1}


@pytest.mark.parametrize("status", [400, 403, 404, 405, 407, 421, 429])
def test_a_page_of_a_proxy_buries_no_batch(bridge: Bridge, status: int) -> None:
    fault = bridge.salesforce.break_calls("garbage", WRITES, times=4, params={"status": status})
    payments = [a_payment(bridge) for _ in range(5)]

    for fired in range(
        1, 5
    ):  # after the third the connection rests, and the fourth is the one try after that
        bridge.hasten()
        bridge.turn()
        assert bridge.salesforce.fired(fault) == fired
        assert bridge.fates() == {"queued": 5}
    assert Connection.objects.get(system="salesforce").state == "resting"
    bridge.hasten()
    bridge.drain()

    assert sorted(bridge.payments()) == sorted(payments)
    assert bridge.fates() == {"applied": 5}
    assert not DeadLetter.objects.exists()


def test_a_reason_that_no_database_takes_is_kept_without_that(bridge: Bridge) -> None:
    body = r'[{"errorCode": "A\u0000B", "message": "bad \u0000 \ud83d", "fields": ["Na\ud83dme"]}]'
    fault = bridge.salesforce.break_calls("before", WRITES, times=1, params={"status": 400, "body": body})
    a_payment(bridge)

    bridge.drain()

    letter = DeadLetter.objects.get()
    assert bridge.salesforce.fired(fault) == 1
    assert (letter.code, letter.field) == ("A\ufffdB", "Na\ufffdme")
    assert letter.message == "bad \ufffd \ufffd"
    assert Run.objects.get().reason == letter.message


def test_a_locked_row_is_tried_again(bridge: Bridge) -> None:
    payment = a_payment(bridge)
    bridge.salesforce.turn("locks", object="Payment__c", external_id=payment, times=1)

    bridge.turn()
    assert len(bridge.salesforce.look("locks")["fired"]) == 1
    assert Run.objects.get().state == "retrying"

    bridge.hasten()
    bridge.drain()

    assert bridge.payments()[payment]["Status__c"] == "Completed"


def test_one_bad_record_harms_no_other_of_its_call(bridge: Bridge) -> None:
    good = [a_payment(bridge) for _ in range(4)]
    bad = a_payment(bridge)
    bridge.salesforce.turn("locks", object="Payment__c", external_id=bad, times=1)

    bridge.turn()

    assert sorted(bridge.payments()) == sorted(good)
    assert bridge.fates() == {"applied": 4, "queued": 1}


def test_a_validation_rule_is_explained_mended_and_retried(bridge: Bridge) -> None:
    payment = a_payment(bridge)
    bridge.salesforce.turn(
        "rules",
        object="Payment__c",
        field="Amount__c",
        operator="<",
        value=1000,
        message="Too small a payment",
    )

    bridge.drain()

    letter = DeadLetter.objects.get()
    assert len(bridge.salesforce.look("rules")["fired"]) == 1
    assert (letter.code, letter.field) == ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Amount__c")
    assert "Too small a payment" in letter.message
    assert "Amount__c" in letter.suggestion
    assert bridge.fates() == {"dead": 1}
    assert Run.objects.get().attempts == 1

    bridge.salesforce.turn("rules", method="DELETE")
    deadletters.retry(letter=letter, actor="otto", now=timezone.now())
    bridge.drain()

    assert bridge.payments()[payment]["Status__c"] == "Completed"
    assert bridge.fates() == {"applied": 1}
    assert bridge.stripe.calls(f"/v1/payment_intents/{payment}$", "GET") == 1  # read first


def test_an_outage_burns_no_attempts_and_ends_in_order(bridge: Bridge) -> None:
    fault = bridge.salesforce.break_calls("reset", WRITES)
    payments = []
    for _ in range(4):
        payments.append(a_payment(bridge))
        bridge.drain()
    assert bridge.salesforce.fired(fault) == 3  # then the connection rests
    assert Connection.objects.get(system="salesforce").state == "resting"
    last = Run.objects.latest("id")
    assert (last.state, last.attempts) == ("ready", 0)
    assert bridge.drain() == 0

    bridge.salesforce.turn("faults", method="DELETE")
    bridge.hasten()
    bridge.drain()
    bridge.hasten()
    bridge.drain()

    assert sorted(bridge.payments()) == sorted(payments)
    assert Connection.objects.get(system="salesforce").state == "active"
    assert bridge.fates() == {"applied": 4}
    assert not DeadLetter.objects.exists()


def test_a_session_that_expires_in_the_middle_costs_one_login(bridge: Bridge) -> None:
    first = a_payment(bridge)
    bridge.drain()
    before = bridge.salesforce.calls("/services/oauth2/token")
    assert bridge.salesforce.turn("sessions", method="DELETE")["expired"] >= 1

    second = a_payment(bridge)
    bridge.drain()

    assert set(bridge.payments()) == {first, second}
    assert bridge.salesforce.calls("/services/oauth2/token") == before + 1
    assert Run.objects.filter(attempts=0, state="done").count() == 2


def test_the_api_limit_rests_the_connection_and_burns_nothing(bridge: Bridge) -> None:
    bridge.salesforce.turn("limits", daily=1000, used=1000)
    payment = a_payment(bridge)

    bridge.drain()
    run = Run.objects.get()
    assert bridge.salesforce.turn("limits")["refusals"] >= 1
    assert (run.state, run.attempts) == ("ready", 0)
    assert Connection.objects.get(system="salesforce").state == "resting"

    bridge.salesforce.turn("limits", daily=1000, used=0)
    bridge.hasten()
    bridge.drain()

    assert list(bridge.payments()) == [payment]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda bridge: bridge.salesforce.turn("org", org_number=99), id="another org"),
    ],
)
def test_a_credential_that_leads_elsewhere_writes_nothing(
    bridge: Bridge, spoil: Callable[[Bridge], Any]
) -> None:
    spoil(bridge)
    bridge.salesforce.turn("sessions", method="DELETE")
    a_payment(bridge)

    bridge.drain()

    assert bridge.payments() == {}
    assert Connection.objects.get(system="salesforce").state == "resting"
    assert Run.objects.get().attempts == 0


@pytest.mark.parametrize("status", [400, 403, 404, 429])
def test_a_page_between_us_and_stripe_buries_nothing(bridge: Bridge, status: int) -> None:
    fault = bridge.stripe.break_calls("garbage", "/v1/payment_intents/", times=1, params={"status": status})
    intent = bridge.pay()
    bridge.deliver(bridge.events(intent, "charge.succeeded")[0] | {"id": "evt_1", "type": "charge.updated"})

    bridge.turn()
    assert bridge.stripe.fired(fault) == 1
    assert bridge.fates() == {"queued": 1}

    bridge.hasten()
    bridge.drain()

    assert list(bridge.payments()) == [intent["id"]]
    assert bridge.fates() == {"applied": 1}
    assert not DeadLetter.objects.exists()


def test_stripe_being_away_delays_only_what_has_to_be_read(bridge: Bridge) -> None:
    fault = bridge.stripe.break_calls("before", "/v1/payment_intents/", times=1, params={"status": 500})
    intent = bridge.pay()
    fetched = bridge.events(intent, "charge.succeeded")[0] | {"id": "evt_updated", "type": "charge.updated"}
    other = a_payment(bridge)
    bridge.deliver(fetched)

    bridge.turn()
    assert bridge.stripe.fired(fault) == 1
    assert set(bridge.payments()) == {other}

    bridge.hasten()
    bridge.drain()

    assert set(bridge.payments()) == {intent["id"], other}
