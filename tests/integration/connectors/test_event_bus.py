"""The listener and the simulated org's event bus, which share no code, understand each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connectors import gateway
from connectors.models import Connection, Topic
from flows import payloads
from flows.listening import Listener
from flows.models import Event, Resync
from tests.builders import NOON
from tests.integration.connectors.rig import Sandbox
from tests.stage import until

TOPIC = "/data/AccountChangeEvent"


@pytest.fixture
def topic(crm: Connection, org: Sandbox) -> Topic:
    bus = org.get("pubsub")
    crm.configure(event_bus=bus["endpoint"], event_bus_certificate=bus["ca"])
    gateway.forget_all()
    return Topic.objects.create(connection=crm, name=TOPIC, created_at=NOON)


@pytest.fixture
def listener(topic: Topic, org: Sandbox) -> Iterator[Listener]:
    found = Listener()
    hears(found, org)
    yield found
    found.stop()


def hears(listener: Listener, org: Sandbox) -> None:
    def turned() -> bool:
        listener.turn()
        return any(stream["topic"] == TOPIC for stream in org.get("pubsub")["streams"])

    until(turned, seconds=60, what="the topic is heard", found=lambda: list(Topic.objects.values()))


def event(number: int) -> dict[str, Any]:
    """Return the body of an event that was kept, counted from 1."""
    until(lambda: Event.objects.count() >= number, seconds=60, what=f"event {number} is kept")
    found = Event.objects.order_by("id")[number - 1]
    return {"type": found.type, **payloads.open_body(found.body, connection_id=found.connection_id)}


def test_what_people_change_is_heard_as_they_changed_it(topic, listener, org):
    made = org.post("changes", act="create", object="Account", values={"Name": "Acme", "Phone": "1"})
    created = event(1)
    org.post(
        "changes", act="update", object="Account", id=made["id"],
        values={"Phone": None, "BillingCity": "Bern"},
    )  # fmt: skip
    updated = event(2)
    org.post("changes", act="delete", object="Account", id=made["id"])
    deleted = event(3)

    assert (created["type"], created["record_ids"]) == ("Account.created", [made["id"]])
    assert created["data"]["object"]["Name"] == "Acme"
    assert updated["type"] == "Account.updated"
    assert updated["data"]["object"].items() >= {"Phone": None, "BillingCity": "Bern"}.items()
    assert "Name" not in updated["data"]["object"]
    assert "Phone" in updated["nulled"]
    assert deleted["type"] == "Account.deleted"


def test_what_we_write_comes_back_with_our_name(topic, listener, org):
    request = {"object": "Account", "external_id_field": "Integration_Key__c", "external_id": "k1",
               "values": {"Name": "Acme"}}  # fmt: skip
    (answer,) = gateway.call_many(connection_id=topic.connection_id, action="upsert", requests=[request])

    heard = event(1)

    assert heard["record_ids"] == [answer["id"]]
    assert "client=Integrator" in heard["header"]["changeOrigin"]


def test_nothing_is_missed_while_the_stream_is_broken(topic, listener, org):
    org.post("changes", act="create", object="Account", values={"Name": "first"})
    event(1)
    org.post("pubsub/cut", topic=TOPIC)
    org.post("changes", act="create", object="Account", values={"Name": "second"})

    hears(listener, org)

    assert event(2)["data"]["object"]["Name"] == "second"
    assert Event.objects.count() == 2


def test_a_forgotten_position_is_followed_by_a_comparison_of_the_records(topic, listener, org):
    org.post("changes", act="create", object="Account", values={"Name": "first"})
    event(1)
    org.post("pubsub/expire")
    org.post("pubsub/cut", topic=TOPIC)

    def compares() -> bool:
        listener.turn()
        return Resync.objects.filter(object="Account").exists()

    until(compares, seconds=60, what="records are compared", found=lambda: list(Topic.objects.values()))
    hears(listener, org)
    assert not Topic.objects.filter(stopped=True).exists()
