"""This module tests that a repeated request to the simulated Stripe is done once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

KEY = {"idempotency_key": "effect-1"}


def test_a_repetition_gets_the_same_answer_and_makes_nothing(sandbox):
    headers = {"Idempotency-Key": "effect-1"}

    first = sandbox.raw("POST", "/v1/customers", data={"name": "Ada"}, headers=headers)
    again = sandbox.raw("POST", "/v1/customers", data={"name": "Ada"}, headers=headers)

    assert again.content == first.content
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request"] == first.headers["Request-Id"]
    assert sandbox.look("state")["counts"]["customers"] == 1


def test_the_same_key_with_other_parameters_is_an_error(client):
    client.v1.customers.create({"name": "Ada"}, KEY)

    with pytest.raises(stripe.IdempotencyError) as caught:
        client.v1.customers.create({"name": "Grace"}, KEY)

    assert caught.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError):
        client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}}, KEY)


def test_a_decline_is_repeated_as_well(sandbox, client):
    values = {"amount": 1000, "currency": "usd", "payment_method": "pm_card_chargeDeclined", "confirm": True}
    values["return_url"] = "https://shop.example"
    intents = []

    for _ in range(2):
        with pytest.raises(stripe.CardError) as caught:
            client.v1.payment_intents.create(values, KEY)
        intents.append(caught.value.error.payment_intent.id)

    assert intents[0] == intents[1]
    assert caught.value.headers["idempotent-replayed"] == "true"
    assert sandbox.look("state")["counts"]["payment_intents"] == 1


def test_a_failure_after_the_effect_is_kept_for_the_key(sandbox, client):
    sandbox.turn("faults", kind="after_status", match_path="^/v1/customers$", times=1, params={"kept": True})

    for _ in range(2):
        with pytest.raises(stripe.APIError) as caught:
            client.v1.customers.create({"metadata": {"marker": "1"}}, KEY)

    assert caught.value.headers["idempotent-replayed"] == "true"
    assert [item.metadata["marker"] for item in client.v1.customers.list().data] == ["1"]


def test_a_validation_error_is_not_kept(client):
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create({"hat": "red"}, KEY)

    assert client.v1.customers.create({"name": "Ada"}, KEY).name == "Ada"


def test_two_at_the_same_time_conflict(sandbox):
    sandbox.turn("settings", work_seconds=1.0)  # longer than it takes to send the other

    def make() -> int:
        headers = {"Idempotency-Key": "effect-1"}
        return sandbox.raw("POST", "/v1/customers", data={"name": "Ada"}, headers=headers).status_code

    with ThreadPoolExecutor(2) as pool:
        statuses = sorted(future.result() for future in [pool.submit(make), pool.submit(make)])

    assert statuses == [200, 409]
    assert make() == 200
    assert sandbox.look("state")["counts"]["customers"] == 1


def test_a_key_lives_for_a_day(sandbox, client):
    first = client.v1.customers.create({}, KEY)
    sandbox.turn("clock", offset=86_300)
    assert client.v1.customers.create({}, KEY).id == first.id

    sandbox.turn("clock", offset=86_500)

    assert client.v1.customers.create({}, KEY).id != first.id


def test_keys_of_the_modes_do_not_meet(sandbox, client):
    first = client.v1.customers.create({}, KEY)

    assert sandbox.client("sk_live_sandbox").v1.customers.create({}, KEY).id != first.id


def test_a_key_has_its_longest(client):
    with pytest.raises(stripe.InvalidRequestError, match="255"):
        client.v1.customers.create({}, {"idempotency_key": "k" * 256})
