"""This module tells that what a flow does in Stripe is done once, whatever becomes of calls and answers."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from connectors.models import Connection
from flows import publishing
from flows.models import DeadLetter, Deployment, Effect, Flow, Review, Run
from flows.trials import current, occasions
from flows.trials.running import ready, try_out
from tests.journeys.bridge import Bridge

CUSTOMERS, REFUNDS = "/v1/customers$", "/v1/refunds$"
STEPS: list[dict[str, Any]] = [
    {
        "id": "payer",
        "kind": "stripe.create",
        "settings": {
            "object": "customer",
            "purpose": "Payer",
            "parameters": {"name": "payment_intent.id", "metadata.order_id": {"value": "A-1"}},
        },
    },
    {
        "id": "refund",
        "kind": "stripe.create",
        "settings": {
            "object": "refund",
            "purpose": "Goodwill",
            "parameters": {
                "payment_intent": "payment_intent.id",
                "amount": {"value": 500},
                "metadata.customer": "steps.payer.id",
            },
        },
    },
    {
        "id": "tell",
        "kind": "stripe.update",
        "settings": {
            "object": "payment_intent",
            "id": "payment_intent.id",
            "parameters": {"description": {"value": "Refunded"}, "metadata.refund": "steps.refund.id"},
        },
    },
]


DOCUMENT: dict[str, Any] = {
    "format": 1,
    "name": "Goodwill",
    "trigger": {"kind": "stripe.event", "types": ["payment_intent.succeeded"]},
    "steps": STEPS,
}


@pytest.fixture
def writing(bridge: Bridge) -> Bridge:
    """Return the bridge with a flow that writes in Stripe for every payment, and no other."""
    Deployment.objects.update(enabled=False)
    now = timezone.now()
    flow = Flow.objects.create(integration=bridge.pair.integration, slug="goodwill", name="Goodwill")
    version = publishing.publish(flow=flow, document=DOCUMENT, actor="ada", now=now)
    publishing.deploy(version=version, pair=bridge.pair, actor="ada", now=now)
    return bridge


def a_payment(bridge: Bridge) -> str:
    """Deliver one payment and return its id."""
    intent = bridge.pay()
    bridge.deliver(*bridge.events(intent, "payment_intent.succeeded"))
    return str(intent["id"])


def drain_for_good(bridge: Bridge, tries: int = 8) -> None:
    """Work until nothing waits any more."""
    for _ in range(tries):
        bridge.hasten()
        bridge.drain()
    assert not Run.objects.exclude(state="done").exists(), list(Run.objects.values_list("state", "reason"))


def check_each_was_done_once(bridge: Bridge, *payments: str) -> None:
    """Make sure that each payment has one customer and one refund of ours, and knows of them."""
    customers = bridge.ask("GET", "/v1/customers", limit=100)["data"]
    refunds = bridge.ask("GET", "/v1/refunds", limit=100)["data"]
    assert sorted(one["name"] for one in customers) == sorted(payments)
    assert sorted(one["payment_intent"] for one in refunds) == sorted(payments)
    assert len({one["metadata"]["integrator_effect"] for one in (*customers, *refunds)}) == 2 * len(payments)
    for refund in refunds:
        intent = bridge.ask("GET", f"/v1/payment_intents/{refund['payment_intent']}")
        assert (refund["amount"], intent["metadata"]["refund"]) == (500, refund["id"])
    assert set(Effect.objects.values_list("state", flat=True)) == {"done"}
    assert not DeadLetter.objects.exists()
    assert not Review.objects.exists()


@pytest.mark.parametrize("path", [CUSTOMERS, REFUNDS], ids=["the customer", "the refund"])
@pytest.mark.parametrize(
    ("kind", "params"),
    [
        pytest.param("before", {"status": 503}, id="fails before it is done"),
        pytest.param("after", {}, id="is done, and the answer is lost"),
        pytest.param("partial", {}, id="is done, and the answer is cut"),
        pytest.param("slow", {"seconds": 0.01, "kept": True}, id="is done, and Stripe keeps a failure"),
    ],
)
def test_a_call_that_fails_before_or_after_its_effect_creates_one(
    writing: Bridge, path: str, kind: str, params: dict[str, Any]
) -> None:
    fault = writing.stripe.break_calls(kind, path, match_method="POST", times=1, params=params)
    payment = a_payment(writing)

    drain_for_good(writing)

    assert writing.stripe.fired(fault) == 1
    check_each_was_done_once(writing, payment)


def test_a_failure_that_stripe_keeps_and_did_nothing_gets_a_new_key(writing: Bridge) -> None:
    body = json.dumps({"error": {"type": "api_error", "message": "An unknown error occurred"}})
    params = {"status": 500, "body": body, "headers": {"Idempotent-Replayed": "true"}}
    writing.stripe.break_calls("before", CUSTOMERS, match_method="POST", times=1, params=params)
    payment = a_payment(writing)

    drain_for_good(writing)

    check_each_was_done_once(writing, payment)
    assert sorted(Effect.objects.values_list("purpose", "generation")) == [("Goodwill", 1), ("Payer", 2)]


def test_after_the_day_of_its_key_what_was_made_is_found_and_not_made_again(writing: Bridge) -> None:
    writing.stripe.break_calls("after", CUSTOMERS, match_method="POST", times=1)
    payment = a_payment(writing)
    writing.turn()
    assert Effect.objects.get().state == "sent"

    # Stripe has forgotten the key by now: sent once more, it would make another customer.
    writing.stripe.turn("clock", offset=2 * 86_400)
    Effect.objects.update(sent_at=F("sent_at") - timedelta(hours=25))
    drain_for_good(writing)

    check_each_was_done_once(writing, payment)


def test_what_stripe_refuses_for_certain_is_a_letter_and_may_be_tried_anew(writing: Bridge) -> None:
    refusal = {"error": {"type": "invalid_request_error", "message": "No such plan", "param": "name"}}
    params = {"status": 400, "body": json.dumps(refusal)}
    writing.stripe.break_calls("before", CUSTOMERS, match_method="POST", times=1, params=params)
    a_payment(writing)

    writing.drain()

    letter = DeadLetter.objects.get()
    assert (letter.message, letter.field, letter.step) == ("No such plan", "name", "payer")
    assert Effect.objects.get().state == "refused"


def test_a_storm_of_refusals_for_haste_ends_with_few_calls(writing: Bridge) -> None:
    error = {"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Slow down"}}
    storm = {"status": 429, "body": json.dumps(error)}
    writing.stripe.break_calls("before", CUSTOMERS, match_method="POST", params=storm)
    payments = [a_payment(writing) for _ in range(12)]

    writing.drain()
    for _ in range(3):
        writing.hasten()
        writing.drain()

    calls = writing.stripe.calls(CUSTOMERS, "POST")
    assert calls <= 8 + 3, calls  # as many as are under way at once, and then one after each rest
    connection = Connection.objects.get(system="stripe")
    assert connection.state == "resting"
    assert connection.paused_until > timezone.now() + timedelta(seconds=10)  # each rest is longer
    assert set(Run.objects.values_list("state", "attempts")) == {("ready", 0)}

    writing.stripe.turn("faults", method="DELETE")
    drain_for_good(writing)

    check_each_was_done_once(writing, *payments)


def test_a_trial_shows_what_would_be_done_and_does_nothing(writing: Bridge) -> None:
    (event,) = writing.events(writing.pay(), "payment_intent.succeeded")
    now = timezone.now()

    tried = try_out(
        ready(DOCUMENT), occasions.of_pasted(event, now=now), pair=writing.pair, at=now, live=True
    )
    (compared,) = current.compare(tried.trial.records, pair=writing.pair, live=True)

    assert tried.trial.ending == "done"
    assert [call.purpose for call in tried.trial.calls] == ["Payer", "Goodwill"]
    assert tried.trial.calls[1].request["params"]["metadata"]["customer"] == "trial_1"
    assert compared.record.target == f"payment_intent {event['data']['object']['id']}"
    assert {row.field: (row.would, row.is_) for row in compared.rows} == {
        "description": ("Refunded", None),
        "metadata.refund": ("trial_2", None),
    }
    assert writing.stripe.calls("/v1/(customers|refunds)", "POST") == 0
    assert not Effect.objects.exists()
