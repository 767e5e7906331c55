"""This module stops Redis while events pour in: it wakes others earlier, and nothing depends on it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.chaos.load import Load, arrives
from tests.chaos.own_redis import SERVER, own_redis
from tests.chaos.visitor import Visitor
from tests.conftest import POSTGRESQL
from tests.stage import a_stage, until

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.xdist_group("chaos of redis"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(not POSTGRESQL, reason="belongs to the run on PostgreSQL"),
    pytest.mark.skipif(SERVER is None, reason="no redis-server on this machine"),
]


def test_without_redis_payments_arrive_and_pages_stay_live(tmp_path: Path):
    with own_redis() as redis, a_stage(tmp_path, postgresql=True, redis_url=redis.address) as stage:
        visitor = Visitor(stage)
        load = Load(charges=60, events=400, seed=5)
        delivery = threading.Thread(target=lambda: load.deliver(stage, rate=40))

        delivery.start()
        until(lambda: len(load.acknowledged) > 100, seconds=90, what="events pour in")
        callers = redis.callers()
        redis.stop()
        assert not redis.listens()
        assert delivery.is_alive(), "nothing poured in any more"
        alone = arrives(stage, "ch_without_redis", seconds=90)
        page = visitor.page()
        with visitor.live() as socket:
            arrives(stage, "ch_seen_without_redis", seconds=90)
            told = socket.recv(timeout=30)
        redis.start()
        delivery.join()
        until(stage.settled, seconds=120, what="everything came to rest")
        again = arrives(stage, "ch_with_redis_again", seconds=90)

        print(f"{callers} connections were cut; {redis.callers()} are there again")
        print(f"a payment took {alone:.1f} s without Redis, and {again:.1f} s with it again")
        assert redis.starts == 2
        assert callers > 0  # it was used before, and is again
        until(lambda: redis.callers() > 0, seconds=60, what="Redis is used again")
        assert page.status_code == 200
        assert "accounts/login" not in page.url
        assert told
        assert load.acknowledged == {event["id"] for event in load.deliveries}
        assert load.wrong_records(stage.records()) == []
