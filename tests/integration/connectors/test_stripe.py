"""What is read from Stripe is plain, in time and dated; what goes wrong has one meaning."""

from __future__ import annotations

import json
import warnings
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
from django.utils import timezone

from connectors import connections, gateway
from connectors.models import Connection
from integrator.kernel import errors
from tests.builders import NOON
from tests.integration.connectors.rig import STRIPE_KEY, Sandbox
from tests.unit.connectors.peers import a_peer, http_answer


def retrieve(billing: Connection, *wanted: dict[str, Any], deadline: float = 12.0) -> list[Any]:
    return gateway.call_many(connection_id=billing.pk, action="retrieve", requests=wanted, deadline=deadline)


@pytest.fixture
def intent(stripe_sandbox: Sandbox) -> dict[str, Any]:
    """A payment intent that succeeded."""
    answer = requests.post(
        f"{stripe_sandbox.address}/v1/payment_intents",
        data={
            "amount": 1999,
            "currency": "usd",
            "confirm": "true",
            "payment_method": "pm_card_visa",
            "automatic_payment_methods[enabled]": "true",
            "automatic_payment_methods[allow_redirects]": "never",
        },
        headers={"Authorization": f"Bearer {STRIPE_KEY}", "Stripe-Version": "2026-10-28.endive"},
        timeout=20,
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_an_object_is_read_as_plain_json_with_what_was_expanded(billing, intent):
    wanted = {"type": "payment_intent", "id": intent["id"], "expand": ["latest_charge.balance_transaction"]}

    (answer,) = retrieve(billing, wanted)

    found = answer["object"]
    assert type(found) is dict
    assert type(found["latest_charge"]) is dict
    assert found["latest_charge"]["object"] == "charge"
    assert found["amount"] == 1999
    json.dumps(answer)


def test_a_reading_is_dated_by_stripes_clock(billing, intent):
    (answer,) = retrieve(billing, {"type": "payment_intent", "id": intent["id"]})

    requested, answered = (datetime.fromisoformat(answer[name]) for name in ("requested_at", "answered_at"))
    assert requested <= answered
    assert answered.microsecond == 0
    assert abs(timezone.now() - answered) < timedelta(seconds=60)


def test_the_clock_of_stripe_counts_and_not_ours(billing):
    body = b'{"id": "ch_1", "object": "charge"}'
    with a_peer(http_answer(body, Date="Tue, 24 Nov 2026 12:00:00 GMT")) as peer:
        _move(billing, peer.address)
        (answer,) = retrieve(billing, {"type": "charge", "id": "ch_1"})

    assert answer["answered_at"] == "2026-11-24T12:00:00+00:00"


def test_a_reading_is_read_as_events_are(billing):
    """Fractions are never floats, and what no database column takes is replaced."""
    body = rb'{"id": "ch_1", "object": "charge", "rate": 1.005, "name": "a\u0000b\ud800", "amount": 1999}'
    with a_peer(http_answer(body)) as peer:
        _move(billing, peer.address)
        (answer,) = retrieve(billing, {"type": "charge", "id": "ch_1"})

    assert answer["object"]["rate"] == Decimal("1.005")
    assert answer["object"]["name"] == "a\ufffdb\ufffd"
    assert answer["object"]["amount"] == 1999


def test_many_objects_are_read_at_once_and_in_order(billing, stripe_sandbox, intent):
    stripe_sandbox.post("latency", seconds=0.3)
    wanted = [{"type": "payment_intent", "id": intent["id"]}, {"type": "charge", "id": "ch_none"}] * 8

    answers = retrieve(billing, *wanted)
    stripe_sandbox.post("latency", seconds=0)

    assert [type(answer) for answer in answers] == [dict, errors.Missing] * 8
    begun = sorted(call["started"] for call in stripe_sandbox.calls("/v1/")[-16:])
    ended = sorted(call["started"] + call["duration"] for call in stripe_sandbox.calls("/v1/")[-16:])
    assert begun[1] < ended[0]  # the second did not wait for the first


def test_every_call_pins_the_version_and_sends_no_telemetry(billing, stripe_sandbox):
    retrieve(billing, {"type": "charge", "id": "ch_1"}, {"type": "charge", "id": "ch_2"})

    for call in stripe_sandbox.calls("/v1/"):
        headers = {name.lower(): value for name, value in call["headers"].items()}
        assert headers["stripe-version"] == "2026-10-28.endive"
        assert "x-stripe-client-telemetry" not in headers
        assert "Integrator" in headers["user-agent"]


@pytest.mark.parametrize("fault", ["before", "reset", "garbage"])
def test_nothing_is_retried_behind_our_back(billing, stripe_sandbox, fault):
    stripe_sandbox.break_(fault, match_path="/v1/charges")

    (answer,) = retrieve(billing, {"type": "charge", "id": "ch_1"})

    assert type(answer) is errors.Transient
    assert stripe_sandbox.fired() == {fault: 1}


def test_a_dead_peer_holds_nobody_for_80_seconds(billing, stripe_sandbox):
    stripe_sandbox.break_("slow", match_path="/v1/charges", params={"seconds": 20}, times=1)

    started = timezone.now()
    (answer,) = retrieve(billing, {"type": "charge", "id": "ch_1"}, deadline=0.5)

    assert answer.code == "timeout"
    assert timezone.now() - started < timedelta(seconds=15)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param((400, {"code": "parameter_invalid"}, errors.Refused, "parameter_invalid"), id="400"),
        pytest.param((400, {"code": "rate_limit"}, errors.RateLimited, "rate_limit"), id="an old rate limit"),
        pytest.param(
            (400, {"type": "idempotency_error"}, errors.Refused, ""), id="a key with other parameters"
        ),
        pytest.param((401, {"code": "api_key_expired"}, errors.Unauthorized, "api_key_expired"), id="401"),
        pytest.param(
            (402, {"code": "card_declined", "decline_code": "lost_card"}, errors.Declined, "lost_card"),
            id="402",
        ),
        pytest.param((403, {"code": "permission"}, errors.Forbidden, "permission"), id="403"),
        pytest.param((404, {"code": "resource_missing"}, errors.Missing, "resource_missing"), id="404"),
        pytest.param((404, {}, errors.Missing, ""), id="404 without a code"),
        pytest.param((405, {}, errors.Refused, ""), id="405"),
        pytest.param((409, {"code": "idempotency_key_in_use"}, errors.Transient, None), id="409"),
        pytest.param((429, {"code": "lock_timeout"}, errors.Transient, "lock_timeout"), id="a lock"),
        pytest.param((429, {}, errors.RateLimited, ""), id="429"),
        pytest.param((500, {}, errors.Transient, "unavailable"), id="500"),
        pytest.param((503, {}, errors.Transient, "unavailable"), id="503"),
    ],
)
def test_each_error_has_one_meaning(billing, stripe_sandbox, case):
    status, error, kind, code = case
    body = {"error": {"message": "Said by Stripe", "param": "amount", **error}}
    stripe_sandbox.break_(
        "before",
        match_path="/v1/charges",
        params={"status": status, "body": body, "headers": {"Request-Id": "req_1"}},
    )

    (answer,) = retrieve(billing, {"type": "charge", "id": "ch_1"})

    assert type(answer) is kind
    assert code is None or answer.code == code
    assert answer.field == "amount"
    assert answer.request_id == "req_1"
    assert "Said by Stripe" in str(answer)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(http_answer(b"<html>bad gateway</html>", status="502 Bad Gateway"), id="a page"),
        pytest.param(http_answer(b"<html>fine</html>"), id="a page that says 200"),
        pytest.param(http_answer(b""), id="nothing"),
        pytest.param(http_answer(b"[]"), id="a list"),
        pytest.param(http_answer(b"{}"), id="an object that is none"),
        pytest.param(http_answer(b'{"id": 5, "object": null}'), id="an object without a type"),
        pytest.param(http_answer(b"\xff\xfe\x00"), id="no text"),
        pytest.param(http_answer(b'{"error": "text"}', status="500 Oh"), id="an error of another shape"),
        pytest.param(http_answer(b"", status="302 Found", Location="https://evil.example/"), id="a redirect"),
        pytest.param(http_answer(b'{"id": "ch_1"', status="200 OK"), id="half an object"),
    ],
)
def test_an_answer_that_is_none_is_transient_and_shows_no_page(billing, answer):
    with a_peer(answer) as peer:
        _move(billing, peer.address)
        (result,) = retrieve(billing, {"type": "charge", "id": "ch_1"})

    assert type(result) is errors.Transient, result
    assert "html" not in str(result)


