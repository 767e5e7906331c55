"""This module tests that events reach webhook endpoints: signed, at least once, and badly when told so."""

from __future__ import annotations

import time

import pytest
import stripe


@pytest.fixture
def endpoint(client, receiver):
    """Register the receiver for every event."""
    return client.v1.webhook_endpoints.create(
        {"url": receiver.url, "enabled_events": ["*"], "api_version": "2026-10-28.endive"}
    )


def test_a_delivery_is_signed_for_the_sdk(client, receiver, endpoint, eventually):
    ada = client.v1.customers.create({"name": "Zoë 👩‍👩‍👧"})

    (got,) = eventually(lambda: receiver.deliveries)

    event = stripe.Webhook.construct_event(got.raw, got.signature, endpoint.secret)
    assert (event.type, event.data.object.id, event.data.object.name) == (
        "customer.created",
        ada.id,
        ada.name,
    )
    assert event.api_version == "2026-10-28.endive"
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(got.raw, got.signature, "whsec_another")
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(got.raw + b" ", got.signature, endpoint.secret)


def test_the_secret_is_told_once(client, endpoint):
    assert endpoint.secret.startswith("whsec_")
    assert "secret" not in client.v1.webhook_endpoints.retrieve(endpoint.id)
    assert "secret" not in client.v1.webhook_endpoints.list().data[0]
    assert "secret" not in client.v1.webhook_endpoints.update(endpoint.id, {"description": "Ours"})


def test_two_secrets_sign_while_one_is_rolled(sandbox, client, receiver, endpoint, eventually):
    new = sandbox.turn(f"webhook_endpoints/{endpoint.id}/roll", overlap_seconds=3600)["secret"]

    client.v1.customers.create({})
    (got,) = eventually(lambda: receiver.deliveries)
    for secret in (endpoint.secret, new):
        assert stripe.WebhookSignature.verify_header(got.raw, got.signature, secret, 300)

    sandbox.turn("clock", offset=3601)
    client.v1.customers.create({})
    later = eventually(lambda: receiver.deliveries[1:])[0]
    assert stripe.WebhookSignature.verify_header(later.raw, later.signature, new, 10_000)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(later.raw, later.signature, endpoint.secret, 10_000)


def test_only_the_types_asked_for_are_delivered(sandbox, client, receiver, eventually):
    client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["charge.succeeded"]})

    client.v1.customers.create({})
    sandbox.pay(client)

    eventually(lambda: receiver.deliveries)
    assert [item.event["type"] for item in receiver.deliveries] == ["charge.succeeded"]


@pytest.mark.parametrize(
    "stop",
    [
        pytest.param(lambda endpoints, key: endpoints.update(key, {"disabled": True}), id="disabled"),
        pytest.param(lambda endpoints, key: endpoints.delete(key), id="deleted"),
    ],
)
def test_an_endpoint_that_is_gone_gets_no_more_attempts(sandbox, receiver, endpoint, eventually, stop):
    client = sandbox.client()
    sandbox.turn("delivery", retry_seconds=[0.2])
    receiver.statuses = [500]
    client.v1.customers.create({})
    eventually(lambda: receiver.deliveries)

    stop(client.v1.webhook_endpoints, endpoint.id)
    client.v1.customers.create({})

    eventually(lambda: sandbox.look("deliveries")["counts"].get("dropped"))
    assert len(receiver.deliveries) == 1


@pytest.mark.parametrize(
    "statuses",
    [
        pytest.param([500, 503], id="server errors"),
        pytest.param([302, 301], id="redirects are failures"),
        pytest.param([400, 404], id="refusals"),
    ],
)
def test_a_failed_delivery_is_tried_again(sandbox, receiver, endpoint, eventually, statuses):
    client = sandbox.client()
    sandbox.turn("delivery", retry_seconds=[0.05, 0.1])
    receiver.statuses = list(statuses)

    client.v1.customers.create({})

    eventually(lambda: sandbox.look("deliveries")["counts"].get("delivered"))
    attempts = sandbox.look("deliveries")["attempts"]
    assert [item["status"] for item in attempts] == [*statuses, 200]
    assert [item["outcome"] for item in attempts] == ["failed", "failed", "delivered"]
    assert len(set(receiver.ids())) == 1


def test_an_event_is_pending_until_it_is_delivered(sandbox, client, receiver, endpoint, eventually):
    sandbox.turn("delivery", retry_seconds=[])
    receiver.statuses = [500]
    client.v1.customers.create({})
    eventually(lambda: sandbox.look("deliveries")["counts"].get("given up"))
    (failed,) = client.v1.events.list({"delivery_success": False}).data
    assert failed.pending_webhooks == 1

    sandbox.turn(f"events/{failed.id}/resend")

    eventually(lambda: client.v1.events.list({"delivery_success": True}).data)
    assert receiver.ids() == [failed.id, failed.id]


