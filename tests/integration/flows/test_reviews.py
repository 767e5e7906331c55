"""This module tests that questions wait for people, and that runs go on with their answers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flows import reviews
from flows.closing import close
from flows.engine.outcome import AskHuman, Option
from flows.lanes import WorkerLease, claim
from flows.models import Event, Pair, Review, Run
from integrator.accounts.models import AuditEntry
from tests.builders import NOON
from tests.integration.flows.given import a_live_flow, a_worker, runs
from tests.integration.flows.test_closing import an_end

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(minutes=5)
WHICH = AskHuman(
    "Which account is it?",
    kind="several",
    options=(Option("001A", "Acme"), Option("001B", "Acme Ltd")),
    evidence={"email": "ada@acme.test", "secret_key": "sk_test_123"},
)


@pytest.fixture
def worker(pair: Pair) -> WorkerLease:
    """Return a worker, beside a live flow."""
    a_live_flow(pair)
    return a_worker()


def asked(pair: Pair, worker: WorkerLease, step: str = "find") -> Run:
    """Return a run that asks."""
    (run,) = runs(pair, 1)
    claim(worker, 9, now=NOON)
    end = an_end(run, WHICH, fate="waiting")
    end.finished.item.ask(step)
    close(worker, [end], now=NOON)
    run.refresh_from_db()
    return run


def test_the_answer_is_what_the_step_finds_when_the_run_goes_on(pair: Pair, worker: WorkerLease) -> None:
    run = asked(pair, worker)

    reviews.answer(review=Review.objects.get(), value="001B", actor="otto", now=LATER)

    run.refresh_from_db()
    assert (run.state, run.memory) == ("ready", {"find": {"answer": "001B"}})
    assert (run.fetch_first, run.insisted) == (True, False)
    assert claim(worker, 9, now=LATER).runs == [run.id]
    assert AuditEntry.objects.get(action="review.answered").details["answer"] == "001B"


def test_only_what_is_offered_may_be_answered(pair: Pair, worker: WorkerLease) -> None:
    asked(pair, worker)

    with pytest.raises(reviews.NotAnOption):
        reviews.answer(review=Review.objects.get(), value="001C", actor="otto", now=LATER)

    assert Review.objects.open().count() == 1


def test_the_second_of_two_people_is_told(pair: Pair, worker: WorkerLease) -> None:
    asked(pair, worker)
    review = Review.objects.get()
    reviews.answer(review=review, value="001A", actor="otto", now=LATER)

    with pytest.raises(reviews.AlreadyHandled):
        reviews.discard(review=review, reason="no", actor="olga", now=LATER)


def test_a_discarded_question_ends_its_run(pair: Pair, worker: WorkerLease) -> None:
    run = asked(pair, worker)

    reviews.discard(review=Review.objects.get(), reason="not ours", actor="otto", now=LATER)

    run.refresh_from_db()
    assert (run.state, run.fate, Event.objects.get().fate) == ("done", "discarded", "discarded")
    assert claim(worker, 9, now=LATER).runs == []


def test_evidence_is_sealed_and_shows_no_secret(pair: Pair, worker: WorkerLease) -> None:
    asked(pair, worker)
    review = Review.objects.get()

    assert b"ada@acme.test" not in bytes(review.evidence)
    assert reviews.evidence_of(review)["email"] == "ada@acme.test"
    assert "sk_test_123" not in str(reviews.evidence_of(review))
