"""This module measures what the product costs while nothing happens."""

from __future__ import annotations

import time

import pytest

from tests.benchmarks import cpu
from tests.conftest import POSTGRESQL
from tests.stage import Stage, until

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(120)]
SECONDS = 20.0
LOUD = 0.06  # of one core; 0.03 is the aim on a machine that does nothing else


@pytest.mark.skipif(POSTGRESQL, reason="is about the embedded stack")
def test_the_embedded_stack_costs_next_to_nothing_while_nothing_happens(stage: Stage):
    until(stage.settled, seconds=60, what="everything came to rest")
    until(lambda: bool(stage.parts("worker")) and bool(stage.parts("watch")), seconds=60, what="all is up")
    time.sleep(3)  # until the last drain has fallen idle
    roots = [process.pid for process in stage.processes.values()]

    before = cpu.spent(roots)
    time.sleep(SECONDS)
    share = (cpu.spent(roots) - before) / SECONDS

    print(f"idle: {share:.1%} of one core")
    assert 0 < share < LOUD
