"""This module holds peers that speak bytes: what no simulated service would send, and how slowly."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Peer:
    """A server on loopback that answers every request with the same bytes."""

    answer: bytes
    piece: int
    pause: float
    listener: socket.socket
    over: threading.Event = field(default_factory=threading.Event)
    requests: list[bytes] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    @property
    def connections(self) -> int:
        return len(self.threads)

    def accept(self) -> None:
        while not self.over.is_set():
            with suppress(TimeoutError):
                client, _ = self.listener.accept()
                self.threads.append(threading.Thread(target=self.serve, args=(client,)))
                self.threads[-1].start()

    def serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            client.settimeout(0.2)
            while request := _read(client, self.over):
                self.requests.append(request)
                self.speak(client)

    def speak(self, client: socket.socket) -> None:
        size = self.piece or len(self.answer)
        for start in range(0, len(self.answer), size):
            client.sendall(self.answer[start : start + size])
            if self.pause:
                self.over.wait(self.pause)


@contextmanager
def a_peer(answer: bytes, *, piece: int = 0, pause: float = 0.0) -> Iterator[Peer]:
    """Answer each request with `answer`, in pieces of `piece` bytes with a pause between them if asked."""
    peer = Peer(answer, piece, pause, socket.create_server(("127.0.0.1", 0)))
    peer.listener.settimeout(0.2)
    accepting = threading.Thread(target=peer.accept)
    accepting.start()
    try:
        yield peer
    finally:
        peer.over.set()
        accepting.join(5)
        for thread in peer.threads:
            thread.join(5)
        peer.listener.close()


def _read(client: socket.socket, over: threading.Event) -> bytes:
    """Return one request, headers and body; or the beginning of a TLS handshake."""
    read = b""
    while not over.is_set():
        with suppress(TimeoutError):
            part = client.recv(65536)
            if not part:
                return b""
            read += part
            head, found, body = read.partition(b"\r\n\r\n")
            if read.startswith(b"\x16") or (found and len(body) >= _length(head)):
                return read
    return b""


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def http_answer(body: bytes, *, status: str = "200 OK", **headers: str) -> bytes:
    """Return an HTTP answer; the underscore of a header's name becomes a hyphen."""
    named = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def took(started: float) -> float:
    """Return the seconds since `started`."""
    return time.monotonic() - started
