"""A retry from the failed step asks and does nothing before it again, and lets nothing old win."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from flows import lanes, reruns, runner
from flows.collapsing import older_of_the_same
from flows.dispatch import dispatch
from flows.lanes import WorkerLease
from flows.loading import load
from flows.models import Effect, Pair, Run
from integrator.accounts.models import AuditEntry
from integrator.kernel.errors import Transient
from tests.integration.flows.failed_step import (
    REVENUE,
    RULE,
    STEPS,
    both,
    called,
    from_failed_step,
    grow_old,
    it_gives_up,
    it_happens,
    offered,
    saved,
    trace_of,
)
from tests.integration.flows.given import a_worker, die
from tests.integration.flows.two_systems import (
    DUN,
    TwoSystems,
    a_deployed_flow,
    pass_time,
    refusing,
    work_until_quiet,
)

__all__ = ["both"]  # which pytest takes from here

pytestmark = pytest.mark.django_db


def test_what_was_read_and_looked_up_is_taken_over_and_costs_no_call(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, STEPS)
    run = it_gives_up(pair, systems, worker)
    systems.answers["find"] = lambda _: {"records": []}  # nobody would be found now
    before = called(systems)

    again = from_failed_step(run, worker)

    after = called(systems)
    assert (again.pk, again.fate) == (run.pk, "applied")
    assert {action: after[action] - before[action] for action in after} == {
        "retrieve": 0, "find": 0, "upsert": 1,
    }  # fmt: skip
    assert (saved(systems)["Revenue__c"], type(saved(systems)["Revenue__c"])) == (REVENUE, Decimal)


def test_the_trace_says_from_which_try_each_step_was_taken_over(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, STEPS)
    run = it_gives_up(pair, systems, worker)
    first = run.tries.get()
    systems.answers["upsert"] = refusing(RULE)
    from_failed_step(run, worker)
    del systems.answers["upsert"]

    again = from_failed_step(run, worker)

    told = [(entry["step"], entry.get("carried")) for entry in trace_of(again)]
    mark = {"attempt": 1, "at": first.finished_at.isoformat()}  # that of the second try is from the first
    assert told == [
        ("source", mark), ("enrich", mark), ("look", mark), ("describe", mark), ("save", None),
    ]  # fmt: skip
    assert again.steps == "ssss"
    entry = AuditEntry.objects.filter(action="deadletter.retried").latest("id")
    assert entry.details["from"] == "save"


def test_it_says_before_what_is_taken_over_and_how_old_it_is(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, STEPS)
    run = it_gives_up(pair, systems, worker)

    offer = offered(run)

    assert (offer.possible, offer.step) == (True, "Save a record")
    assert offer.read_at == run.event.happened_at
    ended = run.tries.get().finished_at
    assert [(one.title, one.attempt, one.at) for one in offer.takes] == [
        ("Read from Stripe", 1, ended), ("Look up the account", 1, ended), ("Map", 1, ended),
    ]  # fmt: skip


# Nothing old wins


def test_a_newer_state_that_was_saved_meanwhile_is_not_overwritten(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    """The newer event comes between the person's click and the worker, so that the guard alone knows."""
    a_deployed_flow(pair, STEPS)
    run = it_gives_up(pair, systems, worker, status="failed")
    reruns.retry(run=run, start="failed_step", actor="otto", now=timezone.now())
    Run.objects.filter(pk=run.pk).update(next_attempt_at=timezone.now() + timedelta(minutes=1))
    lane = Run.objects.get(pk=run.pk).lane
    it_happens(pair, "succeeded", ago=5)
    work_until_quiet(worker)
    assert saved(systems)["Status__c"] == "succeeded"
    with_no_look = Run.objects.filter(lane=lane).exclude(pk=run.pk)
    other = a_deployed_flow(pair, STEPS, slug="other").flow
    with_no_look.update(flow=other)  # as if nobody knew it: only the guard does

    pass_time(timedelta(minutes=2))
    type(lane).objects.filter(pk=lane.pk).update(ready_at=timezone.now() - timedelta(minutes=1))
    work_until_quiet(worker)

    run.refresh_from_db()
    assert (run.fate, saved(systems)["Status__c"]) == ("superseded", "succeeded")
    assert [bool(entry.get("carried")) for entry in trace_of(run)] == [True, True, True, True, False]


def test_a_newer_event_that_is_known_lets_a_person_retry_it_whole_only(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, STEPS)
    run = it_gives_up(pair, systems, worker, status="failed")
    it_gives_up(pair, systems, worker, status="succeeded", ago=5)

    assert "newer event of the same object" in offered(run).reason
    with pytest.raises(reruns.NotPossible, match="newer event"):
        reruns.retry(run=run, start="failed_step", actor="otto", now=timezone.now())


