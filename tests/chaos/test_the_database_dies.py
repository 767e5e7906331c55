"""This module kills the database server while events pour in."""

from __future__ import annotations

import random
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from tests.chaos.load import Load
from tests.chaos.own_postgresql import OwnPostgresql, binaries, own_postgresql
from tests.conftest import POSTGRESQL
from tests.stage import Stage, a_stage, until

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.xdist_group("chaos"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(not POSTGRESQL, reason="belongs to the run on PostgreSQL"),
    pytest.mark.skipif(binaries() is None, reason="no PostgreSQL server programs on this machine"),
]


def kill_twice(stage: Stage, server: OwnPostgresql, dice: random.Random) -> list[float]:
    """
    Kill the server twice, with a pause in which nothing answers.

    Returns how many seconds after each start the product was ready again.
    """
    recoveries = []
    for _ in range(2):
        time.sleep(dice.uniform(1.0, 2.0))
        server.kill()
        time.sleep(dice.uniform(1.0, 2.0))
        server.start()
        ready = partial(stage.answers, f"{stage.web}/readyz")
        recoveries.append(until(ready, seconds=30, what="the product is ready again"))
    return recoveries


def test_a_killed_database_loses_no_acknowledged_event_and_is_back_in_half_a_minute(tmp_path: Path):
    seed = random.randrange(1_000_000)
    with own_postgresql() as server, a_stage(tmp_path, postgresql=server.address) as stage:
        load = Load(charges=60, events=400, seed=seed)
        recoveries: list[float] = []
        dice = random.Random(seed)
        killer = threading.Thread(target=lambda: recoveries.extend(kill_twice(stage, server, dice)))

        killer.start()
        load.deliver(stage, rate=60)
        killer.join()
        health = [stage.api("health/") for _ in range(15)]  # raises for any 5xx of a dead pooled connection
        until(stage.settled, seconds=120, what="everything came to rest", every=0.5)

        assert server.starts == 3
        print(f"ready {recoveries} s after the database was; answers {dict(load.answers)}")
        assert len(recoveries) == 2
        assert all(recovered < 30 for recovered in recoveries)
        assert load.answers[503] > 0  # turned away while nothing could be kept
        assert set(load.answers) <= {0, 200, 503}
        assert len(health) == 15
        assert load.acknowledged == {event["id"] for event in load.deliveries}
        assert sum(stage.fates().values()) == len(load.acknowledged)
        assert load.wrong_records(stage.records()) == []
