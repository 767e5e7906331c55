"""The list of events takes one fate, the way events came and a span of time, each of which is taken off."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flows import stepping
from flows.models import Event, Pair
from tests.builders import NOON
from tests.integration.flows.given import an_event
from tests.integration.flows.reading import Reader
from tests.integration.following import counted, rows

pytestmark = pytest.mark.django_db


def came(pair: Pair, fate: str, **fields: object) -> Event:
    return an_event(pair.stripe, fate=fate, **{"dispatched_at": NOON, **fields})


def test_one_fate_of_a_tab_is_shown_alone_and_is_taken_off(reader: Reader, pair: Pair) -> None:
    dead, waiting = came(pair, "dead"), came(pair, "waiting")

    both, one = reader.page("events/", fate="dead"), reader.page("events/", became="waiting", type="")

    assert (counted(both), rows(both)) == (2, 2)
    assert (counted(one), rows(one)) == (1, 1)
    assert waiting.external_id in one
    assert dead.external_id not in one
    assert "Only waiting" in one
    assert 'href="/w/acme/dev/events/?type="' in one
    assert '<input type="hidden" name="became" value="waiting">' in one


def test_what_was_found_in_stripes_list_is_what_some_flow_wanted(reader: Reader, pair: Pair) -> None:
    found = came(pair, "applied", origin="walk")
    others = [
        came(pair, "ignored", origin="walk"),
        came(pair, "applied"),
        came(pair, "applied", origin="sweep"),
    ]

    shown, delivered = reader.page("events/", came="found"), reader.page("events/", came="delivered")

    assert (counted(shown), rows(shown)) == (1, 1)
    assert found.external_id in shown
    assert "Found in Stripe’s list" in shown
    assert others[1].external_id in delivered
    assert rows(delivered) == 1


def test_a_span_ends_before_its_end_so_that_the_next_begins_there(reader: Reader, pair: Pair) -> None:
    for minutes in (0, 59, 60, 61):
        came(pair, "applied", received_at=NOON + timedelta(minutes=minutes))

    first = reader.page("events/", since="2026-11-24T12:00", until="2026-11-24T13:00")
    second = reader.page("events/", since="2026-11-24T13:00", until="2026-11-24T14:00")

    assert (rows(first), rows(second)) == (2, 2)


def test_what_is_no_fate_no_way_and_no_time_narrows_nothing(reader: Reader, pair: Pair) -> None:
    came(pair, "applied")

    shown = reader.page("events/", became="lost", came="by pigeon", handled="yesterday")

    assert rows(shown) == 1
    assert "chip removable" not in shown


def test_a_single_fate_is_counted_whole_where_others_are_counted_among_the_newest(
    reader: Reader, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stepping, "COUNTED", 2)
    came(pair, "dead", received_at=NOON - timedelta(days=1))
    for fate in ("dead", "dead", "applied", "applied", "applied"):
        came(pair, fate)
    since = "2026-11-24T00:00"

    assert "2+</span>" in reader.page("events/", since=since)
    assert counted(reader.page("events/", became="dead", since=since)) == 2
    assert counted(reader.page("events/", became="dead")) == 3
