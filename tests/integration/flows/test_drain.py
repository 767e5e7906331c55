"""This module tests the job behind the doorbell, above all how it ends when something breaks."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from flows import drain, lanes, queue, runner
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


def test_a_drain_that_is_asked_to_stop_rings_for_what_is_left(worker, monkeypatch: pytest.MonkeyPatch):
    rung = []
    monkeypatch.setattr(queue, "ring", lambda shard=0: rung.append(shard))
    monkeypatch.setattr(drain.STOPPING, "is_set", lambda: True)

    drain.drain(0)

    assert rung == [0]
