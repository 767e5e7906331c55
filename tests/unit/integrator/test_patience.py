"""This module tests that a Redis that does not answer is waited for by one thread, once in a while."""

from __future__ import annotations

import pytest
import structlog

from integrator import patience
from integrator.patience import ASK_AGAIN_AFTER, Away, Patience


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(patience, "time", clock)
    return clock


def fails(redis: Patience, failure: type[Exception] = TimeoutError) -> None:
    with pytest.raises(failure), redis.asking(TimeoutError):
        raise failure


def may_ask(redis: Patience) -> bool:
    try:
        with redis.asking():
            return True
    except Away:
        return False


def test_after_a_failure_nobody_asks_for_a_while(clock: Clock) -> None:
    redis = Patience()
    assert may_ask(redis)

    fails(redis)

    assert not may_ask(redis)
    clock.seconds += ASK_AGAIN_AFTER - 0.1
    assert not may_ask(redis)
    clock.seconds += 0.2
    assert may_ask(redis)


def test_then_one_asks_and_the_others_do_not_wait_for_it(clock: Clock) -> None:
    redis = Patience()
    fails(redis)
    clock.seconds += ASK_AGAIN_AFTER

    with redis.asking():
        assert not may_ask(redis)

    assert may_ask(redis), "it has answered"


def test_a_failure_of_the_one_who_asks_begins_the_time_anew(clock: Clock) -> None:
    redis = Patience()
    fails(redis)
    clock.seconds += ASK_AGAIN_AFTER
    fails(redis)

    clock.seconds += ASK_AGAIN_AFTER / 2

    assert not may_ask(redis)


def test_an_error_that_is_an_answer_is_none_of_its_failures(clock: Clock) -> None:
    redis = Patience()

    fails(redis, ValueError)

    assert may_ask(redis)


def test_that_it_is_away_and_that_it_is_back_is_logged_once_each(clock: Clock) -> None:
    redis = Patience()
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            fails(redis)
            redis.missed(ConnectionError())
            clock.seconds += ASK_AGAIN_AFTER
        assert may_ask(redis)
        assert may_ask(redis)

    assert lines == [
        {"event": "redis.away", "error": "TimeoutError", "log_level": "warning"},
        {"event": "redis.back", "seconds": 15, "log_level": "info"},
    ]
