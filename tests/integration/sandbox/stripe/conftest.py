"""This module runs the simulated Stripe over real HTTP, beside a receiver of its webhooks."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
import stripe

from connectors.sandbox import serving
from connectors.sandbox.stripe.app import create
from tests.integration.sandbox.stripe.billing_rig import JANUARY, Shop

SECRET_KEY = "sk_test_sandbox"
PATIENCE = 30.0  # seconds: a busy machine may take its time
NEVER_REDIRECT = {"enabled": True, "allow_redirects": "never"}


@dataclass
class Sandbox:
    """The running service, and short words for what tests do with it."""

    url: str

    def client(self, key: str = SECRET_KEY, **options: Any) -> stripe.StripeClient:
        """Return the real SDK's client, pointed at the sandbox."""
        http = stripe.RequestsClient(timeout=options.pop("timeout", PATIENCE))
        return stripe.StripeClient(key, base_addresses={"api": self.url}, http_client=http, **options)

    def turn(self, lever: str, **data: Any) -> dict[str, Any]:
        """Post to a control endpoint."""
        answer = requests.post(f"{self.url}/_sandbox/{lever}", json=data, timeout=PATIENCE)
        assert answer.ok, answer.text
        return answer.json()

    def look(self, lever: str, **query: Any) -> dict[str, Any]:
        """Get a control endpoint."""
        answer = requests.get(f"{self.url}/_sandbox/{lever}", params=query, timeout=PATIENCE)
        assert answer.ok, answer.text
        return answer.json()

    def raw(self, method: str, path: str, **options: Any) -> requests.Response:
        """Call the API without the SDK."""
        headers = {"Authorization": f"Bearer {SECRET_KEY}", **options.pop("headers", {})}
        return requests.request(method, self.url + path, headers=headers, timeout=PATIENCE, **options)

    def pay(
        self, client: stripe.StripeClient, card: str = "pm_card_visa", **values: Any
    ) -> stripe.PaymentIntent:
        """Make and confirm a payment intent."""
        fixed = {"amount": 1999, "currency": "usd", "payment_method": card, "confirm": True}
        return client.v1.payment_intents.create(
            {**fixed, "automatic_payment_methods": NEVER_REDIRECT, **values}
        )


@dataclass
class Received:
    """One delivery as it arrived."""

    raw: bytes
    signature: str
    at: float

    @property
    def event(self) -> dict[str, Any]:
        """Return the event."""
        return json.loads(self.raw)


@dataclass
class Receiver:
    """A webhook receiver that answers as it is told to: the statuses in turn, then 200."""

    url: str
    deliveries: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def ids(self, kind: str = "") -> list[str]:
        """Return the ids of the events received, of one type."""
        return [item.event["id"] for item in list(self.deliveries) if kind in {"", item.event["type"]}]


@pytest.fixture(scope="session")
def service() -> Iterator[Sandbox]:
    """Serve one sandbox for all tests, as `manage.py sandbox` does."""
    loop, ready, found = asyncio.new_event_loop(), threading.Event(), {}
    stop = asyncio.Event()

    def announce(addresses: dict[str, str]) -> None:
        found.update(addresses)
        ready.set()

    serve = serving.serve({"stripe": create()}, {}, on_ready=announce, stop=stop)
    thread = threading.Thread(target=loop.run_until_complete, args=(serve,))
    thread.start()
    assert ready.wait(PATIENCE)
    yield Sandbox(found["stripe"])
    loop.call_soon_threadsafe(stop.set)
    thread.join(PATIENCE)
    loop.close()


@pytest.fixture
def sandbox(service: Sandbox) -> Sandbox:
    """Return an empty sandbox whose balance transactions come quickly."""
    service.turn("reset")
    service.turn("settings", balance_delay=0.02)
    return service


@pytest.fixture
def client(sandbox: Sandbox) -> stripe.StripeClient:
    """Return a client with the test mode's secret key."""
    return sandbox.client()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Receive webhooks on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.deliveries.append(Received(body, self.headers["Stripe-Signature"], time.monotonic()))
            status = found.statuses.pop(0) if found.statuses else 200
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if 300 <= status < 400:
                self.send_header("Location", found.url + "elsewhere")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Receiver(f"http://127.0.0.1:{server.server_port}/hook/")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Return a function that waits until a condition holds, and returns its value."""

    def wait(condition: Callable[[], Any], *, seconds: float = PATIENCE) -> Any:
        limit = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < limit, "It did not happen in time"
            time.sleep(0.01)
        return value

    return wait


@pytest.fixture
def shop(sandbox: Sandbox, client: stripe.StripeClient, eventually: Callable[..., Any]) -> Shop:
    """Return a merchant whose test clock stands at noon of a 31 January."""
    sandbox.turn("settings", balance_delay=0.02, advance_delay=0.005)
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": JANUARY})
    product = client.v1.products.create({"id": "gold-plan", "name": "Gold"})
    return Shop(client, eventually, product.id, clock.id)
