"""Known events: once, every week or every month, by the clock on the wall of a time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from monitoring.detection.calendar import MONTHLY, ONCE, WEEKLY, Known, check, goes_on, next_after

ZURICH = ZoneInfo("Europe/Zurich")
# Friday, 9 to 11 in the morning in Zurich, two weeks before clocks go forward there.
FRIDAY = datetime(2026, 3, 13, 8, 0, tzinfo=UTC)
TWO_HOURS = timedelta(hours=2)


def test_what_comes_weekly_keeps_its_hour_on_the_wall_when_clocks_are_put_forward() -> None:
    known = Known(FRIDAY, FRIDAY + TWO_HOURS, WEEKLY)
    in_summer = datetime(2026, 4, 3, 7, 0, tzinfo=UTC)  # 9:00 in Zurich

    assert goes_on(known, in_summer, ZURICH)
    assert not goes_on(known, in_summer + TWO_HOURS, ZURICH)
    assert not goes_on(known, in_summer, ZoneInfo("UTC"))
    assert not goes_on(known, FRIDAY - timedelta(days=7), ZURICH)


def test_what_comes_monthly_is_on_the_last_day_of_a_month_that_is_too_short() -> None:
    begins = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
    known = Known(begins, begins + TWO_HOURS, MONTHLY, date(2026, 3, 31))

    assert goes_on(known, datetime(2026, 2, 28, 13, 0, tzinfo=UTC), ZURICH)
    assert next_after(known, datetime(2026, 3, 1, tzinfo=UTC), ZURICH) == (
        datetime(2026, 3, 31, 11, 0, tzinfo=UTC), datetime(2026, 3, 31, 13, 0, tzinfo=UTC)
    )  # fmt: skip
    assert next_after(known, datetime(2026, 4, 1, tzinfo=UTC), ZURICH) is None


def test_what_runs_over_midnight_goes_on_the_day_after() -> None:
    known = Known(FRIDAY, FRIDAY + timedelta(days=3), WEEKLY)

    assert goes_on(known, FRIDAY + timedelta(days=9), ZURICH)
    assert not goes_on(known, FRIDAY + timedelta(days=4), ZURICH)


@pytest.mark.parametrize(
    ("lasts", "repeats"),
    [(timedelta(0), ONCE), (timedelta(days=8), WEEKLY), (TWO_HOURS, "daily"), (timedelta(days=70_000), ONCE)],
)
def test_what_makes_no_sense_is_refused(lasts: timedelta, repeats: str) -> None:
    with pytest.raises(ValueError, match="It "):
        check(Known(FRIDAY, FRIDAY + lasts, repeats))
