"""This module holds the hands that the connector tests lay on the two simulated services."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from connectors.sandbox import serving
from connectors.sandbox.salesforce.app import create as create_salesforce
from connectors.sandbox.stripe.app import create as create_stripe

CONSUMER_KEY = "3MVG9.planted_consumer_key"
USERNAME = "integrator@acme.test"
STRIPE_KEY = "sk_test_sandbox"


@contextmanager
def both_services() -> Iterator[dict[str, str]]:
    """Run both services in a thread and yield their addresses."""
    ready, addresses = threading.Event(), {}
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def note(found: dict[str, str]) -> None:
        addresses.update(found)
        ready.set()

    def run() -> None:
        apps = {"stripe": create_stripe(), "salesforce": create_salesforce()}
        loop.run_until_complete(serving.serve(apps, {}, on_ready=note, stop=stop))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=run, name="sandbox")
    thread.start()
    assert ready.wait(20)
    try:
        yield addresses
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)


class Sandbox:
    """One simulated service: what can be done to it and seen of it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.app: dict[str, str] = {}  # the External Client App as it was registered
        self._http = requests.Session()
        self._http.trust_env = False

    def post(self, name: str, **body: Any) -> Any:
        answer = self._http.post(f"{self.address}/_sandbox/{name}", json=body, timeout=20)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def get(self, name: str, **query: Any) -> Any:
        answer = self._http.get(f"{self.address}/_sandbox/{name}", params=query, timeout=20)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def delete(self, name: str) -> None:
        self._http.delete(f"{self.address}/_sandbox/{name}", timeout=20)

    def break_(self, kind: str, **fault: Any) -> None:
        """Put a fault on the menu."""
        self.post("faults", kind=kind, **fault)

    def fired(self) -> dict[str, int]:
        """Return how often each fault on the menu fired; the journal may still hear of a test before."""
        return {fault["kind"]: fault["fired"] for fault in self.get("faults")["faults"]}

    def calls(self, path: str, method: str = "") -> list[dict[str, Any]]:
        """Return the calls whose path matches, oldest first."""
        return list(self.get("journal", path=path, method=method)["calls"])

    def logins(self) -> int:
        """Return how often the token endpoint was asked."""
        return len(self.calls("/services/oauth2/token"))

    def close(self) -> None:
        self._http.close()
