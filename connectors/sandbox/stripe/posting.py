"""This module posts to loopback addresses over plain HTTP/1.1, keeping connections open."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LONGEST_HEAD = 65_536


class DeliveryFailed(Exception):
    """The other side could not be reached, or gave no answer that makes sense."""


@dataclass(slots=True)
class Connection:
    """An open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def close(self) -> None:
        """Close without waiting for the other side."""
        self.writer.close()


@dataclass(slots=True)
class Poster:
    """Posts bodies and returns the status; idle connections are kept by address."""

    _idle: dict[tuple[str, int], list[Connection]] = field(default_factory=dict)

    async def post(self, url: str, *, headers: dict[str, str], body: bytes, timeout: float) -> int:
        """
        Post and return the status of the answer; redirects are not followed.

        :raises DeliveryFailed: if no answer came in time, or the address is not of this machine
        """
        parts = urlsplit(url)
        place = (parts.hostname or "", parts.port or 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = {"Host": parts.netloc, **headers, "Content-Length": str(len(body))}
        head = (
            f"POST {path} HTTP/1.1\r\n"
            + "".join(f"{name}: {text}\r\n" for name, text in lines.items())
            + "\r\n"
        )
        try:
            async with asyncio.timeout(timeout):
                return await self._exchange(place, head.encode("latin-1") + body)
        except TimeoutError as reason:
            raise DeliveryFailed("Timed out") from reason
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as reason:
            raise DeliveryFailed(f"{type(reason).__name__}: {reason}") from reason

    def close(self) -> None:
        """Close every idle connection."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    async def _exchange(self, place: tuple[str, int], request: bytes) -> int:
        idle = self._idle.setdefault(place, [])
        while idle:
            connection = idle.pop()
            if connection.reader.at_eof() or connection.writer.is_closing():
                connection.close()
                continue
            # An idle connection may be closed just now: then on a new one. The promise is at least once.
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                return await self._talk(connection, idle, request)
        return await self._talk(await _connect(place), idle, request)

    async def _talk(self, connection: Connection, idle: list[Connection], request: bytes) -> int:
        fine = False
        try:
            connection.writer.write(request)
            await connection.writer.drain()
            status, reusable = await _read_answer(connection.reader)
            fine = reusable
            return status
        finally:
            if fine:
                idle.append(connection)
            else:
                connection.close()


async def _connect(place: tuple[str, int]) -> Connection:
    reader, writer = await asyncio.open_connection(*place, limit=LONGEST_HEAD)
    peer = writer.get_extra_info("peername")[0]
    if not ipaddress.ip_address(peer).is_loopback:
        writer.close()
        raise DeliveryFailed(f"{peer} is not this machine")
    return Connection(reader, writer)


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Return the status, and whether the connection may be used again."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    protocol, status = first.split(" ", 2)[:2]
    headers = {
        name.strip().lower(): text.strip()
        for name, _, text in (line.partition(":") for line in lines if line)
    }
    reusable = protocol == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    if headers.get("transfer-encoding", "").lower() == "chunked":
        await _skip_chunks(reader)
    elif "content-length" in headers:
        await reader.readexactly(int(headers["content-length"]))
    elif status != "204":
        reusable = False
    return int(status), reusable


async def _skip_chunks(reader: asyncio.StreamReader) -> None:
    while size := int((await reader.readline()).split(b";")[0], 16):
        await reader.readexactly(size + 2)
    while (await reader.readline()) not in {b"\r\n", b"\n", b""}:
        pass
