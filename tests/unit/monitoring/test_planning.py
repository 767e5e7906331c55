"""A change of a flow costs what its runs have cost so far, between two bounds that need no guess."""

from __future__ import annotations

import pytest

from monitoring.planning import Change, Measured, reckon

# 1,000 runs a day, each with one look-up of its own and one record, ten of them in a call.
FLOW = Measured(runs=1000, reads=1000, questions=1000, writes=100, records=1000, pace=0.5)


def test_what_was_measured_is_told_by_run_and_call():
    assert (FLOW.calls, FLOW.calls_for_100, FLOW.records_a_call) == (1100, 110, 10)
    assert Measured().calls_for_100 is None


def test_no_change_costs_nothing():
    found = reckon(FLOW, Change())

    assert (found.now, found.likely, found.more) == (1100, 1100, 0)


def test_twice_the_runs_cost_at_most_twice_the_calls():
    found = reckon(FLOW, Change(volume=2))

    assert found.now < found.least < found.likely < found.most == 2200


def test_a_further_look_up_is_a_call_for_every_run():
    assert reckon(FLOW, Change(reads=1)).likely == 2100


def test_a_further_write_travels_with_others():
    assert reckon(FLOW, Change(writes=1)).more == 100


def test_smaller_collections_cost_more():
    assert reckon(FLOW, Change(most=1)).likely == 2000


def test_gathering_for_longer_saves_calls_where_records_come_close_together():
    close = reckon(FLOW, Change(gathered=60))
    rare = reckon(Measured(runs=10, writes=10, records=10, pace=0.0001), Change(gathered=60))

    assert close.likely < 1010
    assert rare.likely == 10


@pytest.mark.parametrize("measured", [FLOW, Measured(), Measured(runs=5, reads=2, questions=5)])
@pytest.mark.parametrize(
    "change", [Change(volume=0), Change(volume=3.5, reads=2, writes=3, most=5, gathered=10), Change(most=0)]
)
def test_what_is_likely_lies_within_its_bounds(measured, change):
    found = reckon(measured, change)

    assert 0 <= found.least <= found.likely <= found.most
