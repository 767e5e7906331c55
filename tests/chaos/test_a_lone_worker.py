"""This module kills and stops the worker of an installation that has one worker and so no pool."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.chaos.load import arrives
from tests.stage import Stage, a_stage, until

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300)]
LONGEST = 90.0  # seconds


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage with one worker, on the embedded default or with the Redis that the tests run with."""
    folder: Path = tmp_path_factory.mktemp("small")
    with a_stage(folder, redis_url=os.environ.get("REDIS_URL", ""), workers=1) as stage:
        yield stage


def the_worker(stage: Stage) -> psutil.Process:
    until(lambda: bool(stage.parts("drain")), seconds=60, what="there is a worker")
    (worker,) = stage.parts("drain")
    return worker


def test_one_worker_handles_events_without_a_pool(small: Stage) -> None:
    arrives(small, "ch_alone", seconds=LONGEST)

    assert the_worker(small).is_running()
    assert small.parts("pool") == []


def test_a_lone_worker_that_was_killed_is_started_anew(small: Stage) -> None:
    victim = the_worker(small)

    victim.kill()
    psutil.wait_procs([victim], timeout=10)

    assert arrives(small, "ch_after_kill", seconds=LONGEST) < LONGEST
    assert not victim.is_running()


def test_an_idle_worker_ends_soon_after_it_was_asked_to(small: Stage) -> None:
    worker = the_worker(small)

    worker.terminate()

    gone, _ = psutil.wait_procs([worker], timeout=10)
    assert gone == [worker]


def test_a_lone_worker_that_does_nothing_is_started_anew(small: Stage) -> None:
    victim = the_worker(small)

    victim.suspend()
    until(lambda: victim.status() == psutil.STATUS_STOPPED, seconds=10, what="it does nothing")
    arrives(small, "ch_after_stop", seconds=LONGEST)

    assert not victim.is_running()
