"""A chart has round ticks, breaks its lines where nothing is known, and says every value in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from monitoring.charts import (
    COUNT,
    LENGTH,
    NUMBER,
    Chart,
    Series,
    Shape,
    Times,
    Unit,
    by_name,
    over_time,
    scale,
)

NOON = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def a_chart(*series: Series, unit: Unit = COUNT) -> Chart:
    moments = [NOON + MINUTE * at for at in range(len(series[0].values))]
    times = Times(moments[0], moments[-1] + MINUTE, UTC)
    return over_time(series, moments, times, unit=unit, each=MINUTE)


@pytest.mark.parametrize(
    ("highest", "unit", "top", "step"),
    [
        pytest.param(0, COUNT, 1, 1, id="nothing"),
        pytest.param(7, COUNT, 10, 5, id="a few"),
        pytest.param(100, COUNT, 100, 50, id="a round number is its own top"),
        pytest.param(41_230, COUNT, 60_000, 20_000, id="many"),
        pytest.param(0.42, NUMBER, 0.6, 0.2, id="less than one"),
        pytest.param(0.43, LENGTH, 0.6, 0.2, id="part of a second"),
        pytest.param(130, LENGTH, 180, 60, id="minutes go by sixty"),
        pytest.param(20_000, LENGTH, 21_600, 7200, id="hours as well"),
    ],
)
def test_the_value_axis_has_a_few_round_ticks(highest: float, unit: Unit, top: float, step: float) -> None:
    assert scale(highest, unit) == (pytest.approx(top), pytest.approx(step))


def test_ticks_say_what_they_stand_for() -> None:
    shown = a_chart(Series("Took", "half", [0.2, 2.5]), unit=LENGTH)

    assert [(tick.text, tick.at) for tick in shown.values] == [
        ("0", 100), ("1 s", pytest.approx(66.67)), ("2 s", pytest.approx(33.33)), ("3 s", 0),
    ]  # fmt: skip


def test_bars_stand_on_one_another_and_lines_at_their_own_height() -> None:
    shown = a_chart(
        Series("Applied", "applied", [6, 0], Shape.STACK),
        Series("Dead", "dead", [4, 0], Shape.STACK),
        Series("Received", "received", [10, 5]),
    )

    applied, dead, received = (one.path for one in shown.shapes)
    assert applied == "M36.00,100.00v-60.00h228.00v60.00z"
    assert dead == "M36.00,40.00v-40.00h228.00v40.00z"
    assert received == "M150.00,0.00L450.00,50.00"


def test_one_among_thousands_is_still_seen() -> None:
    shown = a_chart(
        Series("Applied", "applied", [9999], Shape.STACK), Series("Dead", "dead", [1], Shape.STACK)
    )

    assert "v-1.50h" in shown.shapes[1].path


def test_a_line_breaks_where_nothing_is_known() -> None:
    shown = a_chart(Series("Took", "half", [1, None, 1, 1]))

    assert shown.shapes[0].path.count("M") == 2
    assert [row.cells for row in shown.rows] == [["1"], ["–"], ["1"], ["1"]]


def test_a_band_is_closed_along_its_lower_edge_and_says_both() -> None:
    shown = a_chart(Series("Usual", "usual", [4, 4, None], Shape.BAND, floor=[2, 2.5, None]), unit=NUMBER)

    assert shown.shapes[0].path == "M100.00,0.00L300.00,0.00L300.00,37.50L100.00,50.00Z"
    assert [row.cells for row in shown.rows] == [["2 to 4"], ["2.5 to 4"], ["–"]]


@pytest.mark.parametrize(
    ("zone", "hours", "texts"),
    [
        pytest.param("UTC", 1, ["12:15", "12:30", "12:45", "13:00"], id="an hour"),
        pytest.param("Asia/Kolkata", 24, ["00:00", "06:00", "12:00"], id="half an hour off UTC"),
        pytest.param("Asia/Kathmandu", 24, ["00:00", "06:00", "12:00"], id="three quarters off"),
    ],
)
def test_the_time_axis_goes_by_the_clocks_of_the_zone(zone: str, hours: int, texts: list[str]) -> None:
    times = Times(NOON, NOON + timedelta(hours=hours), ZoneInfo(zone))

    assert [tick.text for tick in times.ticks()] == texts


def test_what_has_names_instead_of_times_ends_with_a_tick_under_the_last() -> None:
    names = [(f"Tue {day} Dec", f"{day} Dec") for day in range(1, 15)]

    shown = by_name([Series("Payments", "series-0", [1] * 14, Shape.STACK)], names, unit=COUNT)

    assert [tick.text for tick in shown.ticks] == ["2 Dec", "5 Dec", "8 Dec", "11 Dec", "14 Dec"]
    assert (shown.rows[0].text, shown.rows[0].cells) == ("Tue 1 Dec", ["1"])


def test_it_can_be_read_out() -> None:
    shown = a_chart(
        Series("Applied", "applied", [6, 1], Shape.STACK, total="7"), Series("Took", "half", [3, 2]),
        Series("Usual", "usual", [None, None]),
    )  # fmt: skip

    assert shown.spoken == "Applied 7, Took 2 to 3, Usual not known"