def test_a_receiver_that_is_down_gets_its_events_later(sandbox, client, receiver, eventually):
    sandbox.turn("delivery", retry_seconds=[0.1] * 20)
    made = client.v1.webhook_endpoints.create({"url": "http://127.0.0.1:1/", "enabled_events": ["*"]})
    client.v1.customers.create({})
    eventually(lambda: sandbox.look("deliveries")["counts"].get("failed"))

    client.v1.webhook_endpoints.update(made.id, {"url": receiver.url})

    eventually(lambda: receiver.deliveries)


def test_a_part_of_the_events_comes_twice(sandbox, client, receiver, endpoint, eventually):
    sandbox.turn("delivery", duplicates=0.5, window=0.1, seed=3)

    for _ in range(20):
        client.v1.customers.create({})

    doubled = sandbox.look("deliveries")["counts"]["duplicated"]
    assert 5 <= doubled <= 15
    eventually(lambda: len(receiver.deliveries) == 20 + doubled)
    assert len(set(receiver.ids())) == 20


def test_a_part_of_the_events_is_overtaken(sandbox, client, receiver, endpoint, eventually):
    sandbox.turn("delivery", disorder=0.5, window=0.3, seed=3)

    made = [client.v1.customers.create({}).id for _ in range(20)]

    eventually(lambda: len(receiver.deliveries) == 20)
    arrived = [item.event["data"]["object"]["id"] for item in receiver.deliveries]
    assert sandbox.look("deliveries")["counts"]["disordered"] >= 3
    assert arrived != made
    assert sorted(arrived) == sorted(made)


def test_a_part_of_the_events_is_lost_but_listed(sandbox, client, receiver, endpoint, eventually):
    sandbox.turn("delivery", loss=0.5, seed=3)

    for _ in range(20):
        client.v1.customers.create({})

    lost = sandbox.look("deliveries")["counts"]["lost"]
    assert 5 <= lost <= 15
    eventually(lambda: len(receiver.deliveries) == 20 - lost)
    assert len(client.v1.events.list({"limit": 100}).data) == 20
    assert len(client.v1.events.list({"limit": 100, "delivery_success": False}).data) == lost


def test_the_same_seed_has_the_same_luck(sandbox, client, receiver, eventually):
    def counts() -> dict[str, int]:
        sandbox.turn("reset")
        sandbox.turn("delivery", duplicates=0.3, disorder=0.3, loss=0.3, window=0.01, seed=7)
        client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
        for _ in range(15):
            client.v1.customers.create({})
        found = sandbox.look("deliveries")["counts"]
        return {name: found[name] for name in ("duplicated", "disordered", "lost")}

    assert counts() == counts()


def test_deliveries_wait_while_they_are_paused(sandbox, client, receiver, endpoint, eventually):
    sandbox.turn("delivery", paused=True)
    client.v1.customers.create({})
    assert sandbox.look("deliveries")["under_way"] == 1

    sandbox.turn("delivery", paused=False)

    eventually(lambda: receiver.deliveries)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "http://example.com/hook",
        "http://10.0.0.1/hook",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/hook",
        "http://127.0.0.1.example.com/",
        "http://127.0.0.1@example.com/",
        "ftp://127.0.0.1/",
        "http://127.0.0.1:none/",
        "nonsense",
    ],
)
def test_nothing_but_this_machine_is_ever_called(client, url):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.webhook_endpoints.create({"url": url, "enabled_events": ["*"]})

    assert (caught.value.code, caught.value.param) == ("url_invalid", "url")


@pytest.mark.parametrize(
    "types",
    [
        pytest.param([], id="none"),
        pytest.param(["*", "charge.failed"], id="all and one"),
        pytest.param(["Charge failed"], id="no type"),
    ],
)
def test_wrong_types_are_refused(client, receiver, types):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": types or ""})

    assert caught.value.param == "enabled_events"


@pytest.mark.serial
def test_three_hundred_deliveries_a_second_are_possible(sandbox, client, receiver, endpoint, eventually):
    sandbox.turn("delivery", paused=True)
    sandbox.turn("scenario", count=150, rate_per_second=None)
    eventually(lambda: not sandbox.look("scenario", since=10**6)["running"])
    waiting = sandbox.look("deliveries", limit=1)["under_way"]

    began = time.process_time()  # of the sandbox and of whoever receives; others may keep the machine busy
    sandbox.turn("delivery", paused=False, retry_seconds=[0.1, 1])
    eventually(lambda: len(set(receiver.ids())) >= waiting, seconds=60)

    assert waiting >= 450
    assert waiting / (time.process_time() - began) > 300
