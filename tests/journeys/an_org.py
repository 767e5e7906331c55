"""This module is an org that tells of its changes on a real bus, and a live flow that such changes start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import requests
from django.utils import timezone

from connectors import gateway
from connectors.models import Connection, Topic
from flows import payloads, polling, publishing, resyncs, runner
from flows.dispatch import dispatch
from flows.lanes import WorkerLease
from flows.listening import Listener
from flows.models import Event, Flow, Integration, Pair, Resync
from flows.routes import ROUTES
from tests.builders import an_environment
from tests.journeys.bridge import KEY, Service, connect, until

ACCOUNTS = "/data/AccountChangeEvent"
FOLLOWS: dict[str, Any] = {
    "format": 1,
    "name": "Names of customers",
    "trigger": {
        "kind": "salesforce.change",
        "object": "Account",
        "changes": ["created", "updated", "deleted", "undeleted"],
    },
    "steps": [
        {
            "id": "customer",
            "kind": "stripe.find",
            "settings": {
                "object": "customer",
                "by": "metadata",
                "key": "salesforce_account_id",
                "value": "event.record_id",
            },
            "exits": {
                "found": [
                    {
                        "id": "rename",
                        "kind": "stripe.update",
                        "settings": {
                            "object": "customer",
                            "id": "steps.customer.id",
                            "parameters": {"name": "Account.Name"},
                        },
                    }
                ]
            },
        }
    ],
}


@dataclass
class AnOrg:
    """The org, its connection, and whoever listens."""

    service: Service
    stripe: Service
    pair: Pair
    listener: Listener
    worker: WorkerLease = field(default_factory=lambda: WorkerLease("journeys"))

    @property
    def crm(self) -> Connection:
        return self.pair.salesforce

    def change(self, act: str, **data: Any) -> str:
        """Change an Account as a person does in the browser, and return its id."""
        return str(self.service.turn("changes", object="Account", act=act, **data)["id"])

    def create(self, name: str) -> str:
        return self.change("create", values={"Name": name})

    def later(self, seconds: float) -> None:
        """Set the org's clock ahead of ours, so that whatever happened is over."""
        self.service.turn("org", skew=seconds)

    def hears(self, topic: str = ACCOUNTS) -> Topic:
        """Listen to a topic until it is heard."""
        found, _ = Topic.objects.get_or_create(
            connection=self.crm, name=topic, defaults={"created_at": timezone.now()}
        )

        def turned() -> bool:
            self.listener.turn()
            return any(one["topic"] == topic for one in self.service.look("pubsub")["streams"])

        until(turned, seconds=60, what="the topic is heard")
        return found

    def kept(self, number: int) -> None:
        """Wait until so many events were kept."""
        until(lambda: Event.objects.count() >= number, seconds=60, what=f"{number} events are kept")

    def look_at_events(self) -> None:
        """Take what came out of the inbox, long after it happened, so that nothing of it is in doubt."""
        while dispatch(now=timezone.now() + timedelta(minutes=1)):
            pass

    def compare(self) -> Resync:
        """Compare what is wanted to its end, and return the comparison."""
        resyncs.go_due(now=timezone.now())
        found = Resync.objects.latest("id")
        assert not found.is_unfinished, found.failure
        return found

    def poll(self, *, after: timedelta = timedelta(0)) -> int:
        """Ask as the poller does, so much later than now."""
        return polling.poll_due(now=timezone.now() + after)

    def work(self) -> None:
        """Handle whatever came in, to its end."""
        while runner.work(self.worker, lambda: True):
            pass

    def customer(self, account: str, name: str) -> str:
        """Make a customer at Stripe that belongs to an Account, and return its id."""
        return str(
            self._ask("POST", "/v1/customers", name=name, **{"metadata[salesforce_account_id]": account})[
                "id"
            ]
        )

    def name_of(self, customer: str) -> str:
        """Return what Stripe calls a customer."""
        return str(self._ask("GET", f"/v1/customers/{customer}")["name"])

    def _ask(self, method: str, path: str, **data: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {KEY}"}
        answer = requests.request(method, self.stripe.url + path, data=data, headers=headers, timeout=30)
        assert answer.ok, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def told(self) -> list[tuple[str, str]]:
        """Return what the inbox holds: the type and the record of each event, in order."""
        rows = Event.objects.order_by("id").values_list("type", "object_id")
        return list(rows)


def body_of(event: Event) -> dict[str, Any]:
    return payloads.open_body(event.body, connection_id=event.connection_id)


def let_hear(crm: Connection, salesforce: Service) -> None:
    """Tell a connection where its org's bus is."""
    bus = salesforce.look("pubsub")
    crm.configure(event_bus=bus["endpoint"], event_bus_certificate=bus["ca"])
    gateway.forget_all()


def follow_accounts(pair: Pair) -> None:
    """Switch the flow on that changed Accounts start."""
    now = timezone.now()
    flow = Flow.objects.create(integration=pair.integration, slug="accounts", name="Accounts")
    version = publishing.publish(flow=flow, document=FOLLOWS, actor="ada", now=now)
    publishing.deploy(version=version, pair=pair, actor="ada", now=now)


@contextmanager
def an_org(stripe: Service, salesforce: Service) -> Iterator[AnOrg]:
    """Connect an empty org whose bus can be heard, and switch a flow on that follows its Accounts."""
    ROUTES.forget()
    gateway.forget_all()
    environment = an_environment("dev")
    money, crm = connect(environment, stripe, salesforce)
    salesforce.turn("org", skew=0)
    let_hear(crm, salesforce)
    integration = Integration.objects.create(workspace=environment.workspace, slug="billing", name="Billing")
    pair = Pair.objects.create(integration=integration, environment=environment, stripe=money, salesforce=crm)
    follow_accounts(pair)
    listener = Listener()
    try:
        yield AnOrg(salesforce, stripe, pair, listener)
    finally:
        listener.stop()
        salesforce.turn("org", skew=0)
        ROUTES.forget()
        gateway.forget_all()
