"""This module delivers events to webhook endpoints: signed, at least once, and as badly as it is told to."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from connectors.sandbox.stripe.errors import ApiError
from connectors.sandbox.stripe.posting import DeliveryFailed, Poster
from connectors.sandbox.stripe.printing import printed
from connectors.sandbox.stripe.showing import NEWEST_CHANGE, shown
from connectors.sandbox.stripe.signing import signature_header
from connectors.sandbox.stripe.state import API_VERSION
from connectors.sandbox.stripe.webhook_endpoints import check_url

if TYPE_CHECKING:
    from connectors.sandbox.stripe.state import StripeState

KEPT = 20_000
HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    "Accept": "*/*; q=0.5, application/xml",
    "Cache-Control": "no-cache",
}


@dataclass(slots=True)
class Manner:
    """How deliveries are made (`POST /_sandbox/delivery`). Chances are probabilities from 0 to 1."""

    seed: int = 1
    duplicates: float = 0.0  # the event is delivered a second time, within the window
    disorder: float = 0.0  # the event waits, so that later ones overtake it
    loss: float = 0.0  # the event is never delivered to this endpoint, only listed
    window: float = 0.5  # seconds that a held or second delivery waits at most
    retry_seconds: list[float] = field(default_factory=lambda: [0.5, 1, 2, 5, 10, 30, 60, 120, 300])
    timeout: float = 10.0
    concurrency: int = 32
    paused: bool = False


def manner_from(data: dict[str, Any], old: Manner) -> Manner:
    """
    Return the manner after a change.

    :raises ValueError: for a name or value that it does not have
    """
    unknown = sorted(set(data) - set(asdict(old)))
    if unknown:
        raise ValueError(f"Delivery has no {', '.join(unknown)}")
    manner = Manner(**{**asdict(old), **data})
    if not all(0 <= chance <= 1 for chance in (manner.duplicates, manner.disorder, manner.loss)):
        raise ValueError("duplicates, disorder and loss are probabilities from 0 to 1")
    return manner


@dataclass(slots=True)
class Attempt:
    """One attempt to deliver, as `GET /_sandbox/deliveries` lists it."""

    event: str
    type: str
    endpoint: str
    attempt: int
    at: float
    duration: float
    status: int | None
    failure: str
    outcome: str  # delivered, failed, given up


class Deliveries:
    """What is on its way to the endpoints. `counts` proves that duplicates, disorder and loss did happen."""

    def __init__(self, state: StripeState) -> None:
        self._state = state
        self._poster = Poster()
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[tuple[dict[str, Any], str, int]] = []
        self._pending: dict[str, set[str]] = {}  # event -> endpoints that have not got it
        self.attempts: deque[Attempt] = deque(maxlen=KEPT)
        self.counts: Counter[str] = Counter()
        self.use(Manner())
        state.listeners.append(self.schedule)

    def use(self, manner: Manner) -> None:
        """Deliver in this manner from now on; the dice begin again with its seed."""
        self.manner = manner
        self._dice = random.Random(manner.seed)
        self._places = asyncio.Semaphore(manner.concurrency)
        if not manner.paused:
            held, self._held = self._held, []
            for event, endpoint_id, attempt in held:
                self._begin(event, endpoint_id, attempt)

    def schedule(self, event: dict[str, Any], endpoints: list[dict[str, Any]]) -> None:
        """Send a new event on its way to the endpoints that want it."""
        if endpoints:
            self._pending[event["id"]] = {endpoint["id"] for endpoint in endpoints}
        for endpoint in endpoints:
            self.counts["scheduled"] += 1
            # Always three dice, so that one chance does not shift the luck of another.
            lost, held, doubled = (self._dice.random() for _ in range(3))
            if lost < self.manner.loss:
                self.counts["lost"] += 1
                continue
            wait = 0.0
            if held < self.manner.disorder:
                self.counts["disordered"] += 1
                wait = self.manner.window * (0.5 + self._dice.random() / 2)
            rendered = self._rendered(event, endpoint)
            self._after(wait, rendered, endpoint["id"], 1)
            if doubled < self.manner.duplicates:
                self.counts["duplicated"] += 1
                self._after(self.manner.window * self._dice.random(), rendered, endpoint["id"], 1)

    def resend(self, event: dict[str, Any], endpoint_id: str) -> None:
        """Deliver an event once more, as the button in Stripe's dashboard does."""
        self.counts["resent"] += 1
        endpoint = self._target(endpoint_id)
        if endpoint is not None:
            self._begin(self._rendered(event, endpoint), endpoint_id, 1)

    def reset(self) -> None:
        """Forget what is on its way and what was counted, and deliver well again."""
        self._held.clear()
        for task in self._tasks:
            task.cancel()
        self.attempts.clear()
        self.counts.clear()
        self._pending.clear()
        self.use(Manner())

    async def stop(self) -> None:
        """Cancel what is on its way and close the connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._poster.close()

    @property
    def under_way(self) -> int:
        """Return how many attempts are being made or held right now."""
        return len(self._tasks) + len(self._held)

    def _target(self, endpoint_id: str) -> dict[str, Any] | None:
        """Return the webhook endpoint or event destination of an id."""
        state = self._state
        return state.webhook_endpoints.get(endpoint_id) or state.event_destinations.get(endpoint_id)

    def _rendered(self, event: dict[str, Any], endpoint: dict[str, Any]) -> dict[str, Any]:
        """Return the event in the shape of the endpoint's own version, made once and for all deliveries."""
        if event["object"] != "event":
            return event
        version = endpoint["api_version"] or API_VERSION
        data = event["data"]
        if version < NEWEST_CHANGE:
            found = shown(self._state, version, msgspec.json.decode(data["object"]))
            data = {**data, "object": msgspec.Raw(msgspec.json.encode(found))}
        return {**event, "api_version": version, "data": data}

    def _after(self, seconds: float, event: dict[str, Any], endpoint_id: str, attempt: int) -> None:
        if seconds <= 0:
            self._begin(event, endpoint_id, attempt)
        else:
            self._state.agenda.after(seconds, partial(self._begin, event, endpoint_id, attempt))

    def _begin(self, event: dict[str, Any], endpoint_id: str, attempt: int) -> None:
        if self.manner.paused:
            self._held.append((event, endpoint_id, attempt))
            return
        task = asyncio.get_running_loop().create_task(self._deliver(event, endpoint_id, attempt))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, event: dict[str, Any], endpoint_id: str, attempt: int) -> None:
        async with self._places:
            endpoint = self._target(endpoint_id)
            if endpoint is None or endpoint["status"] != "enabled":
                self.counts["dropped"] += 1  # a deleted or disabled endpoint gets no retries
                return
            at, clock = self._state.now(), time.perf_counter()
            status, failure = await self._post(event, endpoint)
        delivered = status is not None and 200 <= status < 300
        retries = self.manner.retry_seconds
        outcome = "delivered" if delivered else "failed" if attempt <= len(retries) else "given up"
        self.counts[outcome] += 1
        duration = time.perf_counter() - clock
        self.attempts.append(
            Attempt(event["id"], event["type"], endpoint_id, attempt, at, duration, status, failure, outcome)
        )
        if delivered:
            self._settle(event, endpoint_id)
        elif outcome == "failed":
            self.counts["retried"] += 1
            self._after(retries[attempt - 1], event, endpoint_id, attempt + 1)

    async def _post(self, event: dict[str, Any], endpoint: dict[str, Any]) -> tuple[int | None, str]:
        now = self._state.now()
        body = printed(event)
        secrets = [
            secret.value
            for secret in self._state.secrets.get(endpoint["id"], [])
            if secret.expires is None or secret.expires > now
        ]
        headers = {**HEADERS, "Stripe-Signature": signature_header(body, secrets, now=int(now))}
        try:
            url = endpoint["url"] if "url" in endpoint else endpoint["webhook_endpoint"]["url"]
            check_url(url)
            status = await self._poster.post(url, headers=headers, body=body, timeout=self.manner.timeout)
        except (ApiError, DeliveryFailed) as reason:
            return None, str(reason)
        return status, "" if 200 <= status < 300 else f"HTTP {status}"

    def _settle(self, event: dict[str, Any], endpoint_id: str) -> None:
        """Take the endpoint off those that have not got the event."""
        pending = self._pending.get(event["id"], set())
        pending.discard(endpoint_id)
        stored = self._state.events.get(event["id"])  # a thin event tells nothing of its deliveries
        if stored is not None:
            stored["pending_webhooks"] = len(pending)
        if not pending:
            self._pending.pop(event["id"], None)
