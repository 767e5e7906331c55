"""This module is the bridge with somebody who listens to the org, and what people do in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

from connectors import gateway
from connectors.models import Topic
from flows.listening import Listener
from flows.models import Deployment, Event
from tests.journeys.bridge import Bridge, until

TOPICS = ("/data/AccountChangeEvent", "/data/OpportunityChangeEvent", "/event/Opportunity_Closed_Won__e")


@dataclass
class Office:
    """The bridge with a listener, and what people do in the org."""

    bridge: Bridge
    listener: Listener

    def change(self, object_: str, act: str = "update", **more: Any) -> str:
        """Change a record as a person does, and return its id."""
        return str(self.bridge.salesforce.turn("changes", object=object_, act=act, **more)["id"])

    def heard(self, number: int) -> None:
        """Wait until the inbox has so many events of the org."""
        until(lambda: self.events().count() >= number, what=f"event {number} of the org", seconds=60)
        self.bridge.drain()

    def events(self) -> Any:
        """Return what came from the org, oldest first."""
        return Event.objects.filter(connection=self.bridge.pair.salesforce_id).order_by("id")

    def fates(self) -> list[tuple[str, str, str]]:
        """Return type, fate and reason of each event of the org."""
        return list(self.events().values_list("type", "fate", "fate_reason"))

    def customer(self, account: str, **values: Any) -> str:
        """Make the customer of an account in Stripe, as somebody did long ago, and return its id."""
        made = self.bridge.ask(
            "POST", "/v1/customers", **{"metadata[salesforce_account_id]": account}, **values
        )
        return str(made["id"])

    def writes(self, customer: str) -> int:
        """Return how often a customer was written to."""
        return self.bridge.stripe.calls(f"/v1/customers/{customer}", "POST")


@pytest.fixture
def office(bridge: Bridge) -> Iterator[Office]:
    Deployment.objects.update(enabled=False)
    bus = bridge.salesforce.look("pubsub")
    bridge.pair.salesforce.configure(event_bus=bus["endpoint"], event_bus_certificate=bus["ca"])
    gateway.forget_all()
    now = timezone.now()
    for name in TOPICS:
        Topic.objects.create(connection=bridge.pair.salesforce, name=name, created_at=now)
    listener = Listener()

    def hears() -> bool:
        listener.turn()
        return {stream["topic"] for stream in bridge.salesforce.look("pubsub")["streams"]} >= set(TOPICS)

    until(hears, what="hearing the org", seconds=60)
    yield Office(bridge, listener)
    listener.stop()
