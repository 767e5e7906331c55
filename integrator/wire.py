"""
This module bounds what a connection may do before it has become a request: its size and its time.

uvicorn reads a request line and headers of any length for as long as they trickle in. A proxy in front
bounds both as well; this holds for whoever runs without one, and behind one that does not.
"""

from __future__ import annotations

import asyncio
from asyncio.events import TimerHandle
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

LONGEST_TARGET = 8 << 10  # bytes of path and query
LARGEST_HEAD = 32 << 10  # bytes of request line and headers
MOST_HEADERS = 100
HEAD_WITHIN = 20.0  # seconds, from the connection or the first byte on


class _Refused(Exception):
    """The head is too large."""


class BoundedHttp(HttpToolsProtocol):
    """
    HTTP as uvicorn speaks it, with an end to every head.

    A target that is too long is answered 414, headers that are too large or too many 431, a head that
    takes too long 408; then the connection is closed.
    """

    _timer: TimerHandle | None = None
    _begun = False
    _handed_over = False
    _size = 0
    _refusal: HTTPStatus | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Wait for a head, but not for ever."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, and see that what is not yet a request stays small and does not take too long."""
        super().data_received(data)
        if self._handed_over or self.transport.is_closing() or not self._unfinished():
            return
        self._size += len(data)
        if self._begun and len(self.url) > LONGEST_TARGET:
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG)
        elif self._size > LARGEST_HEAD:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._timer is None:
            self._wait()

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._begun, self._size = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """
        Take the head, if it is not too large.

        :raises _Refused: which makes the parser stop and uvicorn call `send_400_response`
        """
        self._begun = False
        self._stop_waiting()
        if len(self.url) > LONGEST_TARGET:
            self._refusal = HTTPStatus.REQUEST_URI_TOO_LONG
            raise _Refused
        size = sum(len(name) + len(value) for name, value in self.headers)
        if size > LARGEST_HEAD or len(self.headers) > MOST_HEADERS:
            self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise _Refused
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to the web socket: no head follows on it any more."""
        self._handed_over = True
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, with the refusal that fits."""
        if self._refusal is None:
            super().send_400_response(msg)
            return
        body = f"{self._refusal.phrase}\n".encode()
        head = b"content-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[self._refusal] + head + body)
        self.transport.close()

    def _unfinished(self) -> bool:
        """Tell whether a head is under way, or nothing at all but bytes that begin none."""
        answered: Any = self.cycle  # None before the first request
        idle = answered is None or answered.response_complete
        return self._begun or (idle and self.timeout_keep_alive_task is None)

    def _refuse(self, status: HTTPStatus) -> None:
        self._stop_waiting()
        self._refusal = status
        self.send_400_response("")

    def _wait(self) -> None:
        self._timer = self.loop.call_later(HEAD_WITHIN, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
