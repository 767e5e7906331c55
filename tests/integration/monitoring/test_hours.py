"""Hours are counted from the inbox: what was received has a fate, and what vanished is missed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.models import Connection
from flows.models import Event
from monitoring import hours
from monitoring.models import COUNTED, ConservationHour
from tests.builders import NOON, a_connection, an_environment
from tests.integration.flows.given import an_event

pytestmark = pytest.mark.django_db


@pytest.fixture
def stripe() -> Connection:
    return a_connection()


def after(**length: float) -> datetime:
    return NOON + timedelta(**length)


def received(stripe: Connection, at: datetime, fate: str = "applied", **fields: Any) -> Event:
    return an_event(stripe, received_at=at, dispatched_at=at, fate=fate, **fields)


def the_hour(at: datetime = NOON) -> ConservationHour:
    return ConservationHour.objects.get(hour=at)


def test_an_hour_is_what_came_in_by_fate_and_by_way(stripe: Connection) -> None:
    received(stripe, NOON)
    received(stripe, after(minutes=59, seconds=59), origin="walk")
    received(stripe, after(minutes=5), "dead")
    received(stripe, after(minutes=60), "queued")
    received(stripe, after(seconds=-1), "ignored")

    hours.Counter().count_due(now=after(minutes=61))

    noon = the_hour()
    assert (noon.received, noon.applied, noon.dead, noon.delivered, noon.found) == (3, 2, 1, 2, 1)
    assert noon.equal
    assert (the_hour(after(hours=1)).queued, the_hour(after(hours=-1)).ignored) == (1, 1)


def test_connections_are_counted_by_themselves(stripe: Connection) -> None:
    other = a_connection(name="Another", environment=an_environment("qa"))
    received(stripe, NOON)
    received(other, NOON)
    received(other, NOON)

    hours.Counter().count_due(now=after(minutes=1))

    counted = ConservationHour.objects.values_list("connection__name", "received")
    assert dict(counted) == {"Stripe": 1, "Another": 2}


def test_a_fate_that_changes_is_counted_anew(stripe: Connection) -> None:
    event = received(stripe, NOON, "queued")
    counter = hours.Counter()
    counter.count_due(now=after(minutes=1))
    Event.objects.filter(pk=event.pk).update(fate="applied")

    for minutes in (30, 200):  # a quarter of an hour after it was counted last
        hours.count_older(now=after(minutes=minutes))

    assert (the_hour().queued, the_hour().applied) == (0, 1)


def test_an_event_that_vanished_is_missed(stripe: Connection) -> None:
    received(stripe, NOON)
    event = received(stripe, NOON)
    hours.Counter().count_due(now=after(minutes=1))
    event.delete()

    hours.count_older(now=after(hours=26))

    assert (the_hour().received, the_hour().accounted) == (2, 1)
    assert list(ConservationHour.objects.unequal()) == [the_hour()]


def test_even_an_hour_of_which_nothing_is_left_is_missed(stripe: Connection) -> None:
    received(stripe, NOON).delete()
    event = received(stripe, NOON)
    hours.Counter().count_due(now=after(minutes=1))
    event.delete()

    hours.count_older(now=after(hours=26))

    assert (the_hour().received, the_hour().accounted) == (1, 0)


def test_while_nothing_happens_nothing_is_counted(
    stripe: Connection, django_assert_max_num_queries: Any
) -> None:
    received(stripe, NOON)
    counter = hours.Counter()
    assert counter.count_due(now=after(minutes=1)) == 1
    counter._not_before = 0.0

    with django_assert_max_num_queries(3):
        assert counter.count_due(now=after(minutes=2)) == 0


def test_counting_rests_in_proportion_to_what_it_takes(stripe: Connection) -> None:
    received(stripe, NOON)
    moments = iter([100.0, 103.0, 200.0, 251.0, 251.5])
    counter = hours.Counter(clock=lambda: next(moments))
    assert counter.count_due(now=after(minutes=1)) == 1  # from 100 to 103: 3 s of counting
    received(stripe, NOON)

    assert counter.count_due(now=after(minutes=2)) == 0  # at 200
    assert counter.count_due(now=after(minutes=3)) == 1  # at 251


def test_a_watcher_that_was_away_counts_what_it_missed(stripe: Connection) -> None:
    for back in (1, 5, 30, 100):
        received(stripe, after(hours=-back))

    hours.Counter().count_due(now=NOON)

    assert ConservationHour.objects.count() == 4


def test_what_is_older_than_a_week_is_left_alone(stripe: Connection) -> None:
    event = received(stripe, NOON)
    hours.Counter().count_due(now=after(minutes=1))
    event.delete()  # purged

    hours.count_older(now=after(days=8))

    assert the_hour().equal


def test_the_equation_of_an_environment_is_the_sum_of_its_hours(stripe: Connection) -> None:
    for minutes, fate in ((0, "applied"), (1, "applied"), (61, "dead"), (-90, "applied")):
        received(stripe, after(minutes=minutes), fate)
    hours.Counter().count_due(now=after(minutes=62))

    equation = hours.of_environment(stripe.environment, since=NOON)

    assert (equation.received, equation.holds) == (3, True)
    assert [(term.fate, term.events) for term in equation.shown] == [("applied", 2), ("dead", 1)]


def test_what_no_webhook_brought_is_named(stripe: Connection) -> None:
    received(stripe, NOON)
    received(stripe, after(minutes=1), origin="walk", external_id="evt_lost_and_found")
    hours.Counter().count_due(now=after(minutes=2))

    assert hours.found_in(the_hour(), most=5) == ["evt_lost_and_found"]


def test_what_the_list_brought_and_no_flow_wants_was_not_missed(stripe: Connection) -> None:
    event = received(stripe, NOON, "queued", origin="walk")
    for fate in ("queued", "ignored"):
        event.fate = fate
        event.save()
        hours.count(since=NOON, until=after(hours=1), now=after(minutes=1))

    assert (the_hour().received, the_hour().ignored, the_hour().found) == (1, 1, 0)
    assert hours.found_in(the_hour(), most=5) == []


def test_hours_are_forgotten_after_a_year_and_more(stripe: Connection) -> None:
    ConservationHour.objects.create(connection=stripe, hour=NOON, counted_at=NOON)

    assert hours.forget(now=after(days=399)) == 0
    assert hours.forget(now=after(days=401)) == 1


def test_every_fate_has_its_column() -> None:
    columns = {field.name for field in ConservationHour._meta.get_fields()}

    assert set(COUNTED) <= columns
