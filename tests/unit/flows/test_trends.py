"""The small chart of a cause of dead letters: every day is seen, and read out."""

from __future__ import annotations

from datetime import date

from flows.causes import Trend
from flows.views.trends import HEIGHT, Chart


def test_a_day_with_one_letter_is_seen_beside_one_with_thousands():
    chart = Chart.of(Trend(date(2026, 11, 11), (0,) * 11 + (4_000, 0, 1)))

    assert [bar.height for bar in chart.bars[10:]] == [0, HEIGHT, 0, 2]
    assert [bar.y for bar in chart.bars[11:]] == [0, HEIGHT, HEIGHT - 2]
    assert chart.words == "Last 14 days, by UTC: 22 November 4,000, 24 November 1"


def test_a_cause_that_is_over_is_said_to_be():
    assert Chart.of(Trend(date(2026, 11, 11), (0,) * 14)).words == "Last 14 days, by UTC: none came"
