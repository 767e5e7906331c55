"""This module tests that what must happen once does, and that shared records have one writer at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from flows import deadletters, holds
from flows.engine import once
from flows.lanes import WorkerLease, claim, release
from flows.models import DeadLetter, Deployment, Effect, Event, Link, Pair, Review, Run, TargetLease, Worker
from flows.reviews import answer
from flows.targets import give_back, take
from integrator.kernel.errors import Refused, Transient, Uncertain
from tests.integration.flows.given import a_charge, a_worker, an_event, runs
from tests.integration.flows.two_systems import (
    ACCOUNT,
    DUN,
    RANKED_TELL,
    STATUS,
    TELL,
    UPSERT,
    TwoSystems,
    a_deployed_flow,
    pass_time,
    refusing,
    work_until_quiet,
)

pytestmark = pytest.mark.django_db


def a_failed_payment(pair: Pair, **fields: Any) -> Event:
    return an_event(
        pair.stripe,
        a_charge(id="ch_1", payment_intent="pi_1", status="failed"),
        type="charge.failed",
        created=int(timezone.now().timestamp()),
        **({"received_at": timezone.now()} | fields),
    )


def test_an_effect_is_on_disk_before_it_is_asked_for(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    seen: list[Any] = []

    def start(request: Mapping[str, Any]) -> Any:
        seen.append(Effect.objects.values_list("state", "action").get())
        return {"outputs": {}}

    systems.answers["start_flow"] = start
    a_failed_payment(pair)

    work_until_quiet(worker)

    assert seen == [("sent", "start_flow")]
    assert Effect.objects.get().state == "done"


def test_a_retry_of_the_run_starts_nothing_twice(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    twice = {**DUN, "id": "tell", "settings": {**DUN["settings"], "flow": "Tell_Sales"}}
    a_deployed_flow(pair, [*UPSERT, DUN, twice])
    fails = iter([Transient("locked", code="UNABLE_TO_LOCK_ROW")])

    def start(request: Mapping[str, Any]) -> Any:
        if request["flow"] == "Tell_Sales":
            return next(fails, {"outputs": {}})
        return {"outputs": {}}

    systems.answers["start_flow"] = start
    systems.objects["pi_1"] = {
        "id": "pi_1",
        "object": "payment_intent",
        "latest_charge": a_charge(id="ch_1", payment_intent="pi_1", status="failed"),
    }
    a_failed_payment(pair)
    work_until_quiet(worker)
    pass_time(timedelta(minutes=1))
    work_until_quiet(worker)

    started = [request["flow"] for request in systems.made("start_flow")]
    assert started == ["Stripe_Dunning", "Tell_Sales", "Tell_Sales"]
    assert Run.objects.get().fate == "applied"


def test_a_lost_answer_of_a_direct_call_is_a_question_and_never_a_second_call(
    pair: Pair, worker: WorkerLease, systems: TwoSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    systems.answers["start_flow"] = lambda _: Uncertain("The answer was lost", code="unanswered")
    a_failed_payment(pair)
    work_until_quiet(worker)

    review = Review.objects.open().get()
    assert (review.kind, [option["value"] for option in review.options]) == (
        "in_doubt", ["happened", "repeat", "skip"],
    )  # fmt: skip
    assert (Effect.objects.get().state, len(systems.made("start_flow"))) == ("in_doubt", 1)

    del systems.answers["start_flow"]
    systems.objects["pi_1"] = {
        "id": "pi_1",
        "object": "payment_intent",
        "latest_charge": a_charge(id="ch_1", payment_intent="pi_1", status="failed"),
    }
    answer(review=review, value="repeat", actor="otto", now=timezone.now())
    work_until_quiet(worker)
    assert len(systems.made("start_flow")) == 1  # the first may still land

    monkeypatch.setattr(once, "LANDS_WITHIN", timedelta(0))
    pass_time(timedelta(minutes=11))
    work_until_quiet(worker)

    effect = Effect.objects.get()
    assert (effect.state, effect.generation, len(systems.made("start_flow"))) == ("done", 2, 2)
    assert Run.objects.get().fate == "applied"


@pytest.mark.parametrize(("value", "state"), [("happened", "done"), ("skip", "skipped")])
def test_a_doubt_that_a_person_has_settled_calls_nobody(
    pair: Pair, worker: WorkerLease, systems: TwoSystems, value: str, state: str
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    systems.answers["start_flow"] = lambda _: Uncertain("The answer was lost", code="unanswered")
    a_failed_payment(pair)
    work_until_quiet(worker)

    answer(review=Review.objects.get(), value=value, actor="otto", now=timezone.now())
    work_until_quiet(worker)

    assert (Effect.objects.get().state, len(systems.made("start_flow"))) == (state, 1)


@pytest.mark.parametrize(
    "history", [{"received_at": timezone.now() + timedelta(days=2)}, {"origin": "sweep"}]
)
def test_history_starts_no_dunning(
    pair: Pair, worker: WorkerLease, systems: TwoSystems, history: dict[str, Any]
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    a_failed_payment(pair, **history)

    work_until_quiet(worker)

    assert systems.made("start_flow") == []
    assert systems.records["Payment__c:pi_1"]["Status__c"] == "failed"
    assert Effect.objects.skipped().get().reason.startswith("It is history")


def test_a_persons_retry_always_runs(pair: Pair, worker: WorkerLease, systems: TwoSystems) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    systems.answers["upsert"] = refusing(Refused("no", code="FIELD_CUSTOM_VALIDATION_EXCEPTION"))
    a_failed_payment(pair, origin="sweep")
    work_until_quiet(worker)
    del systems.answers["upsert"]

    deadletters.retry(letter=DeadLetter.objects.get(), actor="otto", now=timezone.now())
    work_until_quiet(worker)

    assert len(systems.made("start_flow")) == 1


# Targets


def test_a_record_that_a_lane_does_not_own_is_written_by_one_worker_at_a_time(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [STATUS, TELL])
    other = Worker.objects.create(
        name="other", host="elsewhere", pid=1, started_at=timezone.now(),
        expires_at=timezone.now() + timedelta(minutes=1),
    )  # fmt: skip
    lease = TargetLease.objects.create(
        connection=pair.salesforce, target=f"Account:{ACCOUNT}", worker=other, epoch=other.epoch
    )
    an_event(pair.stripe, a_charge(metadata={"salesforce_account_id": ACCOUNT}))

    work_until_quiet(worker)
    assert systems.made("update") == []
    assert Run.objects.get().attempts == 0

    Worker.objects.filter(id=other.id).update(epoch=other.epoch + 1)  # it was thought dead
    pass_time(timedelta(seconds=5))
    work_until_quiet(worker)

    assert [request["id"] for request in systems.made("update")] == [ACCOUNT]
    assert not TargetLease.objects.exclude(id=lease.id).exists()


def test_a_flow_that_was_never_held_is_not_let_go(pair: Pair) -> None:
    deployment: Deployment = a_deployed_flow(pair, UPSERT)

    assert not holds.let_go(deployment.flow_id, pair.id, now=timezone.now())


def test_an_owner_waits_while_another_lane_writes_its_record(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, UPSERT)
    other = a_worker("other")
    assert take(other, pair.salesforce_id, ["Payment__c:pi_1"]) == {"Payment__c:pi_1"}
    an_event(pair.stripe, a_charge(payment_intent="pi_1"))
    work_until_quiet(worker)
    assert systems.made("upsert") == []

    give_back(other)
    pass_time(timedelta(seconds=5))
    work_until_quiet(worker)

    assert len(systems.made("upsert")) == 1


def test_nobody_leases_a_record_whose_own_lane_is_at_work(pair: Pair, worker: WorkerLease) -> None:
    a_deployed_flow(pair, UPSERT)
    (run,) = runs(pair, 1, payment_intent="pi_1")
    assert claim(worker, 9, now=timezone.now()).runs == [run.id]
    other = a_worker("other")

    assert take(other, pair.salesforce_id, ["Payment__c:pi_1"]) == frozenset()

    release(worker, [run.lane_id])
    assert take(other, pair.salesforce_id, ["Payment__c:pi_1"]) == {"Payment__c:pi_1"}


def test_of_many_payments_of_one_account_the_last_is_written_and_the_others_call_nobody(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [STATUS, RANKED_TELL])
    begin = int(timezone.now().timestamp()) - 1_000
    for second in (1, 5, 2, 4, 3):
        charge = a_charge(status=f"at {second}", metadata={"salesforce_account_id": ACCOUNT})
        an_event(pair.stripe, charge, created=begin + second, received_at=timezone.now())

    work_until_quiet(worker)

    assert [request["values"] for request in systems.made("update")] == [{"Stripe_Payment_Status__c": "at 5"}]
    assert Link.objects.count() == 0
