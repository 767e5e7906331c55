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

KILLS = 2
pytestmark = [
    pytest.mark.chaos,
    pytest.mark.xdist_group("chaos"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(not POSTGRESQL, reason="belongs to the run on PostgreSQL"),
    pytest.mark.skipif(binaries() is None, reason="no PostgreSQL server programs on this machine"),
]


def kill_during(load: Load, stage: Stage, server: OwnPostgresql, dice: random.Random) -> float:
    """
    Deliver a load and kill the server in the middle of it, with a pause in which nothing answers.

    Returns how many seconds after its start the product was ready again.
    """
    delivery = threading.Thread(target=lambda: load.deliver(stage, rate=60))
    delivery.start()
    enough = dice.randint(20, 80)
    until(lambda: len(load.acknowledged) > enough, seconds=60, what="events pour in")
    assert server.runs()
    server.kill()
    assert not server.runs()
    assert len(load.acknowledged) < len(load.newest), "nothing poured in any more"
    time.sleep(dice.uniform(1.0, 2.0))
    server.start()
    ready = partial(stage.answers, f"{stage.web}/readyz")
    recovered = until(ready, seconds=30, what="the product is ready again")
    delivery.join()
    return recovered


def test_a_killed_database_loses_no_acknowledged_event_and_is_back_in_half_a_minute(tmp_path: Path):
    seed = random.randrange(1_000_000)
    with own_postgresql() as server, a_stage(tmp_path, postgresql=server.address) as stage:
        loads = [
            Load(charges=200, events=200, seed=seed + turn, prefix=f"ch_{turn}", each_its_own=True)
            for turn in range(KILLS)
        ]
        dice = random.Random(seed)

        recoveries = [kill_during(load, stage, server, dice) for load in loads]
        health = [stage.api("health/") for _ in range(15)]  # raises for any 5xx of a dead pooled connection
        until(stage.settled, seconds=120, what="everything came to rest", every=0.5)

        assert server.starts == 1 + KILLS
        print(
            f"ready {recoveries} s after the database was; answers {[dict(load.answers) for load in loads]}"
        )
        assert all(recovered < 30 for recovered in recoveries)
        assert len(health) == 15
        assert sum(stage.fates().values()) == sum(len(load.acknowledged) for load in loads)
        for load in loads:
            assert load.answers[503] > 0  # turned away while nothing could be kept
            assert set(load.answers) <= {0, 200, 503}
            assert load.acknowledged == {event["id"] for event in load.deliveries}
            assert load.wrong_records(stage.records()) == []
