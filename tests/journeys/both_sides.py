"""This module is the bridge with flows of both directions, and people who change either side."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from connectors import gateway
from connectors.models import Topic
from flows import publishing
from flows.listening import Listener
from flows.models import Deployment, Event, Flow, LinkChange
from tests.journeys.bridge import Bridge, until

ACCOUNTS = "/data/AccountChangeEvent"


def into_salesforce(**rules: Any) -> dict[str, Any]:
    lines = [
        {"field": "Integration_Key__c", "from": "customer.id"},
        {"field": "Name", "from": "customer.name"},
        {"field": "Phone", "from": "customer.phone", "empty": "clear"},
    ]
    saved = {"object": "Account", "external_id": "Integration_Key__c", "record": "describe", "two_way": rules}
    return {
        "format": 1,
        "name": "Customers into accounts",
        "trigger": {"kind": "stripe.event", "types": ["customer.created", "customer.updated"]},
        "steps": [
            {"id": "describe", "kind": "map", "settings": {"target": "Account", "lines": lines}},
            {"id": "save", "kind": "salesforce.upsert", "settings": saved},
        ],
    }


def into_stripe(**rules: Any) -> dict[str, Any]:
    changed = {
        "object": "customer",
        "id": "Account.Integration_Key__c",
        "parameters": {"name": "Account.Name", "phone": "Account.Phone"},
        "two_way": rules,
    }
    return {
        "format": 1,
        "name": "Accounts into customers",
        "trigger": {"kind": "salesforce.change", "object": "Account"},
        "steps": [{"id": "change", "kind": "stripe.update", "settings": changed}],
    }


@dataclass
class BothSides:
    """The bridge with flows of both directions, and people who change either side."""

    bridge: Bridge
    listener: Listener
    last: str = ""  # the last event of Stripe that was delivered
    ids: dict[str, str] = field(default_factory=dict)  # of records, by customer

    def live(self, **rules: Any) -> None:
        """Publish both flows with the same rules, and let them run."""
        now = timezone.now()
        for document in (into_salesforce(**rules), into_stripe(**rules)):
            slug = document["name"].lower().replace(" ", "-")
            flow = Flow.objects.create(
                integration=self.bridge.pair.integration, slug=slug, name=document["name"]
            )
            version = publishing.publish(flow=flow, document=document, actor="ada", now=now)
            publishing.deploy(version=version, pair=self.bridge.pair, actor="ada", now=now)

    def customers(self, number: int) -> list[str]:
        """Make so many customers at once, and let them have their Accounts."""
        with ThreadPoolExecutor(8) as people:
            made = list(people.map(lambda at: self._customer(f"Customer {at}"), range(number)))
        self.settle()
        records = self.bridge.salesforce.look("records", object="Account", limit=1000)["records"]
        self.ids = {record["Integration_Key__c"]: record["Id"] for record in records}
        return made

    def _customer(self, name: str) -> str:
        return str(self.bridge.ask("POST", "/v1/customers", name=name, phone="1")["id"])

    def in_stripe(self, customer: str, **values: str) -> None:
        self.bridge.ask("POST", f"/v1/customers/{customer}", **values)

    def in_salesforce(self, customer: str, act: str = "update", **values: str) -> None:
        self.bridge.salesforce.turn(
            "changes", object="Account", act=act, id=self.ids[customer], values=values
        )

    def settle(self) -> None:
        """Tell both flows what has happened, until nothing more happens."""
        while self.tell():
            self.bridge.drain(seconds=60)

    def tell(self) -> bool:
        """Hand over what both sides have told since the last time, and say whether that was anything."""
        events = self._new_events()
        if events:
            self.last = events[-1]["id"]
        self.bridge.deliver(*(one for one in events if one["type"].startswith("customer.")))
        heard = Event.objects.filter(connection=self.bridge.pair.salesforce_id)
        until(lambda: heard.count() >= self.on_the_bus(), seconds=60, what="hearing all of the org")
        return Event.objects.filter(dispatched_at=None).exists()

    def on_the_bus(self) -> int:
        return int(self.bridge.salesforce.look("pubsub")["events"].get(ACCOUNTS, 0))

    def _new_events(self) -> list[dict[str, Any]]:
        """Return what Stripe has told since the last look, oldest first."""
        found: list[dict[str, Any]] = []
        after: dict[str, str] = {}
        while True:
            page = self.bridge.ask("GET", "/v1/events", limit=100, **after)
            for event in page["data"]:
                if event["id"] == self.last:
                    return found[::-1]
                found.append(event)
            if not page["has_more"]:
                return found[::-1]
            after = {"starting_after": found[-1]["id"]}

    def stand(self) -> dict[str, tuple[Any, Any, Any, Any]]:
        """Return name and phone of both sides by customer: Stripe's first."""
        records = self.bridge.salesforce.look("records", object="Account", limit=1000)["records"]
        accounts = {record["Integration_Key__c"]: record for record in records}
        with ThreadPoolExecutor(8) as people:
            found = people.map(lambda one: self.bridge.ask("GET", f"/v1/customers/{one}"), accounts)
            return {
                one["id"]: (
                    one["name"], one["phone"], accounts[one["id"]]["Name"], accounts[one["id"]].get("Phone"),
                )
                for one in found
            }  # fmt: skip

    def writes(self) -> tuple[int, int]:
        """Return how often Stripe and Salesforce were written to by the product."""
        written = LinkChange.objects.filter(how__in=["written", "decided"])
        return written.filter(side="stripe").count(), written.filter(side="salesforce").count()


@contextmanager
def between(bridge: Bridge) -> Iterator[BothSides]:
    """Switch the flows of the bridge off, and listen to the org's Accounts."""
    Deployment.objects.update(enabled=False)
    bus = bridge.salesforce.look("pubsub")
    bridge.pair.salesforce.configure(event_bus=bus["endpoint"], event_bus_certificate=bus["ca"])
    gateway.forget_all()
    Topic.objects.create(connection=bridge.pair.salesforce, name=ACCOUNTS, created_at=timezone.now())
    listener = Listener()

    def hears() -> bool:
        listener.turn()
        return any(one["topic"] == ACCOUNTS for one in bridge.salesforce.look("pubsub")["streams"])

    until(hears, what="hearing the org", seconds=60)
    yield BothSides(bridge, listener)
    listener.stop()
