"""This module measures what the product costs while nothing happens."""

from __future__ import annotations

import time

import pytest

from tests.benchmarks import cpu
from tests.conftest import POSTGRESQL
from tests.stage import Stage, until
from tests.yardstick import slowness

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(240)]
SECONDS, WINDOWS = 10.0, 5  # every duty that is done often is done in each of them
LOUD = 0.06  # of one core; 0.03 is the aim on a machine that does nothing else
# What wakes up finds its caches filled by others, where others are at work, which costs it more than the
# yardstick, which runs on.
SLOWEST = 2.5


@pytest.mark.skipif(POSTGRESQL, reason="is about the embedded stack")
def test_the_embedded_stack_costs_next_to_nothing_while_nothing_happens(stage: Stage):
    until(stage.settled, seconds=60, what="everything came to rest")
    until(lambda: bool(stage.parts("worker")) and bool(stage.parts("watch")), seconds=60, what="all is up")
    stage.spawn("listen")  # which is loud while it starts, as the first windows are then
    time.sleep(3)  # until the last drain has fallen idle
    roots = [process.pid for process in stage.processes.values()]

    quietest = 1.0
    for _ in range(WINDOWS):  # others' work makes it dearer, and nothing makes it cheaper
        before = cpu.spent(roots)
        time.sleep(SECONDS)
        quietest = min(quietest, (cpu.spent(roots) - before) / SECONDS)
        if quietest < LOUD:
            break

    print(f"idle: {quietest:.1%} of one core")
    assert 0 < quietest < LOUD * slowness(most=SLOWEST)
