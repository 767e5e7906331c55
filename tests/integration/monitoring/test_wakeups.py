"""This module tests that a process hears the others through Redis, and says once that it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import structlog
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings

from integrator import patience
from monitoring import wakeups
from monitoring.wakeups import Ear
from tests.chaos.own_redis import SERVER, OwnRedis, own_redis

GROUP = "changes"
PATIENCE = 60.0  # seconds that a busy machine may take


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Redis be asked again soon, and nothing be known of it yet."""
    monkeypatch.setattr(wakeups, "PAUSE", 0.2)
    monkeypatch.setattr(patience, "ASK_AGAIN_AFTER", 0.1)
    monkeypatch.setattr(patience, "REDIS", patience.Patience())


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.05)


async def wake(layer: RedisPubSubChannelLayer, woken: list[int]) -> None:
    """Send messages until one more is heard."""
    before = len(woken)
    async with asyncio.timeout(PATIENCE):
        while len(woken) == before:
            await layer.group_send(GROUP, {"type": "changed"})
            await asyncio.sleep(0.05)


@pytest.mark.skipif(SERVER is None, reason="no redis-server on this machine")
def test_redis_goes_and_comes_back_with_a_line_each(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(redis: OwnRedis) -> None:
        layer = RedisPubSubChannelLayer(hosts=[{"address": redis.address, **settings.REDIS_TIMEOUTS}])
        woken: list[int] = []
        ear = asyncio.create_task(Ear(layer, GROUP, lambda: woken.append(1)).listen())
        await wake(layer, woken)
        redis.stop()
        await until(lambda: bool(lines))
        await asyncio.sleep(2.5)  # the layer would have written two tracebacks by now
        redis.start()
        await until(lambda: len(lines) > 1)
        await wake(layer, woken)
        ear.cancel()
        await asyncio.gather(ear, return_exceptions=True)
        await layer.flush()

    with own_redis() as redis, structlog.testing.capture_logs() as lines:
        asyncio.run(scene(redis))

    assert [line["event"] for line in lines] == ["redis.away", "redis.back"]
    assert caplog.records == []


def test_redis_that_was_never_there_is_asked_again_and_said_to_be_away_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked: list[int] = []

    class Away(RedisPubSubChannelLayer):  # type: ignore[misc]  # Channels ships no types
        async def new_channel(self) -> str:
            asked.append(1)
            return str(await self._get_layer().new_channel())

    async def scene() -> None:
        layer = Away(hosts=[{"address": "redis://127.0.0.1:1/0", **settings.REDIS_TIMEOUTS}])
        ear = asyncio.create_task(Ear(layer, GROUP, lambda: None).listen())
        await until(lambda: len(asked) > 2)
        ear.cancel()
        await asyncio.gather(ear, return_exceptions=True)

    with structlog.testing.capture_logs() as lines:
        asyncio.run(scene())

    assert [line["event"] for line in lines] == ["redis.away"]
    assert caplog.records == []


def test_what_else_ails_the_layer_is_still_written(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        layer = RedisPubSubChannelLayer(hosts=["redis://127.0.0.1:1/0"])
        ear = asyncio.create_task(Ear(layer, GROUP, lambda: None).listen())
        await asyncio.sleep(0.1)
        try:
            raise KeyError("a fault of ours")
        except KeyError:
            wakeups.LAYER.exception("Unexpected exception in receive task")
        ear.cancel()
        await asyncio.gather(ear, return_exceptions=True)

    asyncio.run(scene())

    ours = [record for record in caplog.records if record.name == wakeups.LAYER.name]
    assert [record.message for record in ours] == ["Unexpected exception in receive task"]
