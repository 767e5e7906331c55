"""What a failed try found is kept exactly or not at all, and is never taken for newer than it was."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.engine import batch, carrying
from flows.engine.batch import Finished
from flows.engine.held import has_found
from flows.engine.item import Item, Source
from flows.engine.order import Verdict, judge
from flows.engine.outcome import Done, Failure, GiveUp
from flows.engine.plan import Plan
from flows.engine.policy import Policy
from flows.engine.ports import Applied
from flows.engine.ways import taken
from integrator.kernel.errors import Refused
from tests.fakes import NOON, FakePorts, an_item
from tests.unit.flows.test_batch import Probe, a_plan

REFUSED = GiveUp("No", Failure("data", "No"))

HALF_A_DAY = 12 * 60 * 60
# Python itself reads no part of a second in an offset back, and no zone has one.
offsets = st.integers(-HALF_A_DAY, HALF_A_DAY).map(lambda seconds: timedelta(seconds=seconds))
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text() | st.decimals(allow_nan=False, allow_infinity=False) | st.dates()
    | st.datetimes(timezones=offsets.map(timezone))
)  # fmt: skip
names = st.text().filter(lambda name: not name.startswith("!"))
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=20)


def given_up(item: Item, *, outcome: Any = REFUSED, step: str = "save", taking: tuple[str, ...] = ("look",)):
    """Return the end of a try that took some steps and gave up at another."""
    trace = [{"step": "source", "kind": "payload"}]
    trace += [{"step": name, "title": name.title(), "exit": "next"} for name in taking]
    trace.append({"step": step, "title": "Save it", "exit": None, "error": {}})
    return Finished(item.run_id, outcome, "dead", "", step, trace, "se", [], item)


def carried(finished: Finished):
    """Return what a try had found, as a later one takes it over."""
    kept = carrying.packed(finished)
    return carrying.unpacked(kept, finished.trace, attempt=2, at=NOON)


@given(values)
def test_what_steps_found_comes_back_as_it_was(value: Any) -> None:
    item = an_item()
    item.outputs = {"look": value}

    found = carried(given_up(item)).outputs["look"]

    assert (found, _kinds(found)) == (value, _kinds(value))


def _kinds(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _kinds(inner) for name, inner in value.items()}
    return [_kinds(inner) for inner in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(object(), id="no data"),
        pytest.param((1, 2), id="a tuple, which would come back as a list"),
        pytest.param({"!decimal": "1"}, id="a name that is one of ours"),
        pytest.param({1: "one"}, id="a name that is no text"),
        pytest.param(float("nan"), id="no number"),
        pytest.param("x" * carrying.LARGEST, id="too much"),
        pytest.param(10**5_000, id="a number of thousands of digits"),
    ],
)
def test_what_has_no_exact_form_is_not_kept(value: Any) -> None:
    item = an_item()
    item.outputs = {"look": [value]}

    with pytest.raises(carrying.NotCarried) as refused:
        carried(given_up(item))

    assert refused.value.why == "unkept"


def test_only_steps_before_the_failed_one_are_taken_over() -> None:
    item = an_item()
    item.outputs = {"look": 1, "inside": 2}
    ended = given_up(item)
    ended.trace.append({"step": "inside", "exit": "next"})  # stands inside of the failed step

    found = carried(ended)

    assert found.outputs == {"look": 1}
    assert [entry["step"] for entry in found.trace] == ["source", "look"]
    assert (found.step, found.title) == ("save", "Save it")


def test_what_was_in_doubt_before_it_began_anew_is_not_taken_over() -> None:
    item = an_item()
    ended = given_up(item)
    again = [{"step": "source", "kind": "payload"}, {"step": "other", "exit": "next"}, *ended.trace]

    found = carried(replace(ended, trace=again))

    assert [entry["step"] for entry in found.trace] == ["source", "look"]


def test_what_was_taken_over_before_is_as_old_as_it_was() -> None:
    ended = given_up(an_item())
    older = {"attempt": 1, "at": (NOON - timedelta(hours=1)).isoformat()}
    ended.trace[1]["carried"] = older

    marks = [entry["carried"] for entry in carried(ended).trace]

    assert marks == [{"attempt": 2, "at": NOON.isoformat()}, older]


@pytest.mark.parametrize(
    ("ended", "kept"),
    [
        pytest.param(given_up(an_item(), outcome=Done()), b"", id="it did not give up"),
        pytest.param(given_up(an_item(), step="source"), b"", id="its object could not be read"),
        pytest.param(given_up(an_item(), taking=()), b'{"refused": "first"}', id="at its first step"),
    ],
)
def test_without_a_step_that_failed_behind_another_nothing_is_kept(ended: Finished, kept: bytes) -> None:
    assert carrying.packed(ended) == kept


@pytest.mark.parametrize(
    ("befalls", "why"),
    [
        pytest.param({"effects": ["applied", "skipped"]}, "left_out", id="history left something out"),
        pytest.param({"context": {"error": {"message": "x"}}}, "handled", id="a failure was handled before"),
        pytest.param({"source": Source("ch_1", NOON, NOON, gone=True)}, "gone", id="its object is gone"),
        pytest.param({"edits": ("an edit",)}, "edited", id="its object was edited"),
    ],
)
def test_what_only_a_whole_retry_does_right_is_refused(befalls: dict[str, Any], why: str) -> None:
    item = an_item()
    for name, value in befalls.items():
        setattr(item, name, value)

    assert json.loads(carrying.packed(given_up(item))) == {"refused": why}


# Going on


@pytest.fixture
def probe() -> Probe:
    return Probe()


@pytest.fixture
def plan(probe: Probe) -> Plan:
    return a_plan({"id": "look", "kind": "probe"}, {"id": "save", "kind": "probe"}, probe=probe)


def take(plan: Plan, *items: Item) -> list[Finished]:
    return batch.run(plan, items, FakePorts(), Policy())


def test_a_run_goes_on_at_the_failed_step_beside_those_that_begin(plan: Plan, probe: Probe) -> None:
    item = an_item(run_id=1)
    item.outputs = {"look": Decimal("1.50")}
    going_on = an_item(run_id=1, carried=carried(given_up(item)))

    ended, other = take(plan, going_on, an_item(run_id=2))

    assert probe.batches == [[2], [1, 2]]
    assert (type(ended.outcome), type(other.outcome)) == (Done, Done)
    assert going_on.context["steps"]["look"] == Decimal("1.50")
    assert ended.letters == "ss"
    assert taken(ended.trace) == [("save", "next")]  # the other way was counted when it was taken
    assert not has_found(ended, "look")
    assert has_found(other, "look")


def test_what_was_read_anew_is_what_it_goes_on_with(plan: Plan) -> None:
    item = an_item()
    item.source = Source("ch_1", NOON, NOON, fetched=True)
    item.context = {"charge": {"amount": Decimal("7.00")}, "event": {}, "steps": {}}
    going_on = an_item(carried=carried(given_up(item)))

    take(plan, going_on)

    assert going_on.context["charge"] == {"amount": Decimal("7.00")}
    assert (going_on.source.fetched, going_on.source.carried) == (True, True)


def test_it_may_fail_again_and_go_on_from_there(plan: Plan, probe: Probe) -> None:
    item = an_item()
    item.outputs = {"look": 7}
    probe.answers[1] = Refused("No")
    (ended,) = take(plan, an_item(carried=carried(given_up(item))))
    probe.answers.clear()

    (again,) = take(plan, an_item(carried=carried(ended)))

    assert isinstance(again.outcome, Done)
    assert again.item.outputs["look"] == 7


# Order


def read(second: float, *, is_carried: bool = False) -> Source:
    """Return where a state comes from that was read from Stripe then."""
    at = NOON + timedelta(seconds=second)
    before, after = at - timedelta(seconds=2), at + timedelta(seconds=1)
    return Source("pi_1", before, after, fetched=True, carried=is_carried)


@pytest.mark.parametrize(
    ("was_read", "applied_at", "verdict"),
    [
        pytest.param(9, 1, Verdict.APPLY, id="surely newer"),
        pytest.param(1, 9, Verdict.SUPERSEDED, id="surely older"),
        pytest.param(5, 6, Verdict.IN_DOUBT, id="at about the same time"),
        pytest.param(6, 5, Verdict.IN_DOUBT, id="at about the same time, perhaps newer"),
    ],
)
def test_what_was_taken_over_settles_no_doubt(was_read: int, applied_at: int, verdict: Verdict) -> None:
    there = read(applied_at)
    applied = Applied(there.id, 1, there.not_before, there.not_after)

    assert judge(read(was_read, is_carried=True), applied, same_event=False) is verdict


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans()), min_size=1, max_size=8), st.randoms())
def test_in_whatever_order_tries_come_the_newest_state_that_was_read_stays(
    reads: list[tuple[float, bool]], dice: Any
) -> None:
    """A state that is taken over comes at any time after it was read; one in doubt is read anew."""
    newest = max(at for at, _ in reads)
    late = [at for at, is_late in reads if is_late]
    dice.shuffle(late)
    in_time = sorted(at for at, is_late in reads if not is_late)
    applied, state = None, -1.0
    for was_read, is_late in [*((at, False) for at in in_time), *((at, True) for at in late)]:
        at, source = was_read, read(was_read, is_carried=is_late)
        verdict = judge(source, applied, same_event=False)
        if verdict is Verdict.IN_DOUBT:
            source, at = read(newest + 10), newest
            verdict = judge(source, applied, same_event=False)
        if verdict is Verdict.APPLY:
            assert at >= state
            applied, state = Applied(source.id, 1, source.not_before, source.not_after), at
