"""
This module is the bridge as its users have it, between a simulated Stripe and a simulated Salesforce.

Everything is judged from outside: by what the simulated services hold, and by what the inbox shows.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.utils import timezone

from connectors import connections, gateway
from connectors.models import Connection
from connectors.sandbox import serving
from connectors.sandbox.salesforce.app import create as create_salesforce
from connectors.sandbox.stripe.app import create as create_stripe
from flows import publishing, runner
from flows.lanes import WorkerLease
from flows.models import Event, Fate, Integration, Lane, Pair, Run
from integrator.accounts.models import Environment
from tests.builders import an_environment
from tests.receiving import SECRET, Served

KEY = "sk_test_sandbox"
USERNAME = "integration@acme.example"
CONSUMER_KEY = "3MVG9.journeys"
_PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE_PEM = _PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_PEM = _PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def until(true: Callable[[], Any], *, seconds: float = 60.0, what: str = "it") -> Any:
    """
    Wait for something to become true and return it.

    :raises AssertionError: if it has not
    """
    ends = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < ends, f"{what} did not happen within {seconds} s"
        time.sleep(0.02)
    return found


class Service:
    """One simulated service: its API by plain HTTP, and its control endpoints."""

    def __init__(self, url: str) -> None:
        self.url = url

    def turn(self, lever: str, method: str = "POST", **data: Any) -> dict[str, Any]:
        """Use a control endpoint."""
        answer = requests.request(method, f"{self.url}/_sandbox/{lever}", json=data, timeout=60)
        assert answer.ok, answer.text
        return answer.json()

    def look(self, lever: str, **query: Any) -> dict[str, Any]:
        """Read a control endpoint."""
        answer = requests.get(f"{self.url}/_sandbox/{lever}", params=query, timeout=60)
        assert answer.ok, answer.text
        return answer.json()

    def break_calls(self, kind: str, path: str, **how: Any) -> int:
        """Put a fault on the menu and return its number."""
        return int(self.turn("faults", kind=kind, match_path=path, **how)["id"])

    def fired(self, fault: int) -> int:
        """Return how often a fault has fired."""
        return next(int(line["fired"]) for line in self.look("faults")["faults"] if line["id"] == fault)

    def calls(self, path: str, method: str = "") -> int:
        """Return how many calls were made to a path."""
        return len(self.look("journal", path=path, method=method)["calls"])


@contextmanager
def serving_both() -> Iterator[tuple[Service, Service]]:
    """Serve both simulated services in a thread and yield (Stripe, Salesforce)."""
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    found: dict[str, str] = {}

    def announce(addresses: dict[str, str]) -> None:
        found.update(addresses)
        ready.set()

    apps = {"stripe": create_stripe(), "salesforce": create_salesforce()}
    serve = serving.serve(apps, {}, on_ready=announce, stop=stop)
    thread = threading.Thread(target=loop.run_until_complete, args=(serve,), daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield Service(found["stripe"]), Service(found["salesforce"])
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()


@dataclass
class Bridge:
    """Two connected systems, the payments flow live between them, and one worker to drain with."""

    stripe: Service
    salesforce: Service
    receiver: Served
    pair: Pair
    hook: str
    worker: WorkerLease = field(default_factory=lambda: WorkerLease("journeys"))

    def pay(self, card: str = "pm_card_visa", amount: int = 1999, **values: Any) -> dict[str, Any]:
        """Let a customer pay at Stripe and return the payment intent, declined or not."""
        data = {
            "amount": amount, "currency": "eur", "payment_method": card, "confirm": "true",
            "automatic_payment_methods[enabled]": "true",
            "automatic_payment_methods[allow_redirects]": "never", **values,
        }  # fmt: skip
        answer = self.ask("POST", "/v1/payment_intents", **data)
        return answer if "id" in answer else answer["error"]["payment_intent"]

    def ask(self, method: str, path: str, **data: Any) -> dict[str, Any]:
        """Ask Stripe as a merchant's own program would."""
        where = {"params": data} if method == "GET" else {"data": data}
        answer = requests.request(
            method, self.stripe.url + path, headers={"Authorization": f"Bearer {KEY}"}, timeout=60, **where
        )
        return answer.json()

    def events(self, intent: dict[str, Any], *types: str) -> list[dict[str, Any]]:
        """Return Stripe's events about a payment, oldest first, in the order of `types` if any are given."""
        found = []
        for event in reversed(self.ask("GET", "/v1/events", limit=100)["data"]):
            about = event["data"]["object"]
            if intent["id"] in {about["id"], about.get("payment_intent")}:
                found.append(event)
        if not types:
            return found
        return [next(event for event in found if event["type"] == wanted) for wanted in types]

    def deliver(self, *events: dict[str, Any]) -> None:
        """Post events to the webhook address as Stripe would, signed, one after the other."""
        for event in events:
            answer = self.receiver.post(self.hook, json.dumps(event).encode())
            assert answer.status == 200

    def turn(self) -> int:
        """Work for one pass: a retry that is due soon has no time to come."""
        return runner.work(self.worker, lambda: True)

    def drain(self, *, seconds: float = 90.0) -> int:
        """Work until nothing is ready, and return how much was handled."""
        ends = time.monotonic() + seconds
        handled = 0
        while done := runner.work(self.worker, lambda: time.monotonic() < ends):
            handled += done
            assert time.monotonic() < ends, "there is no end to it"
        return handled

    def hasten(self) -> None:
        """Make whatever waits for its next attempt due now, as if the time had passed."""
        now = timezone.now() - timedelta(seconds=1)
        Run.objects.filter(state="retrying").update(next_attempt_at=now)
        Lane.objects.filter(runs__state="retrying").update(ready_at=now)
        Connection.objects.filter(state="resting").update(paused_until=now)
        for connection in (self.pair.stripe_id, self.pair.salesforce_id):
            gateway.forget(connection)

    def payments(self) -> dict[str, dict[str, Any]]:
        """Return Salesforce's payments by external id, after making sure that none is there twice."""
        told = self.salesforce.look("records", object="Payment__c")
        assert told["duplicates"] == {}
        return {record["External_ID__c"]: record for record in told["records"]}

    def fates(self) -> dict[str, int]:
        """Return how many events have each fate, after making sure that they add up."""
        counted = Counter(Event.objects.values_list("fate", flat=True))
        assert sum(counted.values()) == Event.objects.count()
        assert set(counted) <= set(Fate.values)
        return dict(counted)


