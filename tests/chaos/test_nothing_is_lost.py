"""This module kills real processes while events pour in, and judges from outside that nothing was lost."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.chaos.killing import Killer
from tests.chaos.load import Load
from tests.chaos.sure import FIRST, break_writes, fired, wait_for_faults
from tests.conftest import POSTGRESQL
from tests.stage import Stage, a_stage, until

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300)]
SEED = int(os.environ.get("CHAOS_SEED", random.randrange(1_000_000)))
KILLED = ("serve", "work", "pool")


def test_whatever_is_killed_every_acknowledged_event_arrives_once_and_newest(well_behaved: Stage):
    stage = well_behaved
    load = Load(charges=80, events=600, seed=SEED)
    before = sum(stage.fates().values())
    break_writes(stage, "after", probability=0.05)

    with Killer(stage, random.Random(SEED), kinds=KILLED, pause=1.5) as killer:
        load.deliver(stage, rate=90)
        wait_for_faults(stage)
    faults = stage.end_faults("salesforce")
    until(stage.settled, seconds=120, what="everything came to rest", every=0.5)

    print(f"killed {dict(killer.killed)}; answers lost {[fault['fired'] for fault in faults]}")
    assert set(killer.killed) == set(KILLED)
    assert fired(faults) == [("after", FIRST)]
    assert load.acknowledged == {event["id"] for event in load.deliveries}
    shown = [event["external_id"] for event in stage.whole("events/")]
    assert sorted(set(shown) & load.acknowledged) == sorted(load.acknowledged)
    assert len(shown) == len(set(shown)) == before + len(load.acknowledged)
    assert load.wrong_records(stage.records()) == []
    fates = stage.fates()
    assert sum(fates.values()) == len(shown)
    assert fates["applied"] + fates["superseded"] + fates["ignored"] == len(shown), fates


def test_a_stop_is_orderly_and_leaves_no_process_behind(tmp_path: Path):
    with a_stage(tmp_path, postgresql=POSTGRESQL) as stage:
        everything = [*stage.family("serve"), *stage.family("work"), *stage.family("sandbox")]
        load = Load(charges=20, events=100, seed=SEED, prefix="ch_stop")
        load.deliver(stage, rate=400)

        begun = time.monotonic()
        stage.stop()

        assert time.monotonic() - begun < 40
        assert [process for process in everything if process.is_running()] == []
