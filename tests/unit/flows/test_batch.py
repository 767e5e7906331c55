"""Runs advance together, and what befalls one of them befalls no other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from flows.engine import batch, definition, plan
from flows.engine.outcome import AskHuman, Done, End, GiveUp, Pause, ReadAgain, RetryAt
from flows.engine.policy import Policy
from flows.engine.ports import Abandoned, Applied
from flows.steps import registry
from flows.steps.base import StepKind
from integrator.kernel.errors import Ambiguous, Declined, RateLimited, Refused, Transient
from tests.fakes import NOON, FakePorts, a_reading, an_event, an_item
from tests.unit.flows.test_definition import a_condition, a_document, a_map, a_stop, an_upsert


class NoSettings(BaseModel):
    """There is nothing to set."""


class Probe(StepKind):
    """Do what the run's charge says, and keep which runs came together."""

    slug: ClassVar[str] = "probe"
    label: ClassVar[str] = "Probe"
    exits: ClassVar[tuple[str, ...]] = ("next", "side")
    settings_model = NoSettings

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.answers: dict[int, Any] = {}

    def compile(self, step_id, settings):
        def step(items: Sequence[Any], ports: Any) -> list[Any]:
            self.batches.append([item.run_id for item in items])
            answers = [self.answers.get(item.run_id, Done(output=item.run_id)) for item in items]
            for answer in answers:
                if isinstance(answer, Exception) and not isinstance(answer, Refused | Transient | Ambiguous):
                    raise answer
            return answers

        return step


@pytest.fixture
def ports():
    return FakePorts()


@pytest.fixture
def probe():
    return Probe()


def a_plan(*steps, probe=None, **more):
    kinds = registry.load() | ({"probe": probe} if probe else {})
    return plan.build(definition.load(a_document(*steps, **more), kinds=kinds), kinds=kinds)


def a_probe_plan(probe):
    return a_plan({"id": "probe", "kind": "probe"}, probe=probe)


def run(compiled, items, ports=None):
    return batch.run(compiled, items, ports or FakePorts(), Policy())


def runs(count):
    return [an_item(run_id=number) for number in range(1, count + 1)]


def test_all_runs_take_a_step_together(probe):
    finished = run(a_probe_plan(probe), runs(3))

    assert probe.batches == [[1, 2, 3]]
    assert [end.run_id for end in finished] == [1, 2, 3]
    assert all(end.outcome == Done() for end in finished)


def test_no_runs_take_no_step(probe):
    assert run(a_probe_plan(probe), []) == []
    assert probe.batches == []


def test_each_run_goes_its_own_way_and_they_meet_again_behind(probe):
    compiled = a_plan(
        a_condition("big", yes=[{"id": "only_big", "kind": "probe"}]),
        {"id": "all", "kind": "probe"},
        probe=probe,
    )
    items = [an_item(an_event(amount=5), run_id=1), an_item(an_event(amount=5000), run_id=2)]

    run(compiled, items)

    assert probe.batches == [[2], [1, 2]]


@pytest.mark.parametrize(
    ("answer", "outcome", "fate"),
    [
        pytest.param(Transient("503"), RetryAt, "queued", id="a timeout"),
        pytest.param(Refused("No"), GiveUp, "dead", id="a refusal"),
        pytest.param(Ambiguous("Two fit"), AskHuman, "waiting", id="a question"),
        pytest.param(End("ignored", "Not wanted"), End, "ignored", id="a filter"),
        pytest.param(End("applied", "Done"), End, "applied", id="a stop"),
        pytest.param(Pause(NOON, "Rest"), Pause, "queued", id="a rest"),
    ],
)
def test_what_ends_one_run_ends_no_other(probe, answer, outcome, fate):
    probe.answers[2] = answer

    first, second, third = run(a_probe_plan(probe), runs(3))

    assert isinstance(second.outcome, outcome)
    assert (second.fate, second.step) == (fate, "probe")
    assert first.outcome == third.outcome == Done()


def test_a_bug_with_one_run_is_given_up_and_the_others_go_on(probe):
    probe.answers[2] = KeyError("sk_live_abcdefgh is not here")

    first, second, third = run(a_probe_plan(probe), runs(3))

    assert probe.batches == [[1, 2, 3], [1], [2], [3]]
    assert first.outcome == third.outcome == Done()
    assert (second.outcome.failure.error_class, second.outcome.failure.code) == ("internal", "KeyError")
    assert "sk_live" not in str(second)


def test_a_failure_of_the_whole_call_is_everybodys(probe):
    probe.answers[1] = RateLimited("Slow down", resets_at=NOON + timedelta(minutes=5))

    finished = run(a_probe_plan(probe), runs(3))

    assert probe.batches == [[1, 2, 3]]
    assert {end.outcome.until for end in finished} == {NOON + timedelta(minutes=5)}


def test_a_worker_that_lost_its_lease_closes_nothing(probe):
    probe.answers[1] = Abandoned()

    with pytest.raises(Abandoned):
        run(a_probe_plan(probe), runs(3))


def test_a_kind_that_forgets_an_answer_is_a_bug(probe):
    class Forgetful(Probe):
        """Forget the last answer."""

        def compile(self, step_id, settings):
            return lambda _items, _ports: []

    (finished,) = run(a_probe_plan(Forgetful()), runs(1))

    assert finished.outcome.failure.error_class == "internal"