def connect(environment: Environment, stripe: Service, salesforce: Service) -> tuple[Connection, Connection]:
    """Connect both systems, which forget everything before, as an administrator would, and test them."""
    now = timezone.now()
    stripe.turn("reset")
    salesforce.turn("reset")
    salesforce.turn("app", consumer_key=CONSUMER_KEY, public_key_pem=PUBLIC_PEM, username=USERNAME)
    money = connections.create(
        environment=environment, system="stripe", name="Stripe", base_url=stripe.url, settings={},
        secrets={"secret_key": KEY}, actor="ada", now=now,
    )  # fmt: skip
    crm = connections.create(
        environment=environment, system="salesforce", name="Salesforce", base_url=salesforce.url,
        settings={"username": USERNAME},
        secrets={"consumer_key": CONSUMER_KEY, "private_key": PRIVATE_PEM}, actor="ada", now=now,
    )  # fmt: skip
    for connection in (money, crm):
        diagnosis = connections.test(connection=connection, actor="ada", now=now)
        assert diagnosis.ok, diagnosis
    return money, crm


def build(stripe: Service, salesforce: Service, receiver: Served) -> Bridge:
    """Connect both systems, as an administrator would, and switch the payments flow on."""
    now = timezone.now()
    environment = an_environment("dev")
    money, crm = connect(environment, stripe, salesforce)
    stripe.turn("settings", balance_delay=0.02)
    integration = Integration.objects.create(workspace=environment.workspace, slug="billing", name="Billing")
    pair = Pair.objects.create(integration=integration, environment=environment, stripe=money, salesforce=crm)
    version = publishing.install_recipe(slug="payments", integration=integration, actor="ada", now=now)
    publishing.deploy(version=version, pair=pair, actor="ada", now=now)
    endpoint = connections.add_webhook_endpoint(connection=money, secret=SECRET, actor="ada", now=now)
    return Bridge(stripe, salesforce, receiver, pair, str(endpoint))
