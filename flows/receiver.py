"""
This module answers Stripe's deliveries: a raw ASGI application that stands before Django.

It answers 200 only when the event is on disk, and does nothing else in the request.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import structlog

from connectors.stripe import webhooks
from flows import intake, queue
from flows.committer import Committer, Full, Late
from flows.deadlines import Deadlines
from flows.endpoints import Endpoint, Endpoints, Secret, Unavailable
from flows.intake import Arrival
from integrator import telemetry

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

log = structlog.get_logger(__name__)

PREFIX = "/hooks/stripe/"
LARGEST_BODY = 1 << 20  # Stripe's events are far smaller
MOST_UNREAD = 64 << 20  # bytes of unfinished bodies in memory, of all requests together
READ_WITHIN = 30.0  # seconds for a whole body
LOOK_UP_WITHIN = 5.0  # seconds for an endpoint's secrets
RETRY_AFTER = b"5"
LOG_EVERY = 10.0  # seconds between two log lines about refusals, however many there are

# What a sender that is being refused may still send before the line is cut.
_LINGER = 1.0
_LINGER_BYTES = 4 << 20

_PATH = re.compile(re.escape(PREFIX) + r"([A-Za-z0-9_-]{1,24})/?")
_JSON = re.compile(rb"application/json\s*(;.*)?", re.IGNORECASE)


@dataclass(slots=True)
class Counters:
    """What this process has answered since it started. Duplicates are not known here: they are accepted."""

    accepted: int = 0
    unreadable: int = 0
    refused: Counter[str] = field(default_factory=Counter)


class _Answer:
    """What is answered, made ready once: `reason` is for the counters, `closes` if the body was not read."""

    __slots__ = ("closes", "content", "reason", "start", "status")

    def __init__(
        self,
        status: int,
        error: str = "",
        reason: str = "",
        *,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        closes: bool = False,
    ) -> None:
        self.reason, self.status = reason, status
        self.closes = closes
        # Stripe asks for the status alone. What has no body goes out by one call of the system, not by two.
        self.content = json.dumps({"error": error}).encode() if error else b""
        head = [(b"content-length", b"%d" % len(self.content)), *headers]
        if error:
            head.insert(0, (b"content-type", b"application/json"))
        if closes:
            head.append((b"connection", b"close"))
        self.start = {"type": "http.response.start", "status": status, "headers": head}


class _Refused(Exception):
    def __init__(self, answer: _Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


class _Gone(Exception):
    """The sender hung up before its body was complete."""


_ACCEPTED = _Answer(200)
_NO_ENDPOINT = _Answer(404, "There is no such endpoint.", "unknown endpoint", closes=True)
_NO_POST = _Answer(
    405, "Only POST is answered here.", "not a POST", headers=((b"allow", b"POST"),), closes=True
)
_NO_JSON = _Answer(415, "Only application/json without an encoding is read.", "not JSON", closes=True)
_TOO_LARGE = _Answer(413, "The body is larger than 1 MiB.", "too large", closes=True)
_TOO_SLOW = _Answer(408, "The body took longer than 30 seconds.", "too slow", closes=True)


def _busy(reason: str, *, closes: bool = False) -> _Answer:
    later = ((b"retry-after", RETRY_AFTER),)
    return _Answer(503, "Not stored. Please try again later.", reason, headers=later, closes=closes)


def _unproven(reason: str) -> _Answer:
    """Every bad signature gets the same answer; only the counters know why."""
    return _Answer(400, "The signature does not fit.", reason)


@dataclass(frozen=True, slots=True)
class _Head:
    """What the headers say, as far as it matters here."""

    json: bool
    signature: bytes
    length: int


def _head(headers: Iterable[tuple[bytes, bytes]]) -> _Head:
    kinds: list[bytes] = []
    signatures: list[bytes] = []
    length = 0
    encoded = False
    for name, value in headers:
        if name == b"stripe-signature":
            signatures.append(value)
        elif name == b"content-type":
            kinds.append(value)
        elif name == b"content-length" and value.isdigit():
            length = int(value[:20])
        elif name == b"content-encoding":
            encoded = True
    return _Head(
        json=not encoded and len(kinds) == 1 and _JSON.fullmatch(kinds[0]) is not None,
        # Of two signature headers a proxy may have checked the other one: neither counts.
        signature=b"" if not signatures else signatures[0] if len(signatures) == 1 else b"two headers",
        length=length,
    )


class _Reading:
    """A body being read, by the task that must not take too long over it."""

    __slots__ = ("expired", "over", "size", "task")

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        self.over = self.expired = False
        self.size = 0

    def done(self) -> bool:
        return self.over

    def expire(self) -> None:
        self.expired = True
        self.task.cancel()


class Receiver:
    """
    The ASGI application for `POST /hooks/stripe/<public id>/`.

    `startup` and `shutdown` belong to the lifespan of the process. Until `ready`, and whenever an event
    cannot be committed within five seconds, the answer is 503: Stripe then delivers it again.
    """

    def __init__(
        self,
        *,
        committer: Committer | None = None,
        endpoints: Endpoints | None = None,
        clock: Callable[[], float] = time.time,
        read_within: float = READ_WITHIN,
    ) -> None:
        self.counters = Counters()
        self._committer = committer or Committer(ring=queue.ring)
        self._endpoints = endpoints or Endpoints()
        self._clock = clock
        self._readings = Deadlines(read_within)
        self._unread = 0
        self._logged_at = 0.0

    async def startup(self) -> None:
        """Start the committing thread; requests are answered 503 until it is ready."""
        self._committer.start()

    async def shutdown(self) -> None:
        """Commit what is waiting and close the connections."""
        await asyncio.to_thread(self._committer.stop)
        await asyncio.to_thread(self._endpoints.close)

    def ready(self) -> bool:
        """Tell whether an event could be committed now: database, migrations and committer."""
        return self._committer.ready()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await self._tell(scope, receive)
            answer = _ACCEPTED
            self.counters.accepted += 1
        except _Refused as refusal:
            answer = refusal.answer
            self._count(answer)
        except _Gone:
            self.counters.refused["hung up"] += 1
            return
        await _say(answer, receive, send)

    async def _tell(self, scope: Scope, receive: Receive) -> None:
        """Keep the delivery, and trace it; strangers, who are refused, fill no collector's queue."""
        with telemetry.span("webhook") as told:
            try:
                await self._take(scope, receive, told)
            except _Refused as refusal:
                if refusal.answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    told.drop()
                raise

    async def _take(self, scope: Scope, receive: Receive, told: telemetry.Span) -> None:
        """Keep the delivery, or raise what is to be answered instead."""
        public_id, head = self._check(scope)
        endpoint = await self._endpoint(public_id)
        body = await self._read(receive)
        now = self._clock()
        secret, connection_id = await self._prove(public_id, endpoint, head.signature, body, now)
        self._endpoints.used(secret, now=now)
        delivery = intake.read(body)
        if delivery.unreadable:
            self.counters.unreadable += 1
        told.note(event=delivery.external_id, connection=connection_id)
        await self._commit(Arrival(connection_id, delivery, datetime.fromtimestamp(now, UTC)))

    def _check(self, scope: Scope) -> tuple[str, _Head]:
        """Refuse whatever can be refused before anything is read."""
        path = _PATH.fullmatch(scope["path"])
        if path is None:
            raise _Refused(_NO_ENDPOINT)
        if scope["method"] != "POST":
            raise _Refused(_NO_POST)
        head = _head(scope["headers"])
        if not head.json:
            raise _Refused(_NO_JSON)
        if head.length > LARGEST_BODY:
            raise _Refused(_TOO_LARGE)
        if not self.ready():
            raise _Refused(_busy("not ready", closes=True))
        return path[1], head

    async def _endpoint(self, public_id: str, *, anew: bool = False) -> Endpoint:
        remembered = None if anew else self._endpoints.remembered(public_id)
        if remembered is not None:
            return remembered
        try:
            async with asyncio.timeout(LOOK_UP_WITHIN):
                endpoint = await self._endpoints.get(public_id, anew=anew)
        except (Unavailable, TimeoutError):
            raise _Refused(_busy("endpoint not known now", closes=True)) from None
        if endpoint is None:
            raise _Refused(_NO_ENDPOINT)
        return endpoint

    async def _read(self, receive: Receive) -> bytes:
        """Return the whole body, refusing one that is too large as soon as that is known."""
        reading = _Reading()
        self._readings.watch(reading)
        parts: list[bytes] = []
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Gone
                part: bytes = message.get("body", b"")
                if not message.get("more_body") and not parts and len(part) <= LARGEST_BODY:
                    return part  # nearly always the whole body comes at once
                parts.append(part)
                reading.size += len(part)
                self._unread += len(part)
                self._refuse_too_much(reading.size)
                if not message.get("more_body"):
                    return b"".join(parts)
        except asyncio.CancelledError:
            if not reading.expired:
                raise
            reading.task.uncancel()
            raise _Refused(_TOO_SLOW) from None
        finally:
            reading.over = True
            self._unread -= reading.size

    def _refuse_too_much(self, size: int) -> None:
        if size > LARGEST_BODY:
            raise _Refused(_TOO_LARGE)
        if self._unread > MOST_UNREAD:
            raise _Refused(_busy("too much being read", closes=True))

    async def _prove(
        self, public_id: str, endpoint: Endpoint, signature: bytes, body: bytes, now: float
    ) -> tuple[Secret, int]:
        """Return the secret that signed `body`, asking anew for secrets that may just have been rolled."""
        try:
            return _signer(endpoint, signature, body, now), endpoint.connection_id
        except webhooks.BadSignature:
            endpoint = await self._endpoint(public_id, anew=True)
        try:
            return _signer(endpoint, signature, body, now), endpoint.connection_id
        except webhooks.BadSignature as refusal:
            raise _Refused(_unproven(refusal.reason)) from None

    async def _commit(self, arrival: Arrival) -> None:
        try:
            await self._committer.offer(arrival)
        except Full:
            raise _Refused(_busy("queue full")) from None
        except Late:
            raise _Refused(_busy("not committed in time")) from None
        except Exception:  # the committer has logged it; whatever it was, the event is not on disk
            raise _Refused(_busy("not committed")) from None

    def _count(self, answer: _Answer) -> None:
        self.counters.refused[answer.reason] += 1
        now = time.monotonic()
        if now - self._logged_at >= LOG_EVERY:
            self._logged_at = now
            log.warning("receiver.refused", last=answer.reason, since_start=dict(self.counters.refused))


def _signer(endpoint: Endpoint, signature: bytes, body: bytes, now: float) -> Secret:
    secrets = endpoint.active(now)
    values = [secret.value for secret in secrets]
    return secrets[webhooks.verify(header=signature, body=body, secrets=values, now=now)]


async def _say(answer: _Answer, receive: Receive, send: Send) -> None:
    await send(answer.start)
    if not answer.closes:
        await send({"type": "http.response.body", "body": answer.content})
        return
    # The answer goes out whole at once. To close on somebody who is still sending would reset the
    # line and could destroy the answer on its way, so what follows is read for a moment.
    await send({"type": "http.response.body", "body": answer.content, "more_body": True})
    await _linger(receive)
    await send({"type": "http.response.body", "body": b""})


async def _linger(receive: Receive) -> None:
    size = 0
    try:
        async with asyncio.timeout(_LINGER):
            while size < _LINGER_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
    except TimeoutError:
        return