def test_an_answer_that_is_no_outcome_is_a_bug(probe):
    probe.answers[1] = "done"

    (finished,) = run(a_probe_plan(probe), runs(1))

    assert finished.outcome.failure.error_class == "internal"


def test_a_decline_without_an_exit_is_a_dead_letter(probe):
    probe.answers[1] = Declined("Insufficient funds", code="card_declined")

    (finished,) = run(a_probe_plan(probe), runs(1))

    assert (finished.outcome.failure.error_class, finished.outcome.failure.code) == (
        "declined",
        "card_declined",
    )


def test_attempts_and_the_first_failure_decide_about_the_next_try(probe):
    probe.answers[1] = Transient("503")
    item = an_item(attempts=80, first_failed_at=NOON - timedelta(hours=73))

    (finished,) = run(a_probe_plan(probe), [item])

    assert finished.fate == "dead"


@pytest.mark.parametrize(
    ("before", "fate", "reason"),
    [
        pytest.param(None, "applied", "", id="a write that was made"),
        pytest.param(9, "superseded", "A newer state had been written already", id="only older writes"),
    ],
)
def test_the_fate_follows_from_the_writes(ports, before, fate, reason):
    if before is not None:
        later = NOON + timedelta(seconds=before)
        ports.applied["Payment__c:ch_1"] = Applied("ch_1", 99, later, later)

    (finished,) = run(a_plan(), runs(1), ports)

    assert (finished.fate, finished.reason) == (fate, reason)


def test_a_flow_that_wrote_nothing_ignored_the_event():
    (finished,) = run(a_plan(a_map()), runs(1))

    assert (finished.fate, finished.reason) == ("ignored", "The flow wrote nothing")


def test_a_stop_behind_a_write_does_not_undo_it(ports):
    (finished,) = run(a_plan(a_map(), an_upsert(), a_stop()), runs(1), ports)

    assert (finished.fate, finished.letters) == ("applied", "ssi")


def test_a_letter_for_each_step_tells_how_far_a_run_came(ports):
    ports.refuses["ch_1"] = Refused("No")

    assert run(a_plan(), runs(1), ports)[0].letters == "se"


# Reading again

INTENT = {
    "id": "pi_1",
    "object": "payment_intent",
    "latest_charge": {"id": "ch_1", "object": "charge", "fee": 7},
}


def a_doubtful_world():
    ports = FakePorts()
    ports.applied["Payment__c:ch_1"] = Applied("ch_1", 99, NOON, NOON)
    ports.readings["pi_1"] = a_reading(INTENT)
    return ports


def test_runs_in_doubt_are_read_in_one_go_and_start_over():
    ports = a_doubtful_world()

    first, second = run(a_plan(), runs(2), ports)

    assert ports.reads == [["pi_1", "pi_1"]]
    assert (first.fate, second.fate) == ("applied", "applied")
    assert first.letters == "ss"
    assert first.writes[0].source.fetched


def test_what_was_deleted_meanwhile_is_taken_from_its_event():
    ports = a_doubtful_world()
    ports.readings.clear()

    (finished,) = run(a_plan(), runs(1), ports)

    assert finished.fate == "applied"
    assert [entry["kind"] for entry in finished.trace if entry["step"] == "source"] == ["payload", "gone"]


def test_a_reading_that_fails_is_decided_like_any_failure():
    ports = a_doubtful_world()
    ports.readings["pi_1"] = Transient("503")

    (finished,) = run(a_plan(), runs(1), ports)

    assert isinstance(finished.outcome, RetryAt)
    assert finished.step == "source"


def test_a_reading_that_is_declined_ends_the_run_too():
    ports = a_doubtful_world()
    ports.readings["pi_1"] = Declined("No")

    assert run(a_plan(), runs(1), ports)[0].fate == "dead"


def test_what_the_trigger_fetches_is_read_before_the_first_step():
    ports = a_doubtful_world()
    trigger = {"kind": "stripe.event", "types": ["charge.updated"], "fetch": ["charge.updated"]}
    item = an_item(an_event("charge.updated"))

    (finished,) = run(a_plan(trigger=trigger), [item], ports)

    assert finished.item.context["payment_intent"]["id"] == "pi_1"
    assert [entry["kind"] for entry in finished.trace] == ["fetched", "map", "salesforce.upsert"]


def test_a_retry_is_read_before_the_first_step():
    ports = a_doubtful_world()

    run(a_plan(), [an_item(read_first=True)], ports)

    assert ports.reads == [["pi_1"]]


def test_an_object_that_is_gone_and_of_which_nothing_is_known_is_given_up():
    item = an_item(read_first=True)
    item.context = {}

    (finished,) = run(a_plan(), [item])

    assert (finished.fate, finished.outcome.failure.error_class) == ("dead", "missing_ref")


def test_nobody_reads_for_ever(probe):
    probe.answers[1] = ReadAgain("I am never sure")
    ports = a_doubtful_world()

    (finished,) = run(a_probe_plan(probe), runs(1), ports)

    assert len(ports.reads) == 1
    assert finished.outcome.failure.error_class == "internal"


def test_a_run_sees_its_event_what_changed_and_earlier_steps(probe):
    event = an_event()
    event["data"]["previous_attributes"] = {"status": "pending"}
    item = an_item(event)

    run(a_probe_plan(probe), [item])

    assert item.context["event"]["type"] == "charge.succeeded"
    assert item.context["previous"] == {"status": "pending"}
    assert item.context["steps"] == {"probe": 1}
