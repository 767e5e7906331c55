"""This module tests that a body which is too large or too slow never reaches Django's disk."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from integrator.bodies import BoundedBodies


class Page:
    """An application that reads the whole body, as Django does, and gives up when the sender hangs up."""

    def __init__(self) -> None:
        self.read = b""
        self.completed = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            self.read += message["body"]
            if not message["more_body"]:
                break
        self.completed = True
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def post(
    page: Page, *parts: bytes, length: str | None = None, pause: float = 0.0, within: float = 5.0
) -> int:
    """Send a body in parts and return the status of the answer."""
    sent: list[Mapping[str, Any]] = []
    left = list(parts)

    async def receive() -> Mapping[str, Any]:
        await asyncio.sleep(pause)
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    headers = [(b"content-length", length.encode())] if length is not None else []
    bounded = BoundedBodies(page, most=100, within=within)
    asyncio.run(bounded({"type": "http", "headers": headers}, receive, send))
    return int(sent[0]["status"])


def test_a_body_of_the_allowed_size_arrives_whole():
    page = Page()

    assert post(page, b"x" * 60, b"y" * 40) == 200
    assert page.read == b"x" * 60 + b"y" * 40


def test_a_body_that_declares_too_much_is_refused_unread():
    page = Page()

    assert post(page, b"x", length="101") == 413
    assert page.read == b""


def test_a_body_that_turns_out_too_large_is_cut_off():
    page = Page()

    assert post(page, b"x" * 60, b"y" * 41) == 413
    assert not page.completed


def test_a_body_that_does_not_arrive_is_not_waited_for():
    page = Page()

    assert post(page, b"x", b"y", pause=0.2, within=0.3) == 408
    assert not page.completed


@pytest.mark.parametrize("length", ["", "-1", "many", "9" * 400])
def test_a_declaration_that_makes_no_sense_harms_nobody(length):
    assert post(Page(), b"x", length=length) in {200, 413}
