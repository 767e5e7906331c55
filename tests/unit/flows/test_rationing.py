"""Where calls run short the low priorities wait first, and whoever has waited long goes with the next one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flows.engine.rationing import LOOK_AGAIN, PRIORITIES, aged, goes_after, wait_of

NONE, HOUR = timedelta(0), timedelta(hours=1)


@pytest.mark.parametrize(
    ("left", "going"),
    [
        pytest.param(50.0, ["high", "normal", "low"], id="with half of the calls left everybody goes on"),
        pytest.param(29.0, ["high", "normal"], id="low ones wait first"),
        pytest.param(9.0, ["high"], id="then the normal ones"),
        pytest.param(0.0, ["high"], id="high ones go on to the end"),
    ],
)
def test_the_nearer_the_end_the_more_priorities_wait(left, going):
    found = [one for one in PRIORITIES if wait_of(one, left_percent=left, waited=NONE) is None]

    assert found == going


@pytest.mark.parametrize(
    ("hours", "as_"), [(0.9, "low"), (1, "normal"), (2, "high"), (50, "high"), (-1, "low")]
)
def test_a_run_that_waits_goes_with_the_next_higher_priority_each_hour(hours, as_):
    assert aged("low", HOUR * hours) == as_


def test_no_priority_starves():
    assert all(wait_of(one, left_percent=0.0, waited=2 * HOUR) is None for one in PRIORITIES)


def test_a_run_is_looked_at_again_when_it_may_go():
    assert wait_of("low", left_percent=20.0, waited=NONE) == LOOK_AGAIN
    assert wait_of("low", left_percent=20.0, waited=HOUR - timedelta(minutes=1)) == timedelta(minutes=1)


@pytest.mark.parametrize("left", [0.0, 5.0, 10.0, 29.9, 30.0, 100.0])
@pytest.mark.parametrize("priority", PRIORITIES)
def test_a_run_goes_on_exactly_after_what_it_has_to_have_waited(priority, left):
    waited = goes_after(priority, left_percent=left)

    assert wait_of(priority, left_percent=left, waited=waited) is None
    assert not waited or wait_of(priority, left_percent=left, waited=waited - timedelta(seconds=1))
