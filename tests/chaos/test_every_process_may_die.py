"""This module kills one process of each kind, and measures how long the product needs to be back."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from tests.chaos.killing import COMMANDS, KINDS
from tests.chaos.load import arrives
from tests.chaos.merchant import Merchant, wrong_payments
from tests.conftest import POSTGRESQL
from tests.receiving import wait_for
from tests.stage import Stage, a_stage, until

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300)]
LONGEST = 90.0  # seconds


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "watch"])
def test_a_payment_arrives_soon_after_a_process_was_killed(stage: Stage, kind: str):
    until(lambda: bool(stage.parts("worker")), seconds=60, what="the pool has its workers")
    victims = stage.parts(kind)
    assert victims

    if kind in COMMANDS:
        stage.kill(kind)
        stage.spawn(kind)
    else:
        for victim in victims:
            victim.kill()
        psutil.wait_procs(victims, timeout=10)
    recovered = arrives(stage, f"ch_after_{kind}", seconds=LONGEST)

    print(f"{kind}: {recovered:.1f} s")
    assert not any(victim.is_running() for victim in victims)


def test_a_lost_event_is_found_soon_after_the_watching_process_was_killed(well_behaved: Stage):
    stage = well_behaved
    stage.configure("stripe", walk_minutes=0.05)
    until(lambda: bool(stage.parts("watch")), seconds=60, what="somebody watches")
    stage.turn("stripe", "delivery", loss=1.0)
    (victim,) = stage.parts("watch")

    victim.kill()
    victim.wait(10)
    Merchant(stage, payments=1, changes=0, seed=1).trade(rate=10)
    recovered = until(
        lambda: not wrong_payments(stage, besides="ch_"), seconds=LONGEST, what="the lost event is found"
    )

    print(f"watch: {recovered:.1f} s")
    assert stage.look("stripe", "deliveries", limit=1)["counts"]["lost"] > 0
    assert not victim.is_running()
    stage.configure("stripe", walk_minutes=5)


def test_the_idle_worker_that_holds_the_queue_lock_may_be_killed(tmp_path: Path):
    """Killing it stops a django-q2 cluster for good, although every process looks alive."""
    with a_stage(tmp_path, postgresql=POSTGRESQL, redis_url=os.environ.get("REDIS_URL", "")) as stage:
        arrives(stage, "ch_before", seconds=LONGEST)
        if not wait_for(lambda: len(readers(stage)) >= 2, within=60):
            pytest.skip("the kernel does not tell which idle worker waits in the pipe")
        (pool,) = stage.parts("pool")

        for victim in readers(stage):
            if not pool.is_running():
                break  # the watchdog has started everything anew
            victim.kill()
            victim.wait(10)
            arrives(stage, f"ch_reader_{victim.pid}", seconds=LONGEST)

        assert not pool.is_running(), "the pool was never stuck: none of these was the lock holder"


def readers(stage: Stage) -> list[psutil.Process]:
    """Return who sleeps in a read: of the idle workers the lock's holder, and the monitor."""
    try:
        return [child for child in stage.parts("worker") if "pipe" in where_it_waits(child)]
    except OSError:
        return []  # the pool is being started anew


def where_it_waits(process: psutil.Process) -> str:
    """Return the kernel's function in which a process sleeps."""
    return Path(f"/proc/{process.pid}/wchan").read_text()
