"""This module tests what a connection may do before it has become a request, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from websockets.sync.client import connect

from integrator import wire
from integrator.wire import BoundedHttp
from tests.receiving import statuses

ENDLESS = 15.0  # seconds; less than a head may take by the settings, more than any of these


async def application(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
    elif scope["type"] == "http":
        message = await receive()
        while message.get("more_body"):
            message = await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@contextlib.contextmanager
def serving(**options) -> Iterator[int]:
    config = uvicorn.Config(application, port=0, http=BoundedHttp, log_config=None, lifespan="off", **options)
    server = uvicorn.Server(config)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve(),), daemon=True)
    thread.start()
    try:
        ends = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < ends
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        loop.close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Serve as ever."""
    with serving() as port:
        yield port


@pytest.fixture
def hurried(port, monkeypatch) -> int:
    """Serve with patience for a fraction of a second."""
    monkeypatch.setattr(wire, "HEAD_WITHIN", 0.8)
    return port


def answer_to(port: int, *parts: bytes, pause: float = 0.0) -> tuple[bytes, float]:
    """Send parts and return what came back until the line was closed, and after how long."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=ENDLESS) as line:
        received = b""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for part in parts:
                line.sendall(part)
                time.sleep(pause)
        with contextlib.suppress(ConnectionResetError):
            while part := line.recv(65536):
                received += part
    return received, time.monotonic() - begun


def a_request(target: str = "/", *headers: str, closes: bool = True) -> bytes:
    lines = [f"GET {target} HTTP/1.1", "Host: x", *headers, *(["Connection: close"] if closes else [])]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(a_request(), 200, id="an ordinary request"),
        pytest.param(a_request("/" + "x" * 8000), 200, id="a long address"),
        pytest.param(a_request("/" + "x" * 9000), 414, id="an address that is too long"),
        pytest.param(a_request("/" + "x" * 40_000), 414, id="an address without an end"),
        pytest.param(a_request("/", "A: " + "x" * 20_000), 200, id="a large header"),
        pytest.param(a_request("/", "A: " + "x" * 33_000), 431, id="a header that is too large"),
        pytest.param(a_request("/", *["A: 1"] * 101), 431, id="too many headers"),
        pytest.param(b"GET / HTTP/1.1\r\nA: " + b"x" * 40_000, 431, id="a header without an end"),
        pytest.param(b"GET /" + b"x" * 9000, 414, id="an unfinished address that is too long"),
        pytest.param(b"\r\n" * 20_000, 431, id="nothing but line ends"),
        pytest.param(b"\x16\x03\x01\x00\x00", 400, id="no HTTP at all"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            id="two lengths at once",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            400,
            id="two different lengths",
        ),
    ],
)
def test_a_head_of_any_size_gets_a_plain_answer(port, sent, status):
    received, _ = answer_to(port, sent)

    assert statuses(received) == [status]


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([b""], id="nothing"),
        pytest.param([b"GET / HT"], id="half a line"),
        pytest.param(
            [b"GET / HTTP/1.1\r\n", b"A: 1\r\n", b"B: 2\r\n", b"C: 3\r\n", b"D: 4\r\n"], id="trickling"
        ),
        pytest.param([b"\r\n"] * 5, id="line ends, one by one"),
    ],
)
def test_a_head_that_does_not_arrive_is_not_waited_for(hurried, parts):
    received, took = answer_to(hurried, *parts, pause=0.1)

    assert statuses(received) == [408]
    assert took > 0.3


def test_a_second_head_on_the_same_line_has_no_more_time_than_the_first(hurried):
    received, _ = answer_to(hurried, a_request(closes=False), b"GET / HTTP/1.1\r\nA", pause=0.1)

    assert statuses(received) == [200, 408]


def test_a_line_that_rests_between_two_requests_is_left_alone(hurried):
    received, _ = answer_to(hurried, a_request(closes=False), a_request(), pause=1.1)

    assert statuses(received) == [200, 200]


def test_a_body_may_be_larger_than_a_head(port):
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n"

    received, _ = answer_to(port, head + b"x" * 50_000, b"x" * 50_000, pause=0.1)

    assert statuses(received) == [200]


def test_a_web_socket_may_stay_open_for_longer_than_a_head_may_take(hurried):
    with connect(f"ws://127.0.0.1:{hurried}/", open_timeout=ENDLESS) as web_socket:
        for text in ("first", "second"):
            time.sleep(1.0)
            web_socket.send(text)

            assert web_socket.recv(timeout=ENDLESS) == text


def test_a_hundred_slow_lines_keep_nobody_else_from_being_served(port):
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    for line in slow:
        line.sendall(b"GET / HTTP/1.1\r\nA")

    received, took = answer_to(port, a_request())

    for line in slow:
        line.close()
    assert statuses(received) == [200]
    assert took < wire.HEAD_WITHIN  # for as long, the slow lines stay open


def test_more_lines_than_are_allowed_are_turned_away_at_once():
    with serving(limit_concurrency=5) as port:
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
        received, took = answer_to(port, a_request())
        for line in idle:
            line.close()

    assert statuses(received) == [503]
    assert took < wire.HEAD_WITHIN
