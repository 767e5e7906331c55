"""This module tests what a person may decide about a dead letter, and that only one of them does."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from flows import deadletters
from flows.closing import close
from flows.deadletters import AlreadyHandled, Obituary
from flows.dispatch import dispatch
from flows.engine.outcome import Failure, GiveUp
from flows.lanes import claim
from flows.models import Change, DeadLetter, Event, Lane, Pair, Run
from integrator.accounts.models import AuditEntry
from tests.builders import NOON, a_pair
from tests.integration.flows.given import a_live_flow, a_worker, an_event, runs
from tests.integration.flows.test_closing import RULE, an_end

LATER = NOON + timedelta(minutes=5)
LETTERS_LOCKED = 'SELECT "flows_deadletter"."id", "flows_deadletter"."public_id"'


def dead_letters(pair: Pair, how_many: int = 1) -> list[DeadLetter]:
    """Return the dead letters of runs that gave up."""
    a_live_flow(pair)
    batch = runs(pair, how_many)
    worker = a_worker()
    claim(worker, how_many, now=NOON)
    close(worker, [an_end(run, GiveUp("no", RULE), fate="dead") for run in batch], now=NOON)
    return list(DeadLetter.objects.order_by("id"))


def test_a_retry_makes_the_run_due_with_its_object_read_first(pair: Pair) -> None:
    (letter,) = dead_letters(pair)

    deadletters.retry(letter=letter, actor="otto", now=LATER)

    letter.refresh_from_db()
    run = Run.objects.get()
    assert (letter.resolution, letter.resolved_by, letter.resolved_at) == ("retried", "otto", LATER)
    assert (run.state, run.fate, run.fetch_first, run.attempts, run.first_failed_at) == (
        "ready", "queued", True, 0, None,
    )  # fmt: skip
    assert Lane.objects.get().ready_at == LATER
    assert Event.objects.get().fate == "queued"
    assert AuditEntry.objects.get(action="deadletter.retried").target == letter.public_id
    assert Change.objects.filter(kind="closed").count() == 2


def test_an_event_without_a_run_is_dispatched_again(pair: Pair) -> None:
    event = an_event(pair.stripe, unreadable="Invalid UTF-8")
    dispatch(now=NOON)
    letter = DeadLetter.objects.get()

    deadletters.retry(letter=letter, actor="otto", now=LATER)
    event.refresh_from_db()
    assert (event.fate, event.dispatched_at) == ("queued", None)

    dispatch(now=LATER)
    assert DeadLetter.objects.unresolved().get() != letter


def test_who_comes_second_is_told_who_was_first(pair: Pair) -> None:
    (letter,) = dead_letters(pair)
    deadletters.retry(letter=letter, actor="otto", now=LATER)

    with pytest.raises(AlreadyHandled, match="retried by otto"):
        deadletters.retry(letter=letter, actor="ada", now=LATER)
    with pytest.raises(AlreadyHandled):
        deadletters.discard(letter=letter, reason="late", actor="ada", now=LATER)

    assert AuditEntry.objects.filter(action__startswith="deadletter").count() == 1


def test_discarding_ends_run_and_event_with_the_reason(pair: Pair) -> None:
    (letter,) = dead_letters(pair)

    deadletters.discard(letter=letter, reason="a test payment", actor="otto", now=LATER)

    run, event = Run.objects.get(), Event.objects.get()
    assert (run.state, run.fate, run.reason) == ("done", "discarded", "a test payment")
    assert (event.fate, event.fate_reason) == ("discarded", "a test payment")
    assert AuditEntry.objects.get(action="deadletter.discarded").details["reason"] == "a test payment"


def test_an_unreadable_event_can_be_discarded(pair: Pair) -> None:
    event = an_event(pair.stripe, unreadable="Invalid UTF-8")
    dispatch(now=NOON)

    deadletters.discard(letter=DeadLetter.objects.get(), reason="noise", actor="otto", now=LATER)

    event.refresh_from_db()
    assert (event.fate, event.fate_reason) == ("discarded", "noise")


def test_a_letter_takes_whatever_a_step_kind_says(pair: Pair) -> None:
    hostile = "a\x00b\ud83d" + "c" * 5_000
    failure = Failure(hostile, hostile, code=hostile, field=hostile)
    event = an_event(pair.stripe)

    deadletters.file([Obituary(event.pk, failure, step=hostile)], now=NOON)

    letter = DeadLetter.objects.get()
    kept = "a\ufffdb\ufffd" + "c" * 5_000
    assert (letter.error_class, letter.code, letter.field) == (kept[:40], kept[:100], kept[:100])
    assert (letter.step, letter.message) == (kept[:60], kept[:2_000])


def test_all_are_retried_in_chunks(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    dead_letters(pair, 5)
    monkeypatch.setattr(deadletters, "CHUNK", 2)

    assert deadletters.retry_all(letters=DeadLetter.objects.all(), actor="otto", now=LATER) == 5
    assert deadletters.retry_all(letters=DeadLetter.objects.all(), actor="otto", now=LATER) == 0

    assert Run.objects.filter(state="ready", fetch_first=True).count() == 5
    assert AuditEntry.objects.filter(action="deadletters.retried").count() == 3


def test_all_letters_are_discarded_in_chunks_that_are_audited(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead_letters(pair, 5)
    monkeypatch.setattr(deadletters, "CHUNK", 2)

    def discard_all() -> int:
        return deadletters.discard_all(
            letters=DeadLetter.objects.all(), reason="test payments", actor="otto", now=LATER
        )

    assert (discard_all(), discard_all()) == (5, 0)

    assert Run.objects.filter(fate="discarded", reason="test payments").count() == 5
    assert Event.objects.filter(fate="discarded").count() == 5
    entries = AuditEntry.objects.filter(action="deadletters.discarded", details__reason="test payments")
    assert [entry.target for entry in entries.order_by("position")][:2] == ["2 dead letters"] * 2
    assert entries.count() == 3


@pytest.mark.parametrize("decide", ["retry", "retry_all", "discard", "discard_all"])
def test_lanes_are_locked_before_letters_as_a_closing_worker_does(pair: Pair, decide: str) -> None:
    (letter,) = dead_letters(pair)
    given = {"letters": DeadLetter.objects.all()} if decide.endswith("all") else {"letter": letter}
    why = {"reason": "no"} if decide.startswith("discard") else {}

    with CaptureQueriesContext(connection) as asked:
        getattr(deadletters, decide)(**given, **why, actor="otto", now=LATER)

    begun = next(at for at, one in enumerate(asked) if 'FROM "flows_lane"' in one["sql"])
    letters = [at for at, one in enumerate(asked) if one["sql"].startswith(LETTERS_LOCKED)]
    assert letters
    assert begun < letters[0]


@pytest.mark.django_db(transaction=True)
def test_of_many_who_retry_at_once_one_does() -> None:
    letters = dead_letters(a_pair(), 3)
    done: list[str] = []

    def press(number: int) -> None:
        for letter in letters:
            try:
                deadletters.retry(letter=letter, actor=f"person {number}", now=LATER)
                done.append(letter.public_id)
            except AlreadyHandled:
                pass
        done.extend(["all"] * deadletters.retry_all(letters=DeadLetter.objects.all(), actor="x", now=LATER))
        connection.close()

    people = [threading.Thread(target=press, args=(number,)) for number in range(4)]
    for person in people:
        person.start()
    for person in people:
        person.join()

    assert len(done) == 3
    assert Run.objects.filter(state="ready").count() == 3


def test_one_cause_is_one_group_whatever_record_it_hit_and_another_cause_is_another():
    messages = [
        "duplicate value found: External_ID__c on record with id: 001K000000abc12",
        "duplicate value found: External_ID__c on record with id: 001K000000xyz98",
        "Only GBP is allowed here",
        "Only KWD is allowed here",
    ]

    groups = [deadletters._without_ids(message) for message in messages]

    assert groups[0] == groups[1]
    assert len(set(groups)) == 3
