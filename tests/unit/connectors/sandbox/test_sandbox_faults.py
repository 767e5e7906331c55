"""This module tests the fault menu: which call is hit, by count, by number, by seeded chance."""

from __future__ import annotations

import pytest

from connectors.sandbox.faults import KINDS, MEANING, Fault, FaultMenu, fault_from


def hits(menu: FaultMenu, calls: int, method: str = "GET", path: str = "/v1/customers") -> list[int]:
    """Return the numbers of the calls that a fault fired on, from 1."""
    return [number for number in range(1, calls + 1) if menu.choose(method, path)]


def test_without_a_condition_every_matching_call_is_hit():
    menu = FaultMenu()
    menu.add(Fault("reset", match_method="get", match_path="^/v1/cust"))

    assert hits(menu, 3) == [1, 2, 3]
    assert hits(menu, 3, method="POST") == []
    assert hits(menu, 3, path="/v2/v1/customers") == []


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        pytest.param({"times": 2}, [1, 2], id="the first two"),
        pytest.param({"nth": 3}, [3], id="the third"),
        pytest.param({"nth": 3, "times": 2}, [3, 4], id="the third and the one after it"),
        pytest.param({"probability": 0.0}, [], id="no chance"),
        pytest.param({"probability": 1.0, "times": 1}, [1], id="every chance, once"),
    ],
)
def test_a_condition_says_which_calls_are_hit(condition, expected):
    menu = FaultMenu()
    fault = menu.add(Fault("before", **condition))

    assert hits(menu, 6) == expected
    assert (fault.seen, fault.fired, menu.fired(), menu.fired("before")) == (
        6,
        len(expected),
        len(expected),
        len(expected),
    )


def test_chance_is_the_seeds_own():
    def run(seed: int) -> list[int]:
        menu = FaultMenu(seed=seed)
        menu.add(Fault("before", probability=0.3))
        return hits(menu, 50)

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 5 <= len(run(1)) <= 25


def test_a_second_fault_does_not_shift_the_luck_of_the_first():
    alone, together = FaultMenu(seed=1), FaultMenu(seed=1)
    lonely = alone.add(Fault("before", probability=0.3))
    first = together.add(Fault("before", probability=0.3))
    together.add(Fault("reset", nth=2))

    hits(alone, 30)
    hits(together, 30)

    assert lonely.fired == first.fired


def test_the_first_that_is_due_fires_and_the_others_go_on_counting():
    menu = FaultMenu()
    first, second = menu.add(Fault("before", times=1)), menu.add(Fault("reset", nth=2))

    fired = [menu.choose("GET", "/"), menu.choose("GET", "/"), menu.choose("GET", "/")]

    assert fired == [first, second, None]


def test_clearing_rewinds_the_dice():
    menu = FaultMenu(seed=5)
    menu.add(Fault("before", probability=0.5))
    before = hits(menu, 20)

    menu.clear(seed=5)

    assert menu.all() == []
    menu.add(Fault("before", probability=0.5))
    assert hits(menu, 20) == before


def test_every_kind_says_what_it_means():
    assert set(MEANING) == set(KINDS)


def test_a_fault_is_read_from_json_and_written_back():
    data = {"kind": "slow", "match_path": "^/x", "nth": 2, "probability": 1, "params": {"seconds": 3}}

    shown = fault_from(data).as_json()

    assert {name: shown[name] for name in data} == data
    assert (shown["seen"], shown["fired"]) == (0, 0)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param("slow", "JSON object", id="no object"),
        pytest.param({}, "kind", id="no kind"),
        pytest.param({"kind": "slow", "match_path": "["}, "regular expression", id="a broken pattern"),
        pytest.param({"kind": "slow", "times": "2"}, "times", id="a text for a number"),
        pytest.param({"kind": "slow", "path": "/"}, "no path", id="an unknown name"),
    ],
)
def test_what_is_no_fault_is_told_why(data, text):
    with pytest.raises(ValueError, match=text):
        fault_from(data)
