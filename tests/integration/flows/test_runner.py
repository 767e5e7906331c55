"""This module tests one pass of a worker, with flows that call nobody."""

from __future__ import annotations

import gc
from itertools import count
from types import SimpleNamespace

import pytest
import structlog
from django.utils import timezone

from flows import payloads, runner
from flows.lanes import CRASHES_ALONE, WorkerLease
from flows.models import Attempt, Change, DeadLetter, Event, Lane, Pair, Run, Worker
from integrator import vault
from tests.builders import NOON
from tests.integration.flows.given import a_charge, a_live_flow, an_event


@pytest.fixture
def live(pair: Pair) -> Pair:
    a_live_flow(pair)
    return pair


def always() -> bool:
    return True


def test_a_pass_takes_an_event_from_the_inbox_to_its_fate(live: Pair, worker: WorkerLease) -> None:
    event = an_event(live.stripe)

    assert runner.work(worker, always) == 2  # one event, one run
    assert runner.work(worker, always) == 0

    event.refresh_from_db()
    run = Run.objects.get()
    assert (event.fate, event.fate_reason) == ("ignored", "enough")
    assert (run.state, run.fate, run.steps) == ("done", "ignored", "i")
    assert [change.kind for change in Change.objects.order_by("id")] == ["dispatched", "closed"]
    assert Worker.objects.get().last_claim_at is not None


def test_a_lone_event_waits_for_nobody_and_a_stream_is_gathered(
    live: Pair, worker: WorkerLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    moments = count()  # all within a second, however busy the machine is
    clock = SimpleNamespace(monotonic=lambda: 1_000 + next(moments) / 1_000, sleep=rests.append)
    monkeypatch.setattr(runner, "time", clock)
    runner.work(worker, always)
    for _ in range(runner.LOADED):
        an_event(live.stripe)
        runner.work(worker, always)
        an_event(live.stripe)
    runner.work(worker, always)
    assert rests == []
    for _ in range(runner.LOADED):
        an_event(live.stripe)
    runner.work(worker, always)

    runner.work(worker, always)

    (rest,) = rests
    assert runner.LINGER / 2 < rest <= runner.LINGER


def test_what_there_is_no_time_for_is_given_back(
    live: Pair, worker: WorkerLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_event(live.stripe)
    monkeypatch.setattr(runner, "_run_group", None)  # it must not come to that
    time_left = iter([True, True, False])

    runner.work(worker, lambda: next(time_left))

    lane = Lane.objects.get()
    assert (lane.worker_id, lane.crashes, lane.ready_at is None) == (None, 0, False)
    assert Run.objects.get().state == "ready"


def test_a_pass_that_breaks_off_gives_its_lanes_back_with_a_crash_counted(
    live: Pair, worker: WorkerLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_event(live.stripe)

    def burst(*_: object, **__: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(runner, "close", burst)
        with pytest.raises(OSError, match="disk full"):
            runner.work(worker, always)
    assert gc.isenabled()
    assert Lane.objects.get().worker_id == worker.id

    worker.recover()
    assert (Lane.objects.get().worker_id, Lane.objects.get().crashes) == (None, 1)

    runner.work(worker, always)
    assert Run.objects.get().state == "done"
    assert Lane.objects.get().crashes == 0


def test_a_body_whose_key_was_lost_after_its_dispatch_is_a_dead_letter(
    live: Pair, worker: WorkerLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    event, fine = an_event(live.stripe), an_event(live.stripe)
    monkeypatch.setattr(payloads.KEPT, "take", lambda _: None)
    sealed = vault.seal(b"{}", owner="event:somebody else's")
    honest = runner._run_claimed

    def lose(*given: object) -> None:
        Event.objects.filter(id=event.id).update(body=sealed)
        honest(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(runner, "_run_claimed", lose)
    runner.work(worker, always)

    letter = DeadLetter.objects.get()
    assert (letter.event_id, letter.code) == (event.id, "sealed")
    assert Run.objects.get(event=fine).state == "done"


def test_an_event_of_two_flows_is_read_for_each_of_them(live: Pair, worker: WorkerLease) -> None:
    a_live_flow(live, slug="ledger")
    an_event(live.stripe)

    runner.work(worker, always)
    runner.work(worker, always)

    assert Run.objects.filter(state="done").count() == 2
    assert Attempt.objects.count() == 2


def test_on_postgresql_a_change_knows_its_transaction(
    live: Pair, worker: WorkerLease, on_postgresql: bool
) -> None:
    Change.objects.record(environment_id=live.environment_id, kind="closed", summary={}, now=NOON)

    assert (Change.objects.get().transaction_id > 0) == on_postgresql


def test_a_run_that_stops_is_named_in_the_log_and_its_message_is_not(pair: Pair, worker: WorkerLease) -> None:
    a_live_flow(pair)
    event = an_event(pair.stripe, a_charge(name="secret Ada"))
    runner._dispatch_all(worker, timezone.now(), always)
    Run.objects.filter(event=event).update(crashes_alone=CRASHES_ALONE + 1)

    with structlog.testing.capture_logs() as lines:
        runner.work(worker, always)

    (line,) = [line for line in lines if line["event"] == "run.stopped"]
    assert (line["run"], line["outcome"], line["code"]) == (Run.objects.get().public_id, "GiveUp", "crashed")
    assert "Ada" not in str(lines)
