"""This module tests thin events: small, signed as all are, and to be looked up."""

from __future__ import annotations

import pytest
import stripe


def destination(client: stripe.StripeClient, url: str, *types: str) -> stripe.v2.core.EventDestination:
    """Make a destination for thin events and return it with its secret."""
    return client.v2.core.event_destinations.create(
        {
            "name": "Thin",
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": list(types),
            "webhook_endpoint": {"url": url},
            "include": ["webhook_endpoint.signing_secret", "webhook_endpoint.url"],
        }
    )


def test_a_thin_event_is_verified_and_fetched_by_the_sdk(sandbox, client, receiver, eventually):
    place = destination(client, receiver.url, "v1.charge.succeeded")
    intent = sandbox.pay(client)

    (item,) = eventually(lambda: list(receiver.deliveries))
    secret = place.webhook_endpoint.signing_secret
    notification = client.parse_event_notification(item.raw, item.signature, secret)
    event = notification.fetch_event()
    charge = notification.fetch_related_object()

    (snapshot,) = client.v1.events.list({"type": "charge.succeeded"}).data
    assert isinstance(notification, stripe.events.V1ChargeSucceededEventNotification)
    assert (charge.id, charge.status) == (intent.latest_charge, "succeeded")
    assert (event.id, event.type, event.snapshot_event) == (
        notification.id,
        "v1.charge.succeeded",
        snapshot.id,
    )
    assert notification.reason.request.id == intent.last_response.request_id
    assert "data" not in item.event
    assert item.event["created"].endswith("Z")


def test_a_wrong_secret_does_not_verify_it(sandbox, client, receiver, eventually):
    destination(client, receiver.url, "*")
    client.v1.customers.create({})
    (item,) = eventually(lambda: list(receiver.deliveries))

    with pytest.raises(stripe.SignatureVerificationError):
        client.parse_event_notification(item.raw, item.signature, "whsec_another")


def test_a_destination_gets_what_it_asked_for_and_only_while_it_is_enabled(client, receiver, eventually):
    place = destination(client, receiver.url, "v1.customer.created")
    destinations = client.v2.core.event_destinations
    client.v1.customers.create({})
    client.v1.products.create({"name": "Gold"})
    destinations.disable(place.id)
    client.v1.customers.create({})
    destinations.enable(place.id)
    last = client.v1.customers.create({}).id

    eventually(lambda: len(receiver.deliveries) == 2)

    assert [item.event["type"] for item in receiver.deliveries] == ["v1.customer.created"] * 2
    assert last in {item.event["related_object"]["id"] for item in receiver.deliveries}
    assert [found.id for found in destinations.list().data] == [place.id]
    destinations.delete(place.id)
    with pytest.raises(stripe.InvalidRequestError) as gone:
        destinations.retrieve(place.id)
    assert gone.value.error.code == "not_found"


def test_the_secret_of_a_destination_is_told_once(client, receiver):
    place = destination(client, receiver.url, "*")

    again = client.v2.core.event_destinations.retrieve(place.id, {"include": ["webhook_endpoint.url"]})

    assert place.webhook_endpoint.signing_secret.startswith("whsec_")
    assert (again.webhook_endpoint.url, again.webhook_endpoint.signing_secret) == (receiver.url, None)


def test_a_thin_event_is_gone_after_thirty_days(sandbox, client, receiver, eventually):
    destination(client, receiver.url, "*")
    client.v1.customers.create({})
    (item,) = eventually(lambda: list(receiver.deliveries))
    assert client.v2.core.events.retrieve(item.event["id"]).type == "v1.customer.created"

    sandbox.turn("clock", offset=31 * 86_400)

    with pytest.raises(stripe.InvalidRequestError):
        client.v2.core.events.retrieve(item.event["id"])


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"name": "x"}'])
def test_a_destination_that_is_none_is_refused(sandbox, body):
    answer = sandbox.raw("POST", "/v2/core/event_destinations", data=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
