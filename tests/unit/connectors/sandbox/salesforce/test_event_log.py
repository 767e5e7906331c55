"""This module tests that the event bus of the sandbox forgets in time, and never without saying so."""

from __future__ import annotations

from itertools import pairwise

import pytest

from connectors.sandbox.salesforce.bus.event_log import EventLog, NotRetained, bytes_of
from connectors.sandbox.salesforce.bus.settings import Streaming

HOUR = 3_600.0


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log(clock):
    return EventLog(Streaming(), clock, first=7)


def facts(log, after=0, most=100):
    return [notice.fact for notice in log.read("/a", after, most)]


def test_replay_ids_are_not_contiguous(log):
    replays = [log.append(number, ("/a",)).replay for number in range(6)]

    assert replays == sorted(set(replays))
    assert {later - earlier for earlier, later in pairwise(replays)} > {1}


def test_an_event_is_forgotten_with_its_replay_id(log, clock):
    first = log.append("first", ("/a",))
    clock.now += 71 * HOUR
    second = log.append("second", ("/a", "/all"))

    assert log.position(bytes_of(first.replay)) == first.replay
    clock.now += 2 * HOUR
    with pytest.raises(NotRetained):
        log.position(bytes_of(first.replay))
    assert log.position(bytes_of(second.replay)) == second.replay
    assert facts(log, log.earliest("/a")) == ["second"]


def test_a_reader_that_is_too_slow_is_told(log, clock):
    start = log.tip
    for number in range(2_500):
        clock.now += 100
        log.append(number, ("/a",))

    clock.now += 40 * HOUR
    with pytest.raises(NotRetained):
        log.read("/a", start, 1)
    kept = facts(log, log.earliest("/a"), 3_000)
    assert kept == list(range(kept[0], 2_500))
    assert 1_000 < len(kept) < 1_300


def test_a_position_without_an_event_leads_past_nothing(log):
    log.append("other", ("/b",))
    position = log.tick("/a", log.earliest("/a"))
    log.append("next", ("/a",))

    assert facts(log, log.position(bytes_of(position))) == ["next"]
    assert log.tick("/a", position) == position  # it has not read the next one


@pytest.mark.parametrize("replay_id", [b"", b"1234567", b"\xff" * 8, b"x" * 100])
def test_a_replay_id_that_was_never_given_is_none(log, replay_id):
    log.append("event", ("/a",))

    with pytest.raises(NotRetained):
        log.position(replay_id)