def test_a_newer_event_that_comes_behind_the_click_makes_it_begin_at_the_top(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, STEPS)
    run = it_gives_up(pair, systems, worker, status="failed")
    reruns.retry(run=run, start="failed_step", actor="otto", now=timezone.now())
    it_happens(pair, "succeeded", ago=5)
    before = called(systems)["find"]

    work_until_quiet(worker)

    assert called(systems)["find"] > before
    assert [entry["kind"] for entry in trace_of(run) if entry["step"] == "source"] == ["fetched"]
    assert saved(systems)["Status__c"] == "succeeded"


def test_a_newer_event_does_not_do_its_work_in_passing(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    """A person wants it done, and what it has to do may not be what a newer event has to."""
    a_deployed_flow(pair, STEPS)
    run = it_gives_up(pair, systems, worker, status="failed")
    reruns.retry(run=run, start="failed_step", actor="otto", now=timezone.now())
    it_happens(pair, "succeeded", ago=5)
    dispatch(now=timezone.now())
    newer = Run.objects.latest("id")
    assert (newer.pk != run.pk, newer.lane_id) == (True, run.lane_id)

    assert older_of_the_same(load([newer.pk], now=timezone.now()), timezone.now()) == {}


def test_where_it_is_in_doubt_which_state_is_newer_the_object_is_read_and_the_flow_begins_anew(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, STEPS)
    run = it_gives_up(pair, systems, worker, status="failed")
    it_happens(pair, "succeeded", at=run.event.happened_at)  # in the same second
    work_until_quiet(worker)
    before = called(systems)["find"]

    again = from_failed_step(run, worker)

    assert called(systems)["find"] == before + 1
    kinds = [(entry["kind"], bool(entry.get("carried"))) for entry in trace_of(again) if "kind" in entry]
    assert kinds[0] == ("payload", True)
    assert ("fetched", False) in kinds
    assert saved(systems)["Status__c"] == "succeeded"


# Nothing is done twice


def test_an_effect_before_the_failed_step_is_neither_done_again_nor_looked_up(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [DUN, *STEPS])
    run = it_gives_up(pair, systems, worker)
    recorded = list(Effect.objects.values("id", "state", "generation", "sent_at"))
    before = called(systems)

    again = from_failed_step(run, worker)

    assert again.fate == "applied"
    assert len(systems.made("start_flow")) == 1
    assert called(systems) == {**before, "upsert": before["upsert"] + 1}
    assert list(Effect.objects.values("id", "state", "generation", "sent_at")) == recorded


def test_an_effect_that_was_the_failed_step_is_made_once_by_its_own_key(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*STEPS, DUN])
    systems.answers["start_flow"] = refusing(RULE)
    it_happens(pair)
    work_until_quiet(worker)
    del systems.answers["start_flow"]

    again = from_failed_step(Run.objects.get(), worker)

    assert (again.fate, Effect.objects.get().state) == ("applied", "done")
    assert called(systems)["upsert"] == 1


def test_a_worker_that_dies_in_the_middle_changes_nothing_of_it(
    pair: Pair, systems: TwoSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_deployed_flow(pair, [DUN, *STEPS])
    first = a_worker("first")
    run = it_gives_up(pair, systems, first)
    reruns.retry(run=run, start="failed_step", actor="otto", now=timezone.now())
    before = called(systems)

    def killed(*_: Any, **__: Any) -> int:
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr(runner, "close", killed)
        with pytest.raises(SystemExit):
            runner.work(first, lambda: True)
    die(first)
    lanes.expire()
    work_until_quiet(a_worker("second"))

    run.refresh_from_db()
    assert run.fate == "applied"
    assert len(systems.made("start_flow")) == 1
    assert called(systems) == {**before, "upsert": before["upsert"] + 2}


def test_what_fails_for_a_while_goes_on_at_the_failed_step_when_it_is_tried_by_itself(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, STEPS)
    run = it_gives_up(pair, systems, worker)
    systems.answers["upsert"] = refusing(Transient("Busy", code="SERVER_UNAVAILABLE"))
    assert from_failed_step(run, worker).state == "retrying"
    del systems.answers["upsert"]
    before = called(systems)["find"]

    pass_time(timedelta(hours=1))
    work_until_quiet(worker)

    run.refresh_from_db()
    assert (run.fate, called(systems)["find"]) == ("applied", before)


def test_what_has_become_too_old_while_the_run_waited_is_not_taken_over(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    """The org rests, or the flow is held, for longer than what was found is offered."""
    a_deployed_flow(pair, STEPS)
    run = it_gives_up(pair, systems, worker)
    reruns.retry(run=run, start="failed_step", actor="otto", now=timezone.now())
    before = called(systems)["find"]

    grow_old(run)
    work_until_quiet(worker)

    run.refresh_from_db()
    assert (run.fate, called(systems)["find"]) == ("applied", before + 1)
    assert [entry["kind"] for entry in trace_of(run) if entry["step"] == "source"] == ["fetched"]
