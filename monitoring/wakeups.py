"""
This module hears through Redis that another process has changed something.

Redis may go away and come back at any time. The channel layer then goes on trying by itself and writes a
traceback each second; here it is noticed once, left alone for a while, and asked anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import structlog
from redis import RedisError

from integrator import patience

log = structlog.get_logger(__name__)

LAYER = logging.getLogger("channels_redis.pubsub")
PAUSE = 5.0  # seconds until Redis is asked again
AWAY = (RedisError, OSError)


class Ear:
    """What listens to a group of a channel layer, and calls `wake` for each message."""

    def __init__(self, layer: Any, group: str, wake: Callable[[], None]) -> None:
        self._layer = layer
        self._group = group
        self._wake = wake
        self._lost = asyncio.Event()

    async def listen(self) -> None:
        """Listen until cancelled; while Redis is away, ask once in a while whether it is back."""
        LAYER.addFilter(self._overhear)
        try:
            while True:
                try:
                    await self._hear()
                except patience.Away:  # said once already
                    pass
                except Exception as failure:  # without a message the next look comes half a second later
                    if not isinstance(failure, AWAY):
                        log.warning("wakeups.deaf", error=type(failure).__name__, exc_info=True)
                await asyncio.sleep(PAUSE)
        finally:
            LAYER.removeFilter(self._overhear)

    async def _hear(self) -> None:
        """Join the group, and listen until the layer can receive no more."""
        self._lost.clear()
        receiving = losing = None
        try:
            with patience.REDIS.asking():
                channel = await self._layer.new_channel()
                await self._layer.group_add(self._group, channel)
            receiving = asyncio.create_task(self._receive(channel))
            losing = asyncio.create_task(self._lost.wait())
            done, _ = await asyncio.wait({receiving, losing}, return_when=asyncio.FIRST_COMPLETED)
            if receiving in done:
                receiving.result()
        finally:
            await self._leave()
            for task in filter(None, (receiving, losing)):
                task.cancel()  # after that: it has no channel any more that it would give back to Redis

    async def _leave(self) -> None:
        """Let the layer forget everything. It may swallow a cancellation, so ours does not reach it."""
        with contextlib.suppress(Exception):
            await asyncio.shield(asyncio.create_task(self._layer.flush()))

    async def _receive(self, channel: str) -> None:
        while True:
            await self._layer.receive(channel)
            self._wake()

    def _overhear(self, record: logging.LogRecord) -> bool:
        """Tell whether a line of the layer may be written: not that Redis is away, which ends the hearing."""
        failure = record.exc_info[1] if record.exc_info else None
        if not isinstance(failure, AWAY):
            return True
        if not self._lost.is_set():
            patience.REDIS.missed(failure)
            self._lost.set()
        return False
