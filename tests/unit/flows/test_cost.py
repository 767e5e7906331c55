"""What runs for every event stays cheap."""

from __future__ import annotations

import pytest

from tests.benchmarks import mapping

pytestmark = pytest.mark.serial


def test_ten_fields_cost_at_most_three_times_what_they_cost_by_hand():
    assert mapping.measure(rounds=7, records=1_000).ratio <= 3


def test_a_run_in_a_batch_of_a_thousand_costs_no_more_than_in_one_of_fifty():
    assert mapping.measure_lockstep(1_000, rounds=3) <= 2 * mapping.measure_lockstep(50, rounds=9)


def test_an_expression_costs_little_more_than_a_chip():
    # 40 µs where ten fields by hand take 7: the ratio is the same on a machine that is slow or shared.
    dearest = max(mapping.measure_expression(text, rounds=5).ratio for text in mapping.EXPRESSIONS.values())
    assert dearest <= 6
