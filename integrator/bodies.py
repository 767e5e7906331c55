"""This module bounds what anybody may send: how large a body is, and how long it takes to arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
App = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

MOST = 2 << 20  # bytes; a flow document, the largest thing that anybody has to send, has at most 512 KiB
WITHIN = 30.0  # seconds


class BoundedBodies:
    """
    The ASGI application behind it, for bodies of at most `most` bytes that arrive `within` seconds.

    Django reads a whole body, to disk if it is large, before any view can refuse it. Here a body that
    declares too much is refused unread (413), and one that turns out too large or too slow is cut off.
    """

    def __init__(self, app: App, *, most: int = MOST, within: float = WITHIN) -> None:
        self._app = app
        self._most = most
        self._within = within

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._declares_too_much(scope):
            await _refuse(send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        bounded = _Bounded(receive, send, most=self._most, within=self._within)
        await self._app(scope, bounded.receive, bounded.send)
        if bounded.refused is not None and not bounded.answered:
            await _refuse(send, bounded.refused)

    def _declares_too_much(self, scope: Mapping[str, Any]) -> bool:
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        return declared.isdigit() and int(declared[:20]) > self._most


class _Bounded:
    """One request: its body is counted and timed, its answer noted."""

    def __init__(self, receive: Receive, send: Send, *, most: int, within: float) -> None:
        self._receive = receive
        self._send = send
        self._left = most
        self._ends_at = asyncio.get_running_loop().time() + within
        self._complete = False
        self.answered = False
        self.refused: HTTPStatus | None = None

    async def receive(self) -> Mapping[str, Any]:
        """Return what the server received, or a hang-up in place of what is too much or too late."""
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._ends_at):
                message = await self._receive()
        except TimeoutError:
            return self._cut(HTTPStatus.REQUEST_TIMEOUT)
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            return self._cut(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self._complete = not message.get("more_body", False)
        return message

    async def send(self, message: Mapping[str, Any]) -> None:
        """Pass the answer on."""
        self.answered = True
        await self._send(message)

    def _cut(self, status: HTTPStatus) -> Mapping[str, Any]:
        self._complete = True
        self.refused = status
        return {"type": "http.disconnect"}


async def _refuse(send: Send, status: HTTPStatus) -> None:
    body = f"{status.phrase}\n".encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
