"""This module tests what stands in the database after a batch, however its runs ended."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from connectors.models import Connection
from flows.closing import Claimed, Ended, close
from flows.engine.batch import Finished
from flows.engine.item import Event as EventView
from flows.engine.item import Item, Source, Write
from flows.engine.outcome import AskHuman, Done, Failure, GiveUp, Outcome, Pause, RetryAt
from flows.lanes import WorkerLease, claim, expire
from flows.models import AppliedVersion, Attempt, Change, DeadLetter, Event, Lane, Link, Pair, Review, Run
from flows.models.runs import IllegalTransition
from integrator import vault
from tests.builders import NOON
from tests.integration.flows.given import a_live_flow, a_worker, die, runs

LATER = NOON + timedelta(minutes=5)
RULE = Failure("data", "Amount must be positive", code="FIELD_CUSTOM_VALIDATION_EXCEPTION", field="Amount__c")


@pytest.fixture
def live(pair: Pair) -> Pair:
    a_live_flow(pair)
    return pair


def an_end(run: Run, outcome: Outcome | None = None, fate: str = "applied", **fields: Any) -> Ended:
    claimed = Claimed(
        run.id, run.public_id, run.flow_id, run.version_id, run.pair_id, run.lane_id,
        run.event_id, run.event.object_id, run.pair.environment_id, run.state,
        run.attempts, run.fetch_first, run.first_failed_at,
    )  # fmt: skip
    source = Source("ch_1", NOON, NOON)
    item = Item(run.id, run.event_id, EventView("evt_1", "charge.succeeded", 0), "pi_1", {}, source)
    values: dict[str, Any] = {
        "reason": "", "step": "", "trace": [{"step": "save"}], "letters": "ss", "writes": [], "item": item,
    }  # fmt: skip
    return Ended(claimed, Finished(run.id, outcome or Done(), fate, **(values | fields)), NOON)


def a_write(run: Run, **fields: Any) -> Write:
    values: dict[str, Any] = {
        "step": "save", "object": "Payment__c", "external_id": "pi_1", "record_id": "a01000000000001AAA",
        "created": True, "values": {"Status__c": "Completed"}, "stripe_id": "pi_1",
        "source": Source("ch_1", NOON, NOON), "event_id": run.event_id, "amount": 1999, "currency": "EUR",
    }  # fmt: skip
    return Write(**(values | fields))


def test_a_run_that_is_done_leaves_its_trace_its_fate_and_a_resting_lane(
    live: Pair, worker: WorkerLease
) -> None:
    (run,) = runs(live, 1)
    claim(worker, 9, now=NOON)

    assert close(worker, [an_end(run)], now=LATER) == 1

    run.refresh_from_db()
    lane, attempt = Lane.objects.get(), Attempt.objects.get()
    assert (run.state, run.fate, run.finished_at, run.steps) == ("done", "applied", LATER, "ss")
    assert (lane.worker_id, lane.crashes, lane.ready_at) == (None, 0, None)
    assert json.loads(vault.unseal(attempt.trace, owner=f"trace:{run.id}")) == [{"step": "save"}]
    assert (attempt.outcome, attempt.started_at, attempt.finished_at) == ("done", NOON, LATER)
    assert Event.objects.get().fate == "applied"
    assert Change.objects.get(kind="closed").summary == {"fates": {"applied": 1}, "runs": [run.public_id]}


def test_a_retry_waits_in_the_database_and_counts(live: Pair, worker: WorkerLease) -> None:
    (run,) = runs(live, 1)
    claim(worker, 9, now=NOON)
    due = LATER + timedelta(seconds=2)

    close(worker, [an_end(run, RetryAt(due, "row locked"), fate="queued")], now=LATER)

    run.refresh_from_db()
    assert (run.state, run.attempts, run.next_attempt_at, run.first_failed_at) == ("retrying", 1, due, LATER)
    assert Lane.objects.get().ready_at == due
    assert claim(worker, 9, now=LATER).runs == []
    assert claim(worker, 9, now=due).runs == [run.id]


def test_a_second_failure_keeps_the_time_of_the_first(live: Pair, worker: WorkerLease) -> None:
    (run,) = runs(live, 1)
    Run.objects.update(state="retrying", attempts=1, first_failed_at=NOON)
    run.refresh_from_db()
    claim(worker, 9, now=NOON)

    close(worker, [an_end(run, RetryAt(LATER, "again"), fate="queued")], now=LATER)

    run.refresh_from_db()
    assert (run.attempts, run.first_failed_at) == (2, NOON)


@pytest.mark.parametrize(
    ("rests", "due"),
    [
        pytest.param(True, LATER, id="the claim waits for the connection"),
        pytest.param(False, LATER + timedelta(hours=1), id="the flow is held for a while"),
    ],
)
def test_a_pause_burns_nothing(live: Pair, worker: WorkerLease, rests: bool, due: Any) -> None:
    (run,) = runs(live, 1)
    claim(worker, 9, now=NOON)
    if rests:
        Connection.objects.filter(id=live.salesforce_id).update(state="resting", paused_until=None)

    close(worker, [an_end(run, Pause(LATER + timedelta(hours=1), "slow"), fate="queued")], now=LATER)

    run.refresh_from_db()
    assert (run.state, run.attempts, run.first_failed_at) == ("ready", 0, None)
    assert Lane.objects.get().ready_at == due


def test_giving_up_leaves_one_dead_letter_that_says_what_to_do(live: Pair, worker: WorkerLease) -> None:
    (run,) = runs(live, 1)
    claim(worker, 9, now=NOON)

    close(worker, [an_end(run, GiveUp("no", RULE), fate="dead", step="save")], now=LATER)

    run.refresh_from_db()
    letter = DeadLetter.objects.get()
    assert (run.state, Event.objects.get().fate) == ("dead", "dead")
    assert (letter.error_class, letter.code, letter.field) == ("data", RULE.code, "Amount__c")
    assert (letter.message, letter.step) == ("Amount must be positive", "save")
    assert "Amount__c" in letter.suggestion


def test_the_same_fault_has_the_same_fingerprint(live: Pair, worker: WorkerLease) -> None:
    batch = runs(live, 2)
    claim(worker, 9, now=NOON)

    close(worker, [an_end(run, GiveUp("no", RULE), fate="dead", step="save") for run in batch], now=LATER)

    assert DeadLetter.objects.values("fingerprint").distinct().count() == 1


def test_a_question_waits_for_a_person_where_one_will_look(live: Pair, worker: WorkerLease) -> None:
    (run,) = runs(live, 1)
    claim(worker, 9, now=NOON)

    close(worker, [an_end(run, AskHuman("Which one?"), fate="waiting")], now=LATER)

    run.refresh_from_db()
    assert (run.state, run.finished_at, Event.objects.get().fate) == ("waiting", None, "waiting")
    review = Review.objects.open().get()
    assert (review.run_id, review.question, review.kind) == (run.id, "Which one?", "question")
    assert not DeadLetter.objects.exists()


@pytest.mark.parametrize("text", ["a\x00b", "half \ud83d a pair"])
def test_no_text_from_outside_breaks_the_closing(live: Pair, worker: WorkerLease, text: str) -> None:
    (run,) = runs(live, 1)
    claim(worker, 9, now=NOON)
    failure = Failure("data", text, code="X", field="Y")

    close(worker, [an_end(run, GiveUp(text, failure), fate="dead", reason=text)], now=LATER)

    assert Run.objects.get().state == "dead"
    assert "\ufffd" in DeadLetter.objects.get().message or "?" in DeadLetter.objects.get().message


def test_a_write_is_remembered_as_link_and_as_version(live: Pair, worker: WorkerLease) -> None:
    (run,) = runs(live, 1)
    claim(worker, 9, now=NOON)

    close(worker, [an_end(run, writes=[a_write(run)])], now=LATER)

    link, applied = Link.objects.get(), AppliedVersion.objects.get()
    assert (link.record_id, link.amount, link.currency) == ("a01000000000001AAA", 1999, "EUR")
    assert json.loads(vault.unseal(link.agreed, owner=f"link:{live.id}")) == {"Status__c": "Completed"}
    assert (applied.target, applied.source, applied.not_after) == ("Payment__c:pi_1", "ch_1", NOON)


@pytest.mark.parametrize(
    ("value", "agreed"),
    [
        pytest.param(Decimal("19.90"), Decimal("19.90"), id="an amount stays exact"),
        pytest.param(2**70, 2**70, id="a number wider than a machine's"),
        pytest.param("half \ud83d a pair", "half \ud83d a pair", id="a text that no encoding has"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_what_was_agreed_is_kept_as_it_was_written(
    live: Pair, worker: WorkerLease, value: object, agreed: object
) -> None:
    (run,) = runs(live, 1)
    claim(worker, 9, now=NOON)

    close(worker, [an_end(run, writes=[a_write(run, values={"Field__c": value})])], now=LATER)

    kept = vault.unseal(Link.objects.get().agreed, owner=f"link:{live.id}")
    assert json.loads(kept, parse_float=Decimal) == {"Field__c": agreed}


def test_the_last_word_about_a_record_counts(live: Pair, worker: WorkerLease) -> None:
    first, second = runs(live, 2)
    claim(worker, 9, now=NOON)
    newer = Source("pi_1", LATER, LATER, fetched=True)

    close(
        worker,
        [
            an_end(first, writes=[a_write(first)]),
            an_end(second, writes=[a_write(second, amount=500, source=newer)]),
        ],
        now=LATER,
    )

    assert Link.objects.get().amount == 500
    assert AppliedVersion.objects.get().not_after == LATER


def test_money_counts_for_the_day_on_which_it_came(live: Pair, worker: WorkerLease) -> None:
    failed, paid = runs(live, 2)
    claim(worker, 9, now=NOON)
    close(worker, [an_end(failed, writes=[a_write(failed, amount=None, currency="")])], now=NOON)

    close(worker, [an_end(paid, writes=[a_write(paid)])], now=LATER)

    assert Link.objects.get().first_synced_at == LATER


def test_an_event_shows_the_most_serious_fate_of_its_flows(live: Pair, worker: WorkerLease) -> None:
    a_live_flow(live, slug="ledger")
    first, second = runs(live, 1)
    claim(worker, 9, now=NOON)
    close(worker, [an_end(first)], now=LATER)
    assert Event.objects.get().fate == "queued"

    claim(worker, 9, now=LATER)
    close(worker, [an_end(second, GiveUp("no", RULE), fate="dead", reason="no")], now=LATER)

    event = Event.objects.get()
    assert (event.fate, event.fate_reason) == ("dead", "no")


def test_what_is_no_longer_ours_is_left_alone(live: Pair, worker: WorkerLease) -> None:
    both = {run.id: run for run in runs(live, 2)}
    (lost,) = claim(worker, 1, now=NOON).runs
    die(worker)
    expire()
    worker.claims = 0  # the next claim looks for the healthy first
    (kept,) = claim(worker, 9, now=NOON).runs  # the other lane, under a new epoch
    thief = a_worker("thief")
    thief.claims = 1
    assert claim(thief, 9, now=NOON).runs == [lost]

    assert close(worker, [an_end(both[lost]), an_end(both[kept])], now=LATER) == 1

    assert Run.objects.get(id=lost).state == "ready"
    assert Run.objects.get(id=kept).state == "done"
    assert Attempt.objects.get().run_id == kept


def test_a_run_cannot_be_closed_twice(live: Pair, worker: WorkerLease) -> None:
    (run,) = runs(live, 1)
    claim(worker, 9, now=NOON)
    close(worker, [an_end(run)], now=LATER)
    run.refresh_from_db()

    with pytest.raises(IllegalTransition):
        close(worker, [an_end(run)], now=LATER)
