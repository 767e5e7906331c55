"""This module tests that a Redis which accepts connections and never answers holds nobody up."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings as configured

from flows import queue
from flows.models import Doorbell
from integrator import patience
from integrator.cache import SturdyRedis
from monitoring import waking

LONGEST = 10.0  # seconds that the one who asks waits: a second for a call, and the machine may be busy


class Silent:
    """A server that takes every connection and says nothing."""

    def __init__(self, listening: socket.socket) -> None:
        self.taken: list[socket.socket] = []
        self.address = f"redis://127.0.0.1:{listening.getsockname()[1]}/0"
        self._listening = listening

    def accept(self) -> None:
        """Take connections until the socket is closed."""
        with contextlib.suppress(OSError):
            while True:
                self.taken.append(self._listening.accept()[0])


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Silent]:
    """Return a Redis that hangs, of which this process knows nothing yet."""
    monkeypatch.setattr(patience, "REDIS", patience.Patience())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Silent(listening)
        thread = threading.Thread(target=server.accept)
        thread.start()
        yield server
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        for one in server.taken:
            one.close()


def holds_up(silent: Silent, act: Any) -> bool:
    """Tell whether `act` asks it, and look that this does not take for ever."""
    asked, began = len(silent.taken), time.monotonic()
    act()
    assert time.monotonic() - began < LONGEST
    return len(silent.taken) > asked


def test_the_cache_answers_from_this_process(silent: Silent) -> None:
    options = {"serializer": "integrator.cache.JsonValues", **configured.REDIS_TIMEOUTS}
    cache = SturdyRedis(silent.address, {"OPTIONS": options})

    first = holds_up(silent, lambda: cache.set("a", 1))
    second = holds_up(silent, lambda: cache.incr("a"))

    assert (first, second) == (True, False)
    assert cache.get("a") == 2


@pytest.mark.django_db(transaction=True)
def test_the_doorbell_gives_up_and_holds_the_next_one_up_no_more(silent: Silent, settings: Any) -> None:
    settings.REDIS_URL = silent.address
    told: list[bool] = []

    first = holds_up(silent, lambda: told.append(queue.ring()))
    Doorbell.objects.update(rung_at=None)
    second = holds_up(silent, lambda: told.append(queue.ring()))

    assert (first, second) == (True, False)
    assert told == [False, False]
    assert not queue.can_ring()


def test_whoever_changed_something_waits_for_no_message(
    silent: Silent, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = silent.address
    layer = RedisPubSubChannelLayer(hosts=[{"address": silent.address, **configured.REDIS_TIMEOUTS}])
    monkeypatch.setattr(waking, "get_channel_layer", lambda: layer)
    monkeypatch.setattr(waking, "_woken", 0.0)

    first = holds_up(silent, waking.wake)
    monkeypatch.setattr(waking, "_woken", 0.0)
    second = holds_up(silent, waking.wake)

    assert (first, second) == (True, False)