@pytest.mark.parametrize("kind", ["garbage", "empty"])
@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 407, 408, 409, 413, 421, 429])
def test_a_page_of_a_proxy_says_nothing_about_the_object(billing, stripe_sandbox, intent, status, kind):
    wanted = {"type": "payment_intent", "id": intent["id"]}
    stripe_sandbox.break_(kind, match_path="/v1/payment_intents/", times=1, params={"status": status})

    (first,) = retrieve(billing, wanted)
    (second,) = retrieve(billing, wanted)

    assert (type(first), first.code) == (errors.Transient, "unavailable")
    assert stripe_sandbox.fired() == {kind: 1}
    assert second["object"]["id"] == intent["id"]


@pytest.mark.parametrize("status", [400, 403, 404, 429])
@pytest.mark.parametrize(
    "body",
    [{"message": "Forbidden"}, {"error": "Not Found"}, {"error": "invalid_request"}, {"error": None}, []],
    ids=["a message", "a word", "in OAuth's words", "null", "a list"],
)
def test_json_of_a_proxy_says_nothing_about_the_object(billing, stripe_sandbox, body, status):
    stripe_sandbox.break_("before", match_path="/v1/charges", params={"status": status, "body": body})

    (answer,) = retrieve(billing, {"type": "charge", "id": "ch_1"})

    assert (type(answer), answer.code) == (errors.Transient, "unavailable"), answer


