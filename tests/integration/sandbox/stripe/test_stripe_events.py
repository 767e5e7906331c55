"""This module tests the events that the simulated Stripe makes and lists."""

from __future__ import annotations

import pytest
import requests
import stripe


def kinds(client: stripe.StripeClient) -> list[str]:
    """Return the types of all events, oldest first."""
    return [event.type for event in client.v1.events.list({"limit": 100}).auto_paging_iter()][::-1]


def test_a_payment_tells_its_story_in_order(sandbox, client, eventually):
    ada = client.v1.customers.create({})
    sandbox.pay(client, customer=ada.id)

    eventually(lambda: "charge.updated" in kinds(client))

    assert kinds(client) == [
        "customer.created",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
    ]


def test_a_decline_tells_its_story(sandbox, client):
    with pytest.raises(stripe.CardError):
        sandbox.pay(client, "pm_card_chargeDeclined")

    assert kinds(client) == ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]


def test_a_capture_tells_its_story(sandbox, client, eventually):
    intent = sandbox.pay(client, capture_method="manual")
    client.v1.payment_intents.capture(intent.id)

    eventually(lambda: "charge.updated" in kinds(client))

    assert kinds(client) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
        "charge.captured",
        "payment_intent.succeeded",
        "charge.updated",
    ]


def test_a_cancellation_tells_its_story(sandbox, client):
    intent = sandbox.pay(client, capture_method="manual")
    client.v1.payment_intents.cancel(intent.id)

    assert kinds(client)[-2:] == ["charge.refunded", "payment_intent.canceled"]


def test_an_update_says_what_was_before(client):
    ada = client.v1.customers.create({"name": "Ada", "metadata": {"a": "1"}})

    client.v1.customers.update(ada.id, {"name": "Ada L.", "metadata": {"b": "2"}})
    client.v1.customers.update(ada.id, {"name": "Ada L."})

    (event,) = client.v1.events.list({"type": "customer.updated"}).data
    assert event.data.previous_attributes.to_dict() == {"name": "Ada", "metadata": {"b": None}}


def test_the_late_fee_is_an_update_of_the_charge(sandbox, client, eventually):
    sandbox.pay(client)

    (event,) = eventually(lambda: client.v1.events.list({"type": "charge.updated"}).data)

    assert event.data.previous_attributes.to_dict() == {"balance_transaction": None}
    assert event.data.object.balance_transaction.startswith("txn_3")
    assert event.request.to_dict() == {"id": None, "idempotency_key": None}


def test_an_event_never_changes_with_its_object(client):
    ada = client.v1.customers.create({"name": "Ada"})

    client.v1.customers.update(ada.id, {"name": "Grace"})

    (created,) = client.v1.events.list({"type": "customer.created"}).data
    assert created.data.object.name == "Ada"


def test_an_event_names_the_request_that_caused_it(client):
    made = client.v1.customers.create({}, {"idempotency_key": "mine-1"})

    (event,) = client.v1.events.list().data

    assert event.request.to_dict() == {"id": made.last_response.request_id, "idempotency_key": "mine-1"}
    assert (event.api_version, event.livemode, event.pending_webhooks) == ("2026-10-28.endive", False, 0)
    assert client.v1.events.retrieve(event.id).type == "customer.created"


def test_events_are_filtered_by_type(sandbox, client):
    client.v1.customers.create({})
    sandbox.pay(client)

    def found(**values: object) -> list[str]:
        return sorted(event.type for event in client.v1.events.list(values).data)

    assert found(type="payment_intent.*") == ["payment_intent.created", "payment_intent.succeeded"]
    assert found(types=["customer.created", "charge.succeeded"]) == ["charge.succeeded", "customer.created"]
    with pytest.raises(stripe.InvalidRequestError, match="only specify one"):
        found(type="charge.failed", types=["charge.failed"])


def test_events_are_walked_by_cursor(client):
    made = [client.v1.customers.create({}).id for _ in range(30)]

    walked = [event.data.object.id for event in client.v1.events.list({"limit": 9}).auto_paging_iter()]

    assert walked == made[::-1]


def test_events_are_gone_after_thirty_days(sandbox, client):
    client.v1.customers.create({})
    (event,) = client.v1.events.list().data

    sandbox.turn("clock", offset=31 * 86_400)

    assert client.v1.events.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such event"):
        client.v1.events.retrieve(event.id)


def test_a_cursor_is_gone_after_thirty_days(sandbox, client):
    client.v1.customers.create({})
    (event,) = client.v1.events.list().data
    sandbox.turn("clock", offset=31 * 86_400)
    client.v1.customers.create({})

    for cursor in ("starting_after", "ending_before"):
        with pytest.raises(stripe.InvalidRequestError, match="No such event"):
            client.v1.events.list({cursor: event.id})


def test_some_events_are_never_made_although_the_object_changed(sandbox, client):
    sandbox.turn("settings", missing_events=0.3)
    made = {client.v1.customers.create({}).id for _ in range(60)}

    events = client.v1.events.list({"type": "customer.created", "limit": 100}).data

    told = {event.data.object.id for event in events}
    assert {customer.id for customer in client.v1.customers.list({"limit": 100}).data} == made
    assert told < made
    assert 25 <= len(told) <= 55


def test_an_event_that_no_endpoint_got_is_found_by_its_failure(sandbox, client, receiver, eventually):
    client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["customer.created"]})
    sandbox.turn("delivery", loss=1.0)
    lost = client.v1.customers.create({}).id
    sandbox.turn("delivery", loss=0.0)
    arrived = client.v1.customers.create({}).id

    def about(*, success: bool) -> list[str]:
        events = client.v1.events.list({"type": "customer.created", "delivery_success": success}).data
        return [event.data.object.id for event in events]

    eventually(lambda: about(success=True) == [arrived])
    assert about(success=False) == [lost]


def test_an_event_that_is_lost_altogether_is_nowhere(sandbox, client):
    sandbox.turn("settings", missing_events=1.0)

    client.v1.customers.create({})

    assert client.v1.events.list().data == []
    assert len(client.v1.customers.list().data) == 1


def test_any_event_can_be_made_up(sandbox, client):
    sandbox.turn("events", type="payout.paid", object={"id": "po_1", "object": "payout", "livemode": False})

    (event,) = client.v1.events.list({"type": "payout.paid"}).data

    assert event.data.object.id == "po_1"


def test_a_made_up_event_needs_a_type(sandbox):
    answer = requests.post(f"{sandbox.url}/_sandbox/events", json={"object": {}}, timeout=60)

    assert (answer.status_code, answer.json()) == (400, {"error": "'type' is missing"})
