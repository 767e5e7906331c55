"""This module wraps a simulated service so that every call is journalled, chunked and, when asked, broken."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from connectors.sandbox.faults import Fault, FaultMenu
    from connectors.sandbox.journal import Journal

CONTROL = "/_sandbox/"
HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
BODYLESS = frozenset({204, 304})
TRUE_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: closing sends RST instead of FIN


@dataclass(slots=True)
class Answer:
    """An answer on its way out: kept whole, so that it can be lost, cut or replaced."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    async def collect(self, message: Message) -> None:
        """Take one ASGI message of the service in."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


def _from_a_web_page(scope: Scope) -> bool:
    """Say whether a browser sends this for a page, which may be anybody's and lies open beside the demo."""
    return any(name == b"origin" for name, _ in scope["headers"])


class FaultyApp:
    """
    An ASGI application around a service's own.

    The control endpoints pass untouched: a fault must never hit the hand that set it.
    """

    def __init__(self, app: ASGIApp, faults: FaultMenu, journal: Journal) -> None:
        self.app = app
        self.faults = faults
        self.journal = journal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(CONTROL) and _from_a_web_page(scope):
            await JSONResponse({"error": "Web pages may not control the sandbox."}, 403)(scope, receive, send)
            return
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            await self.app(scope, receive, send)
            return
        started, clock = time.time(), time.perf_counter()
        volume = self.journal.volume
        body = await _read(receive)
        fault = self.faults.choose(scope["method"], scope["path"])
        status: int | None = None
        try:
            status = await self._answer(fault, scope, body, receive, send)
        finally:
            if self.journal.volume == volume:  # a reset forgets what was under way as well
                self.journal.add(
                    method=scope["method"],
                    path=scope["path"],
                    query=scope["query_string"].decode("latin-1"),
                    headers=[
                        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
                    ],
                    body=body,
                    status=status,
                    started=started,
                    duration=time.perf_counter() - clock,
                    fault=fault.kind if fault else None,
                )

    async def _answer(
        self, fault: Fault | None, scope: Scope, body: bytes, receive: Receive, send: Send
    ) -> int | None:
        kind = fault.kind if fault else ""
        params = fault.params if fault else {}
        if self.faults.latency:
            await asyncio.sleep(self.faults.latency)
        if kind == "reset":
            await _close(receive, send, reset=True)
            return None
        if not _does_the_work(kind, params):
            answer = _replacement(kind, params)
        else:
            answer = await self._work(fault, scope, body, receive)
        if kind == "after":
            await _close(receive, send)
        elif kind == "partial":
            await _send_part(answer, float(params.get("keep", 0.5)), receive, send)
        else:
            await _send_chunked(answer, send)
        return answer.status

    async def _work(self, fault: Fault | None, scope: Scope, body: bytes, receive: Receive) -> Answer:
        kind, params = (fault.kind, fault.params) if fault else ("", {})
        seconds = float(params.get("seconds", 1.0)) if kind == "slow" else 0.0
        if seconds and not params.get("done"):
            await asyncio.sleep(seconds)
        answer = Answer()
        # The service may look at the fault, for one that only it can play (Stripe keeps a 500 for a key).
        scope["sandbox.fault"] = fault
        await self.app(scope, _replay(body, receive), answer.collect)
        if seconds and params.get("done"):
            await asyncio.sleep(seconds)
        return _replacement(kind, params) if kind in {"after_status", "garbage", "empty"} else answer


def _does_the_work(kind: str, params: dict[str, Any]) -> bool:
    if kind in {"garbage", "empty"}:
        return bool(params.get("done"))
    return kind != "before"


def _replacement(kind: str, params: dict[str, Any]) -> Answer:
    """Return the answer that a fault gives in place of the service's own."""
    if kind == "garbage":
        if params.get("style") == "text":
            return Answer(int(params.get("status", 200)), [(b"content-type", b"application/json")], b"{oops")
        return Answer(int(params.get("status", 502)), [(b"content-type", b"text/html")], HTML)
    if kind == "empty":
        return Answer(int(params.get("status", 200)), [(b"content-type", b"application/json")])
    body = params.get("body", {"error": {"type": "api_error", "message": "The sandbox was told to fail."}})
    text = body if isinstance(body, str) else json.dumps(body)
    headers = {"content-type": "application/json", **params.get("headers", {})}
    return Answer(
        int(params.get("status", 503 if kind == "before" else 500)),
        [
            (str(name).lower().encode("latin-1"), str(value).encode("latin-1"))
            for name, value in headers.items()
        ],
        text.encode(),
    )


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body, which was read already, once more."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _send_chunked(answer: Answer, send: Send) -> None:
    """Send without a length and in several pieces, as the real services do behind their proxies."""
    await send(_start(answer))
    async for piece in _pieces(answer.body):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_part(answer: Answer, keep: float, receive: Receive, send: Send) -> None:
    await send(_start(answer))
    part = answer.body[: int(len(answer.body) * keep)]
    await send({"type": "http.response.body", "body": part, "more_body": True})
    await _close(receive, send)


def _start(answer: Answer) -> Message:
    headers = [(name, value) for name, value in answer.headers if name.lower() != b"content-length"]
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    size = max(1, min(16_384, (len(body) + 2) // 3))
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def _close(receive: Receive, send: Send, *, reset: bool = False) -> None:
    """
    Close the connection under the server's feet, and wait until the server has noticed.

    ASGI has no word for that; uvicorn hands us a bound method of the object that holds the transport.

    :raises RuntimeError: if the server is not uvicorn
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise RuntimeError("This fault needs the connection itself, which only uvicorn shows")
    if reset:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, TRUE_RESET)
        transport.abort()
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass
