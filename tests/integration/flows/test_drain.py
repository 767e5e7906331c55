"""This module tests the job behind the doorbell, above all how it ends when something breaks."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest
from django.db import OperationalError

from flows import drain, lanes, queue, runner
from flows.management.commands.drain import Command
from flows.models import Doorbell, Lane, Pair
from tests.integration.flows.given import a_live_flow, a_worker, runs

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> lanes.WorkerLease:
    worker = a_worker()
    monkeypatch.setattr(lanes, "this_worker", lambda: worker)
    monkeypatch.setattr(drain, "close_old_connections", lambda: None)
    Doorbell.objects.create(shard=0)
    return worker


def test_a_drain_that_finds_nothing_falls_idle(worker):
    assert drain.drain(0) == 0

    assert Doorbell.objects.get().busy_until is None


def test_the_lanes_of_a_pass_that_breaks_are_free_at_once(
    worker, pair: Pair, monkeypatch: pytest.MonkeyPatch
):
    a_live_flow(pair)
    runs(pair, 3)

    def broken(*_: object) -> None:
        raise OperationalError("the server closed the connection unexpectedly")

    monkeypatch.setattr(runner, "_run_claimed", broken)
    with pytest.raises(OperationalError):
        drain.drain(0)

    assert set(Lane.objects.values_list("worker", "crashes")) == {(None, 0)}
    assert queue.ring(), "the doorbell is free for the next ring"


def test_a_long_pass_answers_between_its_parts_and_none_answers_once_it_has_fallen_idle(
    worker, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(drain, "RENEW", -1.0)  # it is always time to answer
    answered = []

    def work(_worker: object, until: Callable[[], bool]) -> int:
        """Ask once whether a pass may go on, and note whether the doorbell was answered by that."""
        was_idle = Doorbell.objects.get().busy_until is None
        Doorbell.objects.update(busy_until=None)
        assert until()
        answered.append((was_idle, Doorbell.objects.get().busy_until is not None))
        return 1 if len(answered) == 1 else 0

    monkeypatch.setattr(runner, "work", work)
    drain.drain(0)

    assert answered == [(False, True), (False, True), (True, False)]
    assert queue.ring(), "whoever rings now is heard"


def test_a_drain_that_is_asked_to_stop_rings_for_what_is_left(worker, monkeypatch: pytest.MonkeyPatch):
    rung = []
    monkeypatch.setattr(queue, "ring", lambda shard=0: rung.append(shard))
    monkeypatch.setattr(drain.STOPPING, "is_set", lambda: True)

    drain.drain(0)

    assert rung == [0]


def test_a_worker_alone_outlives_whatever_goes_wrong_in_a_turn(monkeypatch: pytest.MonkeyPatch):
    handlers, turns, alarms = {}, [], []

    def turn(shard: int, stopping: Callable[[], bool]) -> int:
        turns.append(stopping())
        if len(turns) == 1:
            raise KeyError("nobody has thought of it")
        handlers[signal.SIGTERM](signal.SIGTERM, None)
        assert stopping()
        return 0

    monkeypatch.setattr(drain, "drain", turn)
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    monkeypatch.setattr(signal, "alarm", alarms.append)
    monkeypatch.setattr(time, "sleep", lambda _: None)

    Command().handle()

    assert turns == [False, False]
    assert handlers[signal.SIGALRM] == signal.SIG_DFL, "the kernel ends a turn that does not end"
    assert alarms == [60, 0, 60, 0]