def test_a_401_that_is_a_page_is_about_the_key(billing, stripe_sandbox):
    stripe_sandbox.break_("garbage", match_path="/v1/charges", params={"status": 401})

    (answer,) = retrieve(billing, {"type": "charge", "id": "ch_1"})

    assert type(answer) is errors.Unauthorized


def test_an_error_holds_nothing_that_no_database_takes(billing, stripe_sandbox):
    hostile = "a\x00b\ud83d" + "c" * 5_000
    body = json.dumps({"error": {"message": hostile, "code": hostile, "param": hostile}})
    stripe_sandbox.break_("before", match_path="/v1/charges", params={"status": 400, "body": body})

    (answer,) = retrieve(billing, {"type": "charge", "id": "ch_1"})

    assert type(answer) is errors.Refused
    assert str(answer).startswith("a\ufffdb\ufffdc")
    assert (answer.code, answer.field) == (("a\ufffdb\ufffd" + "c" * 96),) * 2


def test_an_error_whose_message_is_no_text_is_told_all_the_same(billing, stripe_sandbox):
    body = {"error": {"message": {"en": "No"}, "code": 7, "param": ["amount"]}}
    stripe_sandbox.break_("before", match_path="/v1/charges", params={"status": 400, "body": body})

    (answer,) = retrieve(billing, {"type": "charge", "id": "ch_1"})

    assert type(answer) is errors.Refused
    assert answer.code == "7"


def test_a_notice_for_test_accounts_warns_nobody(billing):
    with (
        warnings.catch_warnings(),
        a_peer(http_answer(b'{"id": "ch_1", "object": "charge"}', Stripe_Notice="Upgrade!")) as peer,
    ):
        warnings.simplefilter("error")
        _move(billing, peer.address)
        (answer,) = retrieve(billing, {"type": "charge", "id": "ch_1"})

    assert answer["object"]["id"] == "ch_1"


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param({"type": "charge", "id": "../payouts/po_1"}, id="a path"),
        pytest.param({"type": "charge", "id": "ch_1?expand[]=x"}, id="a query"),
        pytest.param({"type": "charge", "id": ".."}, id="dots"),
        pytest.param({"type": "charge", "id": ""}, id="nothing"),
        pytest.param({"type": "charge", "id": None}, id="null"),
        pytest.param({"type": "__class__", "id": "ch_1"}, id="no type"),
        pytest.param({}, id="no request"),
    ],
)
def test_an_id_that_is_none_is_never_sent(billing, stripe_sandbox, wanted):
    before = len(stripe_sandbox.calls("/v1/"))

    (answer,) = retrieve(billing, wanted)

    assert isinstance(answer, errors.Refused)
    assert len(stripe_sandbox.calls("/v1/")) == before


def test_a_webhook_endpoint_is_created_once_although_its_answer_was_lost(billing, stripe_sandbox):
    stripe_sandbox.break_("after", match_path="/v1/webhook_endpoints", match_method="POST", times=1)

    endpoint, secret = connections.register_webhook(
        connection=billing, public_url="http://127.0.0.1:9/", actor="ada@acme.test", now=NOON
    )

    made = stripe_sandbox.calls("/v1/webhook_endpoints", "POST")
    assert len(made) == 2
    assert len({_header(call, "idempotency-key") for call in made}) == 1
    listed = requests.get(
        f"{stripe_sandbox.address}/v1/webhook_endpoints",
        headers={"Authorization": f"Bearer {STRIPE_KEY}"},
        timeout=20,
    ).json()["data"]
    (only,) = listed
    assert only["url"] == f"http://127.0.0.1:9/hooks/stripe/{endpoint.public_id}/"
    assert only["api_version"] == "2026-10-28.endive"
    assert only["id"] == endpoint.stripe_id
    assert endpoint.enabled
    assert secret.startswith("whsec_")


def test_a_webhook_endpoint_that_stripe_refuses_leaves_nothing_behind(billing, stripe_sandbox):
    body = {"error": {"message": "Invalid URL", "param": "url"}}
    stripe_sandbox.break_("before", match_path="/v1/webhook", params={"status": 400, "body": body})

    with pytest.raises(errors.Refused, match="Invalid URL"):
        connections.register_webhook(
            connection=billing, public_url="https://acme.test", actor="ada@acme.test", now=NOON
        )

    assert not billing.webhook_endpoints.exists()


def _move(billing: Connection, address: str) -> None:
    Connection.objects.filter(pk=billing.pk).update(base_url=address)
    gateway.forget(billing.pk)


def _header(call: dict[str, Any], name: str) -> str:
    return {key.lower(): value for key, value in call["headers"].items()}[name]
