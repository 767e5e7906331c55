"""This module tests that the simulated Stripe's errors become the SDK's, with everything that they carry."""

from __future__ import annotations

import pytest
import stripe


def test_an_error_carries_what_support_asks_for(client):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.retrieve("cus_none")

    error = caught.value
    assert (error.http_status, error.code, error.param) == (404, "resource_missing", "id")
    assert error.error.message == "No such customer: 'cus_none'"
    assert error.error.type == "invalid_request_error"
    assert error.error.doc_url == "https://stripe.com/docs/error-codes/resource-missing"
    assert error.request_id in error.error.request_log_url


@pytest.mark.parametrize(
    ("act", "param", "code"),
    [
        pytest.param(
            lambda v1: v1.payment_intents.create({"amount": 1000}),
            "currency",
            "parameter_missing",
            id="missing",
        ),
        pytest.param(
            lambda v1: v1.payment_intents.create({"amount": 1000, "currency": "usd", "customer": "cus_none"}),
            "customer",
            "resource_missing",
            id="an id of nothing",
        ),
        pytest.param(
            lambda v1: v1.customers.create({"address": {"planet": "Earth"}}),
            "address[planet]",
            "parameter_unknown",
            id="a nested parameter",
        ),
        pytest.param(
            lambda v1: v1.payment_intents.create(
                {"amount": 1000, "currency": "usd", "transfer_data": {"destination": "acct_1"}}
            ),
            "transfer_data",
            "sandbox_unsupported",
            id="what the sandbox does not simulate",
        ),
        pytest.param(
            lambda v1: v1.customers.update(v1.customers.create({}).id, {"name": "x" * 5001}),
            "name",
            "parameter_invalid_string_too_long",
            id="a long text",
        ),
    ],
)
def test_wrong_parameters_are_named(client, act, param, code):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        act(client.v1)

    assert (caught.value.http_status, caught.value.param, caught.value.code) == (400, param, code)


def test_a_path_that_is_none_is_told_so(sandbox):
    answer = sandbox.raw("GET", "/v1/hats")

    assert answer.status_code == 404
    assert "Unrecognized request URL (GET: /v1/hats)" in answer.json()["error"]["message"]


def test_too_many_calls_meet_the_rate_limit(sandbox, client):
    sandbox.turn("settings", rate_limit=5)

    for _ in range(5):
        client.v1.customers.list()
    with pytest.raises(stripe.RateLimitError) as caught:
        client.v1.customers.list()

    assert caught.value.error.code == "rate_limit"
    assert caught.value.headers["retry-after"] == "1"


def test_a_locked_object_is_a_429_of_its_own(sandbox, client):
    ada = client.v1.customers.create({})
    sandbox.turn("locks", id=ada.id, seconds=60)

    with pytest.raises(stripe.RateLimitError) as caught:
        client.v1.customers.update(ada.id, {"name": "Ada"})

    assert caught.value.error.code == "lock_timeout"
    assert client.v1.customers.retrieve(ada.id).name is None
    sandbox.turn("clock", offset=61)
    assert client.v1.customers.update(ada.id, {"name": "Ada"}).name == "Ada"


def test_a_server_error_is_an_api_error(sandbox, client):
    sandbox.turn("faults", kind="before", params={"status": 503}, times=1)

    with pytest.raises(stripe.APIError) as caught:
        client.v1.customers.list()

    assert caught.value.http_status == 503


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"a[b][c]=1&a[b]=2", id="a value and an object"),
        pytest.param(b"a" + b"[x]" * 50 + b"=1", id="deep nesting"),
        pytest.param(b"name=\xff\xfe", id="no UTF-8"),
        pytest.param(b"metadata=text", id="metadata that is a text"),
        pytest.param(b"metadata[a][b]=1", id="metadata that is nested"),
        pytest.param(b"=&&&[=]", id="nonsense"),
        pytest.param(b"address=here", id="an address that is a text"),
        pytest.param(b"shipping[address]=here", id="a nested address that is a text"),
        pytest.param(b"balance=--5", id="a number with two signs"),
        pytest.param(
            "&".join(f"p{number}=1" for number in range(3000)).encode(), id="thousands of parameters"
        ),
    ],
)
def test_a_broken_body_is_never_a_500(sandbox, body):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    assert sandbox.raw("POST", "/v1/customers", data=body, headers=headers).status_code in {200, 400}
