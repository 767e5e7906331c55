"""This module serves a receiver over real HTTP and sends it signed events, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import http.client
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import psycopg
import uvicorn
from django.db import connection as database

from connectors.models import Connection, WebhookEndpoint, WebhookSecret
from flows.committer import Committer
from flows.receiver import Receiver
from integrator import vault
from tests.builders import NOON, a_connection

SECRET = "whsec_of_the_test"


def an_endpoint(*secrets: str, connection: Connection | None = None, **fields: Any) -> WebhookEndpoint:
    """Return a webhook endpoint with signing secrets."""
    endpoint = WebhookEndpoint.objects.create(connection=connection or a_connection(), **fields)
    for secret in secrets or (SECRET,):
        a_secret(endpoint, secret)
    return endpoint


def a_secret(endpoint: WebhookEndpoint, secret: str, **fields: Any) -> WebhookSecret:
    """Return one more signing secret of `endpoint`."""
    return WebhookSecret.objects.create(
        endpoint=endpoint,
        ciphertext=vault.seal(secret.encode(), owner=f"webhook:{endpoint.pk}"),
        last4=secret[-4:],
        created_at=NOON,
        **fields,
    )


def an_event(number: int = 1, **fields: Any) -> bytes:
    """Return the body of a snapshot event."""
    event: dict[str, Any] = {
        "id": f"evt_{number}",
        "object": "event",
        "type": "charge.succeeded",
        "created": int(time.time()),
        "livemode": False,
        "api_version": "2026-10-28.endive",
        "data": {"object": {"id": f"ch_{number}", "object": "charge", "amount": 1999, "currency": "eur"}},
    }
    return json.dumps(event | fields).encode()


def signed(body: bytes, secret: str = SECRET, *, at: float | None = None, scheme: str = "v1") -> str:
    """Return the Stripe-Signature header for `body`."""
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={stamp},{scheme}={digest}"


class Served:
    """A receiver behind a real server, and the ways to talk to it."""

    def __init__(self, receiver: Receiver, port: int, loop: asyncio.AbstractEventLoop) -> None:
        self.receiver = receiver
        self.port = port
        self.loop = loop

    def post(
        self,
        path: object,
        body: bytes,
        *,
        signature: str | None = None,
        method: str = "POST",
        headers: dict[str, str] | None = None,
    ) -> http.client.HTTPResponse:
        """Send one request, correctly signed unless a signature is given, and return the answer, read."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        sent = {"Content-Type": "application/json", "Stripe-Signature": signed(body)}
        if signature is not None:
            sent["Stripe-Signature"] = signature
        line.request(method, str(path), body, sent | (headers or {}))
        answer = line.getresponse()
        answer.content = answer.read()  # type: ignore[attr-defined]  # so that a test can look at it later
        line.close()
        return answer

    def raw(self, sent: bytes, *, until: float = 20.0, answers: int = 1) -> bytes:
        """
        Send bytes as they are and return whatever comes back until the line is closed or quiet.

        It is not called quiet before as many `answers` have come, however long a busy machine takes.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=until) as line:
            line.sendall(sent)
            received = b""
            with contextlib.suppress(TimeoutError, ConnectionResetError):
                while part := line.recv(65536):
                    received += part
                    if len(statuses(received)) >= answers:
                        line.settimeout(0.5)
            return received


def alone(receiver: Receiver) -> Callable[..., Awaitable[None]]:
    """Return an ASGI application that is nothing but `receiver` and its lifespan."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await receiver(scope, receive, send)
            return
        await receive()
        await receiver.startup()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await receiver.shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    return application


@contextlib.contextmanager
def serving(receiver: Receiver, *, wait: bool = True) -> Iterator[Served]:
    """Serve `receiver` with uvicorn on a free port, in a thread, as the product does."""

    config = uvicorn.Config(alone(receiver), host="127.0.0.1", port=0, log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve(),), daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not (server.started and (receiver.ready() or not wait)):
            assert time.monotonic() < deadline, "the receiver is not ready"
            time.sleep(0.01)
        yield Served(receiver, server.servers[0].sockets[0].getsockname()[1], loop)
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        loop.close()


def quiet(**limits: float) -> Committer:
    """Return a committer that rings for nobody."""
    return Committer(ring=lambda: None, **limits)


class locked:  # noqa: N801  # reads as `with locked(...)`
    """Hold the lock that the inbox needs for writing, from another connection."""

    def __init__(self, on_postgresql: bool) -> None:
        self._on_postgresql = on_postgresql

    def __enter__(self) -> None:
        if self._on_postgresql:
            settings = database.get_connection_params()
            self._line = psycopg.connect(
                host=settings.get("host"),
                port=settings.get("port"),
                user=settings.get("user"),
                dbname=settings["dbname"],
            )
            self._line.execute("LOCK TABLE flows_event IN ACCESS EXCLUSIVE MODE")
        else:
            self._line = sqlite3.connect(database.settings_dict["NAME"], isolation_level=None)
            self._line.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self._line.rollback()
        self._line.close()


def request(path: object, body: bytes, signature: str | None = None) -> bytes:
    """Return a signed delivery as its bytes on the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nStripe-Signature: {signature or signed(body)}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def statuses(received: bytes) -> list[int]:
    """Return the status of each answer in what came back over a connection."""
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


def wait_for(condition: Callable[[], bool], within: float = 30.0) -> bool:
    """Tell whether something became true in time."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False
