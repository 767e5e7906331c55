"""This module tests when the watchdog thinks that the pool is stuck."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flows.queries import Progress
from flows.watchdog import stuck
from tests.builders import NOON

LONG_AGO = NOON - timedelta(minutes=5)


def standing(
    *, ready: float | None = 60, claimed: float | None = 60, at_work: float | None = None
) -> Progress:
    """Return a progress in which work is ready, and something was done, so many seconds before noon."""
    return Progress(
        oldest_undispatched=None if ready is None else NOON - timedelta(seconds=ready),
        oldest_ready_lane=None,
        last_claim_at=None if claimed is None else NOON - timedelta(seconds=claimed),
        at_work_at=None if at_work is None else NOON - timedelta(seconds=at_work),
        workers=2,
    )


@pytest.mark.parametrize(
    ("state", "started"),
    [
        pytest.param(standing(ready=None), LONG_AGO, id="nothing is ready"),
        pytest.param(standing(ready=5), LONG_AGO, id="it has only just become ready"),
        pytest.param(standing(claimed=3), LONG_AGO, id="something was claimed a moment ago"),
        pytest.param(standing(at_work=3), LONG_AGO, id="a worker goes on with what it claimed long ago"),
        pytest.param(standing(), NOON - timedelta(seconds=5), id="the pool is only just starting"),
    ],
)
def test_a_pool_that_may_be_working_is_left_alone(state, started):
    assert stuck(state, now=NOON, pool_started_at=started) == ""


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(standing(), id="nothing was claimed for a minute"),
        pytest.param(standing(claimed=None), id="nothing was ever claimed"),
        pytest.param(standing(at_work=30), id="who holds something has not moved for long"),
    ],
)
def test_work_that_nobody_takes_up_means_that_the_pool_is_stuck(state):
    assert "no worker moves" in stuck(state, now=NOON, pool_started_at=LONG_AGO)
