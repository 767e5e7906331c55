"""This module takes the database away from the receiver: it acknowledges nothing that is not stored."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from flows.receiver import Receiver
from tests.receiving import (
    an_event,
    locked,
    quiet,
    serving,
    wait_for,
)

pytestmark = pytest.mark.django_db(transaction=True)


# When the database does not answer


def test_a_locked_inbox_is_answered_503_and_never_200(endpoint, on_postgresql):
    with serving(Receiver(committer=quiet(within=1.0))) as stripe:
        stripe.post(endpoint, an_event(1))
        with locked(on_postgresql):
            refused = stripe.post(endpoint, an_event(2))

        assert (refused.status, refused.getheader("Retry-After")) == (503, "5")
        assert wait_for(lambda: stripe.post(endpoint, an_event(3)).status == 200)


def test_a_lock_that_ends_in_time_costs_nothing_but_time(stripe, endpoint, on_postgresql):
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(stripe.post(endpoint, an_event()).status))

    with locked(on_postgresql):
        thread.start()
        time.sleep(1)
        held = list(answers)
    thread.join()

    assert (held, answers) == ([], [200])


def test_a_receiver_whose_tables_are_not_migrated_is_not_ready(endpoint, monkeypatch):
    monkeypatch.setattr("flows.committer.MigrationExecutor.migration_plan", lambda *_: ["flows.0002"])

    with serving(Receiver(committer=quiet()), wait=False) as stripe:
        time.sleep(0.5)
        answer = stripe.post(endpoint, an_event())

    assert (answer.status, answer.getheader("Retry-After")) == (503, "5")


def test_a_full_queue_is_answered_503(endpoint, on_postgresql):
    with serving(Receiver(committer=quiet(longest_queue=3, within=2.0))) as stripe, locked(on_postgresql):
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda n: stripe.post(endpoint, an_event(n)).status, range(20)))

        assert set(answers) == {503}
        assert stripe.receiver.counters.refused["queue full"] > 0
