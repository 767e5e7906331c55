"""This module checks the measure itself: what is told of the times that pages took."""

from __future__ import annotations

from tests.benchmarks.growth import pooled, rank


def test_a_page_that_is_always_slow_shows_though_all_pages_together_hide_it() -> None:
    quick = {f"/page{number}/": [10.0] * 7 for number in range(40)}

    told = pooled([{**quick, "/slow/": [900.0] * 7}] * 3)

    assert told["p95"] == 10.0
    assert (told["slowest"], told["worst"]) == (900.0, 900.0)


def test_one_slow_answer_of_three_rounds_is_not_the_p95_of_its_page() -> None:
    once = {"/page/": [10.0] * 6 + [900.0]}

    assert pooled([{"/page/": [10.0] * 7}, {"/page/": [10.0] * 7}, once])["worst"] == 10.0
    assert pooled([once])["worst"] == 900.0


def test_a_rank_is_one_of_the_times() -> None:
    assert [rank([3.0, 1.0, 2.0], part) for part in (0.0, 0.5, 0.95, 1.0)] == [1.0, 2.0, 3.0, 3.0]
