"""Conservation: what was received is what has a fate, hour by hour, and nothing is counted twice."""

from __future__ import annotations

from datetime import timedelta, timezone

from monitoring.conservation import Span, Tally, add_up, equation, first_hour, hour_of
from tests.builders import NOON

LATER = NOON + timedelta(hours=1)


def test_tallies_add_up_by_connection_and_hour():
    sums = add_up(
        [
            Tally(1, NOON, "applied", "live", 5),
            Tally(1, NOON, "applied", "walk", 2),
            Tally(1, NOON, "dead", "live", 1),
            Tally(1, LATER, "queued", "live", 4),
            Tally(2, NOON, "ignored", "sweep", 3),
        ]
    )

    noon = sums[1, NOON]
    assert (noon.received, noon.delivered, noon.found) == (8, 6, 2)
    assert dict(noon.fates) == {"applied": 7, "dead": 1}
    assert sums[1, LATER].received == 4
    assert (sums[2, NOON].received, sums[2, NOON].delivered, sums[2, NOON].found) == (3, 0, 0)


def test_what_no_flow_wants_was_not_missed_by_a_webhook():
    sums = add_up([Tally(1, NOON, "ignored", "walk", 330), Tally(1, NOON, "dead", "walk", 1)])

    assert (sums[1, NOON].received, sums[1, NOON].found) == (331, 1)


def test_the_equation_holds_only_if_both_sides_are_the_same():
    assert equation(8, {"applied": 7, "dead": 1, "echo": 0}, span=Span(NOON)).holds
    assert not equation(8, {"applied": 7}, span=Span(NOON)).holds


def test_only_terms_that_say_something_are_shown():
    shown = equation(8, {"applied": 7, "echo": 0, "dead": 1}, span=Span(NOON)).shown

    assert [(term.fate, term.events) for term in shown] == [("applied", 7), ("dead", 1)]


def test_an_hour_begins_at_its_full_hour():
    assert hour_of(NOON + timedelta(minutes=59, seconds=59, microseconds=9)) == NOON


def test_the_first_whole_hour_of_a_time_begins_at_it_or_later():
    assert first_hour(NOON) == NOON
    assert first_hour(NOON + timedelta(microseconds=1)) == LATER


def test_a_span_is_written_in_utc_whatever_zone_its_hours_are_told_in():
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))

    assert (
        Span(tokyo, LATER, "con_1").query == "connection=con_1&since=2026-11-24T12:00&until=2026-11-24T13:00"
    )
    assert Span(tokyo).query == "since=2026-11-24T12:00"
