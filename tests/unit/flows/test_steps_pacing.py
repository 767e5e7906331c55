"""Who passes where only some runs may: those whose turn it is, and the last of a burst."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from flows.engine.item import Item
from flows.engine.outcome import Done, End, GiveUp, Pause, ReadAgain
from flows.engine.pacing import rank_of
from tests.fakes import NOON, FakePorts, an_event, an_item
from tests.unit.flows.taking import KINDS, take

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def items(*customers: str) -> list[Item]:
    return [
        an_item(an_event(id=f"evt_{number}", customer=customer), run_id=number)
        for number, customer in enumerate(customers, 1)
    ]


def throttle(runs: Sequence[Item], ports: FakePorts, **settings: Any) -> list[Any]:
    return take("throttle", {"limit": 2, "key": "charge.customer", **settings}, runs, ports)


def test_so_many_pass_for_each_key_and_the_others_wait_for_their_turn():
    ports, runs = FakePorts(), items("cus_1", "cus_1", "cus_2", "cus_1", "cus_1", "cus_1")

    answers = throttle(runs, ports)

    assert [type(one) for one in answers] == [Done, Done, Done, Pause, Pause, Pause]
    assert [one.until - NOON for one in answers[3:]] == [HOUR, HOUR, 2 * HOUR]
    assert {one.holds for one in answers[3:]} == {"run"}

    ports.time = NOON + HOUR
    again = throttle(runs[3:], ports)
    assert [type(one) for one in again] == [Done, Done, Pause]
    assert (again[0].output, answers[0].output) == ({"waited": True}, {"waited": False})


def test_a_clock_that_goes_on_meanwhile_keeps_nobody_waiting(monkeypatch):
    ports = FakePorts()
    ticks = iter(range(9))
    monkeypatch.setattr(ports, "now", lambda: NOON + timedelta(milliseconds=next(ticks)))
    monkeypatch.setattr(ports, "turns", lambda _step, keys, _pace: [ports.now() for _ in keys])

    assert [type(one) for one in throttle(items("cus_1", "cus_2"), ports)] == [Done, Done]


def test_who_was_let_through_is_not_counted_again():
    ports, runs = FakePorts(), items("cus_1", "cus_1")
    throttle(runs, ports)
    counted = dict(ports.gates)

    assert [type(one) for one in throttle(runs, ports)] == [Done, Done]
    assert ports.gates == counted


def test_who_misses_a_turn_by_a_whole_period_needs_a_new_one():
    ports, runs = FakePorts(), items(*["cus_1"] * 6)
    throttle(runs, ports)

    ports.time = NOON + 30 * HOUR  # a connection rested, and all of them come at once

    assert [type(one) for one in throttle(runs[2:], ports)] == [Done, Done, Pause, Pause]


@pytest.mark.parametrize(
    ("beyond", "comes_to"),
    [("end", End("ignored", "At most 2 in an hour pass, and as many have")), ("exit", "over")],
)
def test_where_nobody_waits_those_beyond_end_or_go_another_way_for_good(beyond, comes_to):
    ports, runs = FakePorts(), items("cus_1", "cus_1", "cus_1")

    first, *_, last = throttle(runs, ports, beyond=beyond)
    (again,) = throttle(runs[2:], ports, beyond=beyond)

    assert (last.exit if isinstance(last, Done) else last) == comes_to
    assert again == last
    assert (
        first.exit == KINDS["throttle"].exits_of(KINDS["throttle"].settings_model(limit=2, beyond=beyond))[0]
    )


def test_a_queue_that_has_become_too_long_is_told():
    *_, last = throttle(items(*["cus_1"] * 7), FakePorts(), longest_hours=2)

    assert isinstance(last, GiveUp)
    assert last.failure.code == "queue_too_long"


def test_evenly_they_pass_one_by_one():
    answers = throttle(items(*["cus_1"] * 3), FakePorts(), evenly=True)

    assert [one.until - NOON for one in answers[1:]] == [30 * MINUTE, HOUR]


# The last of a burst


def debounce(runs: Sequence[Item], ports: FakePorts, **settings: Any) -> list[Any]:
    calm = {"quiet": 5, "unit": "minute", "longest": 1, "longest_unit": "hour"}
    return take("debounce", calm | settings, runs, ports)


def test_the_last_waits_until_it_is_quiet_and_the_others_are_superseded():
    ports = FakePorts()
    runs = [
        an_item(an_event(id=f"evt_{number}", at=NOON + timedelta(seconds=second)), run_id=number)
        for number, second in ((1, 0), (2, 9), (3, 5))
    ]

    answers = debounce(runs, ports)

    assert [type(one) for one in answers] == [End, Pause, End]
    assert (answers[0].fate, answers[1].until) == ("superseded", NOON + 5 * MINUTE)
    assert [type(one) for one in debounce(runs[1:2], ports)] == [Pause]
    ports.time += 5 * MINUTE
    (last,) = debounce(runs[1:2], ports)
    assert last == Done({"runs": 1})
    ports.last["pi_1"] = ("f" * 36, ports.time + HOUR)  # somebody later comes
    assert debounce(runs[1:2], ports) == [last]


def test_where_several_came_together_the_last_reads_the_newest_state_once():
    ports, runs = FakePorts(), items("cus_1", "cus_2")
    debounce(runs, ports)
    ports.time += 5 * MINUTE
    for one in runs:
        one.keep("here", "joined", None)

    _, last = debounce(runs, ports)
    (again,) = debounce(runs[1:], ports)

    assert isinstance(last, ReadAgain)
    assert again == Done({"runs": 2})


def test_a_run_without_the_key_waits_for_nobody():
    ports = FakePorts()

    assert debounce(items("", ""), ports, key="charge.customer") == [Done({"runs": 1})] * 2
    assert ports.last == {}


def test_the_later_event_has_the_higher_rank_whichever_run_is_the_newer():
    late = an_item(an_event(at=NOON + MINUTE), run_id=1)
    early = an_item(an_event(at=NOON), run_id=2**40)
    twin = an_item(an_event(at=NOON), run_id=2**40 + 1)

    assert rank_of(early) < rank_of(twin) < rank_of(late)
    assert len({len(rank_of(one)) for one in (early, twin, late)}) == 1


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("throttle", {"limit": 0}),
        ("throttle", {"limit": 5000, "unit": "second", "evenly": True}),
        ("debounce", {"quiet": 5, "unit": "minute", "longest": 30, "longest_unit": "second"}),
        ("debounce", {"quiet": 1, "longest": 200, "longest_unit": "hour"}),
    ],
)
def test_what_nobody_can_keep_to_is_refused(kind, settings):
    with pytest.raises(ValidationError):
        KINDS[kind].settings_model.model_validate(settings)
