"""What will be used is what is used now, and what is usual then, less what falls out of the day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from monitoring.forecasting import DAY, HOUR, forecast
from tests.builders import NOON

NOW = NOON + timedelta(minutes=30)


def weeks(number: int, calls: Any = 100) -> dict[datetime, int]:
    """Return the calls of each hour of so many weeks before NOON, as `calls` says of it."""
    hours = [NOON - HOUR * back for back in range(1, number * 7 * 24 + 1)]
    return {hour: calls(hour) if callable(calls) else calls for hour in hours}


def test_where_every_day_is_the_same_nothing_changes():
    hours = weeks(4)

    found = forecast(used=2400, ours=9000, hours=hours, since=min(hours), now=NOW)

    assert [point.used for point in found.points] == [2400] * 25
    assert (found.reached_at, found.busier, found.is_guess) == (None, 1.0, False)
    assert found.points[-1].at == NOON + DAY


def test_it_knows_the_weekday():
    monday = (NOON + DAY).weekday()
    hours = weeks(4, lambda hour: 500 if hour.weekday() == monday else 100)

    found = forecast(used=2400, ours=9000, hours=hours, since=min(hours), now=NOW)

    first_half = [point.used for point in found.points if point.at <= (NOON + DAY).replace(hour=0)]
    assert max(first_half) == 2400
    assert found.most.used == found.points[-1].used == 2400 + 400 * 12


def test_it_tells_when_our_part_is_used_up():
    hours = weeks(5, 0)
    hours |= {NOON + HOUR * 5 - timedelta(weeks=back): 1000 for back in range(1, 5)}

    found = forecast(used=500, ours=1000, hours=hours, since=min(hours), now=NOW)

    assert found.reached_at == NOON + HOUR * 5.5


def test_what_is_used_up_already_is_reached_now():
    assert forecast(used=900, ours=900, hours={}, since=None, now=NOW).reached_at == NOW


def test_without_any_history_it_says_that_it_guesses():
    hours = {NOON - HOUR: 60, NOON - 2 * HOUR: 40}

    found = forecast(used=100, ours=9000, hours=hours, since=NOON - 2 * HOUR, now=NOON)

    assert found.is_guess
    assert found.points[1].used == 150
    assert found.most.used == 100 + 22 * 50  # by then the first of the known hours fall out


@pytest.mark.parametrize(
    ("times", "busier"), [(1.5, 1.5), (9, 2.0), (0, 0.5)], ids=["busier", "much", "calm"]
)
def test_a_busy_day_makes_the_next_one_busier_within_bounds(times, busier):
    hours = weeks(4, lambda hour: int(100 * times) if hour >= NOON - DAY else 100)

    assert forecast(used=2400, ours=9000, hours=hours, since=min(hours), now=NOW).busier == busier
