"""This module tests the calendar of simulated subscriptions, and what a part of a period costs."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sandbox.stripe.invoice_lines import share
from connectors.sandbox.stripe.periods import INTERVALS, boundary, period, shortest


def at(text: str) -> int:
    """Return the second of a date at noon."""
    return int(datetime.fromisoformat(f"{text}T12:00:00+00:00").timestamp())


@pytest.mark.parametrize(
    ("anchor", "interval", "count", "expected"),
    [
        ("2026-01-31", "month", 1, "2026-02-28"),
        ("2026-01-31", "month", 2, "2026-03-31"),
        ("2028-01-31", "month", 1, "2028-02-29"),
        ("2026-01-31", "month", -2, "2025-11-30"),
        ("2028-02-29", "year", 1, "2029-02-28"),
        ("2028-02-29", "year", 4, "2032-02-29"),
        ("2026-12-28", "week", 1, "2027-01-04"),
        ("2026-12-31", "day", 1, "2027-01-01"),
    ],
)
def test_a_period_ends_on_its_day_or_on_the_last_one_of_the_month(anchor, interval, count, expected):
    assert boundary(at(anchor), interval, count) == at(expected)


moments = st.integers(at("2020-01-01"), at("2035-12-31"))


@given(moments, moments, st.sampled_from(sorted(INTERVALS)), st.integers(1, 3))
def test_every_moment_lies_in_exactly_one_period(anchor, moment, interval, count):
    start, end = period(anchor, interval, count, at=moment)

    assert start <= moment < end
    assert end - start >= shortest(interval, count)
    assert period(anchor, interval, count, at=end)[0] == end
    assert period(anchor, interval, count, at=start - 1)[1] == start


@given(st.integers(-(10**8), 10**8), st.integers(1, 10**7), st.floats(0, 1))
def test_what_is_used_and_what_is_left_make_the_whole(amount, length, part):
    now = int(length * part)

    left = share(amount, start=0, end=length, at=now)
    used = share(amount, start=0, end=length, at=length - now)

    assert abs(left + used - amount) <= 1
    assert share(amount, start=0, end=length, at=0) == amount
    assert share(amount, start=0, end=length, at=length) == 0
