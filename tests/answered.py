"""This module reads what an answer of the test client says, also if it is sent part by part."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync


def said(answer: Any) -> bytes:
    """Return the whole of an answer."""
    if not answer.streaming:
        return bytes(answer.content)
    return _read(answer) if answer.is_async else b"".join(answer.streaming_content)


@async_to_sync
async def _read(answer: Any) -> bytes:
    return b"".join([part async for part in answer.streaming_content])
