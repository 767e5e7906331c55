"""A bucket lets through what it promised, and says how long to wait for more."""

from __future__ import annotations

import pytest

from connectors.throttle import Bucket, Budget, rate_within


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_at_once_and_the_next_waits_its_turn():
    bucket = Bucket(rate=10, burst=3, clock=Clock())

    waits = [bucket.take(patience=5) for _ in range(5)]

    assert waits == [0, 0, 0, pytest.approx(0.1), pytest.approx(0.2)]


def test_time_refills_the_bucket_up_to_its_brim():
    clock = Clock()
    bucket = Bucket(rate=10, burst=2, clock=clock)
    for _ in range(2):
        bucket.take(patience=0)
    clock.now += 3600

    assert [bucket.take(patience=0) for _ in range(3)] == [0, 0, None]


def test_whoever_will_not_wait_takes_nothing():
    clock = Clock()
    bucket = Bucket(rate=1, burst=1, clock=clock)
    bucket.take(patience=0)

    assert [bucket.take(patience=0.5) for _ in range(10)] == [None] * 10
    assert bucket.take(patience=1) == pytest.approx(1)


def test_a_clock_that_jumps_back_neither_empties_nor_fills_the_bucket():
    clock = Clock()
    bucket = Bucket(rate=1, burst=1, clock=clock)
    clock.now -= 50

    assert bucket.take(patience=0) == 0
    assert bucket.take(patience=0) is None


def test_over_a_minute_the_rate_holds():
    clock = Clock()
    bucket = Bucket(rate=20, burst=5, clock=clock)
    passed = 0
    for _ in range(60_000):
        clock.now += 0.001
        passed += bucket.take(patience=0) is not None

    assert 1195 <= passed <= 1205


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_bucket_without_a_bottom_or_a_brim_is_refused(rate, burst):
    with pytest.raises(ValueError, match="more than nothing"):
        Bucket(rate=rate, burst=burst, clock=Clock())


def test_an_endpoint_has_less_than_the_account_and_others_go_on():
    budget = Budget(rate=100, endpoint_rate=25, clock=Clock())

    same = [budget.take("POST /v1/customers/{id}", patience=5) for _ in range(26)]
    other = budget.take("GET /v1/prices", patience=5)

    assert same[-1] == pytest.approx(1.0)
    assert other is not None
    assert other == pytest.approx(0.23)  # what the account as a whole waits for
    assert budget.take("POST /v1/customers/{id}", patience=0.5) is None


def test_searching_has_four_fifths_of_an_endpoint():
    budget = Budget(rate=1000, endpoint_rate=25, clock=Clock())

    waits = [budget.take("GET /v1/customers/search", patience=5) for _ in range(21)]

    assert waits[-1] == pytest.approx(1.0)


def test_whoever_has_no_turn_at_the_endpoint_takes_none_of_the_account():
    budget = Budget(rate=10, endpoint_rate=1, clock=Clock())
    budget.take("GET /v1/events", patience=0)

    refused = [budget.take("GET /v1/events", patience=0.5) for _ in range(5)]

    assert refused == [None] * 5
    assert budget.take("GET /v1/prices", patience=0.1) == pytest.approx(0.1)


def test_after_a_refusal_less_is_sent_and_it_comes_back_by_itself():
    clock = Clock()
    budget = Budget(rate=10, endpoint_rate=10, clock=clock)

    def each() -> float:
        """Return the seconds between two turns."""
        first, second = budget.take(patience=9), budget.take(patience=9)
        assert first is not None
        assert second is not None
        return second - first

    usual = each()
    budget.slow_down()
    slowed = each()
    clock.now += 60
    budget.take(patience=9)

    assert usual == pytest.approx(0.1)
    assert slowed == pytest.approx(0.1 / 0.85)
    assert each() == pytest.approx(0.1)


def test_refusals_without_end_leave_a_part_of_the_rate():
    budget = Budget(rate=10, endpoint_rate=10, clock=Clock())
    for _ in range(100):
        budget.slow_down()

    budget.take(patience=9)
    assert budget.take(patience=9) == pytest.approx(0.25)


def test_processes_that_begin_at_once_stay_within_the_limit_of_a_second():
    assert rate_within(25, processes=1) == 23.5
    assert [rate_within(25, processes=count) + count for count in (2, 4, 8)] == [25, 25, 25]
    assert rate_within(25, processes=100) == 12.5


def test_a_share_that_changes_counts_from_then_on_for_account_and_endpoint():
    clock = Clock()
    budget = Budget(rate=10, endpoint_rate=10, clock=clock, share=0.5)

    def each() -> float:
        """Return the seconds between two turns."""
        first, second = (budget.take("GET /v1/prices", patience=9) for _ in range(2))
        assert first is not None
        assert second is not None
        return second - first

    half = each()
    budget.lend(1.0)
    clock.now += 60
    whole = each()
    budget.lend(0.25)
    clock.now += 60

    assert (half, whole, each()) == (pytest.approx(0.2), pytest.approx(0.1), pytest.approx(0.4))


def test_a_share_that_grows_does_not_make_up_for_the_time_before():
    clock = Clock()
    budget = Budget(rate=10, endpoint_rate=10, clock=clock, share=0.1)
    budget.take(patience=0)
    clock.now += 0.5  # half a turn at the rate of then
    budget.lend(1.0)

    assert budget.take(patience=9) == pytest.approx(0.05)


def test_a_refusal_slows_whatever_share_there_is():
    budget = Budget(rate=10, endpoint_rate=10, clock=Clock())
    budget.slow_down()
    budget.lend(0.5)

    budget.take(patience=9)
    assert budget.take(patience=9) == pytest.approx(1 / (10 * 0.5 * 0.85))
