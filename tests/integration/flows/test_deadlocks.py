"""This module lets a worker and another session wait for each other until PostgreSQL breaks one off."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection
from django.db.models import F
from django.utils import timezone

from flows import runner
from flows.dispatch import dispatch
from flows.lanes import WorkerLease
from flows.models import AppliedVersion, Attempt, DeadLetter, Effect, Event, Lane, Pair, Run
from tests.conftest import POSTGRESQL
from tests.integration.flows.given import an_event
from tests.integration.flows.two_systems import (
    DUN,
    UPSERT,
    TwoSystems,
    a_deployed_flow,
    pass_time,
    work_until_quiet,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not POSTGRESQL, reason="SQLite has one writer, who waits for nobody"),
]
PATIENCE = 30.0  # seconds
BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"


class Rival(threading.Thread):
    """
    Another session that takes two rows the other way round than a worker: first the event, then the run.

    It looks for a deadlock so late that the worker does first, and is the one that is broken off.
    """

    def __init__(self, event: Event, run: Run) -> None:
        super().__init__(daemon=True)
        place = connection.settings_dict
        self.has_run = False
        self._event, self._run = event, run
        self._session: psycopg.Connection[Any] = psycopg.connect(
            host=place["HOST"], port=place["PORT"], user=place["USER"], dbname=place["NAME"]
        )
        self._session.execute("SET deadlock_timeout = '1min'")
        self._session.execute("SELECT 1 FROM flows_event WHERE id = %s FOR UPDATE", [event.pk])

    def run(self) -> None:
        with closing(self._session) as session:
            ends = time.monotonic() + PATIENCE
            while not session.execute(BLOCKED).fetchall()[0][0]:
                assert time.monotonic() < ends, "nobody waits for the event"
                time.sleep(0.02)
            session.execute("SELECT 1 FROM flows_run WHERE id = %s FOR UPDATE", [self._run.pk])
            self.has_run = True
            session.rollback()


def broken_off(pair: Pair, worker: WorkerLease, steps: Sequence[Any]) -> Run:
    """Let the worker do a run of `steps` whose end a deadlock breaks off, and return it as it was before."""
    a_deployed_flow(pair, steps)
    event = an_event(pair.stripe)
    dispatch(now=timezone.now())
    run = Run.objects.get()
    rival = Rival(event, run)
    rival.start()
    with pytest.raises(OperationalError, match="deadlock detected"):
        runner.work(worker, lambda: True)
    rival.join(PATIENCE)
    assert rival.has_run  # the two did wait for each other
    return run


def test_a_run_whose_end_was_broken_off_by_a_deadlock_is_done_again_and_once(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    before = broken_off(pair, worker, UPSERT)
    assert (Run.objects.get().state, Attempt.objects.count()) == (before.state, 0)

    work_until_quiet(worker)

    run = Run.objects.get()
    assert (run.state, run.fate, run.attempts) == ("done", "applied", 0)
    assert [row.outcome for row in Attempt.objects.all()] == ["done"]
    assert AppliedVersion.objects.count() == len(systems.records) == 1
    assert len(systems.made("upsert")) == 2  # by external id, so that it is there once
    assert not DeadLetter.objects.exists()
    assert Lane.objects.values_list("worker", "crashes").get() == (None, 0)


def test_what_nobody_can_look_up_is_not_done_again_after_a_deadlock_but_asked_about(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    broken_off(pair, worker, [*UPSERT, DUN])

    work_until_quiet(worker)
    pass_time(timedelta(minutes=2))
    Effect.objects.update(sent_at=F("sent_at") - timedelta(minutes=2))
    work_until_quiet(worker)

    assert len(systems.made("start_flow")) == 1
    assert Effect.objects.get().state == "in_doubt"
    assert Run.objects.get().state == "waiting"
    assert not DeadLetter.objects.exists()
