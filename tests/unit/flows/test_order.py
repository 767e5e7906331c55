"""No older state ever overwrites a newer one at rest, however the events came."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.engine.item import Source
from flows.engine.order import Verdict, judge
from flows.engine.ports import Applied
from tests.fakes import NOON


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def payload(second, source_id="ch_1"):
    return Source(source_id, at(second), at(second))


def fetched(second, source_id="pi_1"):
    return Source(source_id, at(second - 2), at(second + 1), fetched=True)


def applied(source, event_id=1):
    return Applied(source.id, event_id, source.not_before, source.not_after)


@pytest.mark.parametrize(
    ("source", "before", "verdict"),
    [
        pytest.param(payload(5), None, Verdict.APPLY, id="the first is applied"),
        pytest.param(payload(5), payload(4), Verdict.APPLY, id="a newer second is applied"),
        pytest.param(payload(4), payload(5), Verdict.SUPERSEDED, id="an older second is superseded"),
        pytest.param(payload(5), payload(5), Verdict.IN_DOUBT, id="the same second proves nothing"),
        pytest.param(payload(9), payload(5, "ch_2"), Verdict.IN_DOUBT, id="a newer event of another object"),
        pytest.param(payload(1), payload(5, "ch_2"), Verdict.IN_DOUBT, id="an older event of another object"),
        pytest.param(payload(9, "pi_1"), fetched(5), Verdict.APPLY, id="newer than what was read"),
        pytest.param(payload(1, "pi_1"), fetched(5), Verdict.SUPERSEDED, id="older than what was read"),
        pytest.param(payload(5, "pi_1"), fetched(5), Verdict.IN_DOUBT, id="within the margin of a reading"),
        pytest.param(fetched(5), payload(5), Verdict.APPLY, id="a reading settles the doubt"),
        pytest.param(fetched(5), fetched(6), Verdict.APPLY, id="one reading after another"),
        pytest.param(fetched(1), fetched(9), Verdict.SUPERSEDED, id="a reading that came late"),
    ],
)
def test_the_guard_judges(source, before, verdict):
    assert judge(source, before and applied(before), same_event=False) is verdict


def test_the_event_that_was_applied_may_be_applied_again():
    assert judge(payload(5), applied(payload(5)), same_event=True) is Verdict.APPLY
    assert judge(payload(4), applied(payload(5)), same_event=True) is Verdict.SUPERSEDED


def test_an_object_that_is_gone_is_taken_from_its_event_unless_that_is_older():
    gone = Source("ch_1", at(5), at(5), gone=True)

    assert judge(gone, applied(payload(5)), same_event=False) is Verdict.APPLY
    assert judge(gone, applied(payload(9)), same_event=False) is Verdict.SUPERSEDED


class Record:
    """A record in Salesforce, kept true by the guard; reading Stripe gives the newest state."""

    def __init__(self, newest):
        self.newest = newest
        self.applied = None
        self.state = None
        self.reads = 0

    def take(self, event_id, second, source_id, state):
        source = payload(second, source_id)
        same_event = self.applied is not None and self.applied.event_id == event_id
        verdict = judge(source, self.applied, same_event=same_event)
        if verdict is Verdict.IN_DOUBT:
            self.reads += 1
            source, state = fetched(100 + self.reads, "pi_1"), self.newest
            verdict = judge(source, self.applied, same_event=same_event)
        if verdict is Verdict.APPLY:
            self.applied, self.state = applied(source, event_id), state


def newest_wins(events, order):
    """Play `events`, the states of one payment in the order they happened, in another `order`."""
    record = Record(newest=len(events) - 1)
    for place in order:
        second, source_id = events[place]
        record.take(place, second, source_id, place)
    return record.state == record.newest


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([(1, "ch_1"), (2, "ch_1"), (3, "ch_1"), (4, "ch_1")], id="a second each"),
        pytest.param([(1, "ch_1"), (1, "ch_1"), (1, "ch_1"), (2, "ch_1")], id="a second shared"),
        pytest.param([(1, "ch_1"), (1, "pi_1"), (2, "ch_2"), (2, "pi_1")], id="an intent and its charges"),
    ],
)
def test_the_newest_state_stays_in_every_order(events):
    assert all(newest_wins(events, order) for order in permutations(range(len(events))))


@given(st.data())
def test_the_newest_state_stays_with_duplicates_in_any_order(data):
    seconds = sorted(data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=8)))
    sources = [data.draw(st.sampled_from(["ch_1", "ch_2", "pi_1"])) for _ in seconds]
    events = list(zip(seconds, sources, strict=True))
    every = list(range(len(events)))
    again = data.draw(st.lists(st.sampled_from(every), max_size=4))
    order = data.draw(st.permutations(every + again))

    assert newest_wins(events, order)
