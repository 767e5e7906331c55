"""This module tests who may call the simulated Stripe, and in which mode."""

from __future__ import annotations

import base64

import pytest
import requests
import stripe


def test_an_unknown_key_is_refused(sandbox):
    with pytest.raises(stripe.AuthenticationError) as caught:
        sandbox.client("sk_test_nobody_knows_me").v1.accounts.retrieve_current()

    assert caught.value.http_status == 401
    assert "Invalid API Key provided: sk_test_" in str(caught.value)
    assert "nobody_knows" not in str(caught.value)


def test_no_key_at_all_is_refused(sandbox):
    answer = sandbox.raw("GET", "/v1/account", headers={"Authorization": ""})

    assert answer.status_code == 401
    assert "did not provide an API key" in answer.json()["error"]["message"]


def test_an_expired_key_says_so(sandbox):
    sandbox.turn("keys", key="sk_test_rolled_over", expired=True)

    with pytest.raises(stripe.AuthenticationError) as caught:
        sandbox.client("sk_test_rolled_over").v1.accounts.retrieve_current()

    assert caught.value.error.code == "api_key_expired"


def test_the_key_may_come_by_basic_authentication(sandbox):
    basic = base64.b64encode(b"sk_test_sandbox:").decode()

    assert sandbox.raw("GET", "/v1/account", headers={"Authorization": f"Basic {basic}"}).ok


def test_a_restricted_key_does_what_it_may(sandbox):
    sandbox.turn("keys", key="rk_test_reader", permissions={"customers": "read"})

    assert sandbox.client("rk_test_reader").v1.customers.list().data == []


@pytest.mark.parametrize(
    ("act", "permission"),
    [
        pytest.param(
            lambda v1: v1.accounts.retrieve_current(), "rak_accounts_kyc_basic_read", id="read the account"
        ),
        pytest.param(
            lambda v1: v1.customers.create({}), "rak_customer_write", id="write what it may only read"
        ),
        pytest.param(lambda v1: v1.events.list(), "rak_event_read", id="read events"),
        pytest.param(lambda v1: v1.invoices.list(), "rak_invoice_read", id="read invoices"),
        pytest.param(lambda v1: v1.subscriptions.list(), "rak_subscription_read", id="read subscriptions"),
        pytest.param(lambda v1: v1.prices.list(), "rak_plan_read", id="read prices, once called plans"),
        pytest.param(lambda v1: v1.disputes.list(), "rak_dispute_read", id="read disputes"),
        pytest.param(
            lambda v1: v1.refunds.create({"charge": "ch_1"}), "rak_charge_write", id="refund a charge"
        ),
    ],
)
def test_a_restricted_key_is_told_which_permission_is_missing(sandbox, act, permission):
    sandbox.turn("keys", key="rk_test_reader", permissions={"customers": "read"})

    with pytest.raises(stripe.PermissionError) as caught:
        act(sandbox.client("rk_test_reader").v1)

    assert permission in str(caught.value)


def test_a_permission_that_does_not_exist_cannot_be_given(sandbox):
    answer = requests.post(
        f"{sandbox.url}/_sandbox/keys",
        json={"key": "rk_test_reader", "permissions": {"moon": "read"}},
        timeout=60,
    )

    assert answer.status_code == 400
    assert "No such permission: moon" in answer.json()["error"]


def test_the_modes_are_two_worlds(sandbox, client):
    made = client.v1.customers.create({})
    live = sandbox.client("sk_live_sandbox")

    with pytest.raises(stripe.InvalidRequestError) as caught:
        live.v1.customers.retrieve(made.id)

    assert "a similar object exists in test mode" in str(caught.value)
    assert live.v1.customers.list().data == []
    assert live.v1.customers.create({}).livemode


def test_another_account_cannot_be_read(client):
    with pytest.raises(stripe.PermissionError) as caught:
        client.v1.accounts.retrieve("acct_another")

    assert caught.value.error.code == "account_invalid"
    mine = client.v1.accounts.retrieve_current()
    assert client.v1.accounts.retrieve(mine.id).id == mine.id


def test_the_version_is_echoed_and_every_answer_has_its_request_id(sandbox):
    answer = sandbox.raw("GET", "/v1/account", headers={"Stripe-Version": "2025-03-31.basil"})

    assert answer.headers["Stripe-Version"] == "2025-03-31.basil"
    assert answer.headers["Request-Id"].startswith("req_")
    assert answer.headers["Date"]
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in answer.headers


def test_a_version_that_is_none_is_refused(sandbox):
    answer = sandbox.raw("GET", "/v1/account", headers={"Stripe-Version": "yesterday"})

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Invalid Stripe API version: yesterday"
