"""This module tests who may hold a lane, and what becomes of it when its worker dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from connectors.models import Connection
from flows import lanes, presence
from flows.lanes import claim, expire, release
from flows.models import Lane, Pair, Run, Worker
from tests.builders import NOON, a_pair, a_workspace, an_environment
from tests.integration.flows.given import a_live_flow, a_worker, die, runs


@pytest.fixture
def live(pair: Pair) -> Pair:
    a_live_flow(pair, "charge.succeeded", "charge.updated")
    return pair


def test_a_claim_takes_one_due_run_a_lane_the_oldest_first(live: Pair) -> None:
    first, _ = runs(live, 2, payment_intent="pi_same")
    (other,) = runs(live, 1)

    claimed = claim(a_worker(), 10, now=NOON)

    assert claimed.runs == [first.id, other.id]
    assert set(claimed.lanes) == {first.lane_id, other.lane_id}


def test_a_held_lane_is_nobody_elses(live: Pair) -> None:
    runs(live, 1)
    claim(a_worker("one"), 10, now=NOON)

    assert claim(a_worker("two"), 10, now=NOON).runs == []


def test_a_run_that_waits_to_retry_lets_a_newer_one_pass(live: Pair) -> None:
    older, newer = runs(live, 2, payment_intent="pi_same")
    Run.objects.filter(id=older.id).update(state="retrying", next_attempt_at=NOON + timedelta(hours=1))

    assert claim(a_worker(), 10, now=NOON).runs == [newer.id]


@pytest.mark.parametrize("slot", ["stripe", "salesforce"])
@pytest.mark.parametrize(
    ("state", "until", "claimed"),
    [
        pytest.param("paused", None, 0, id="paused by a person"),
        pytest.param("resting", timedelta(minutes=1), 0, id="resting"),
        pytest.param("resting", timedelta(0), 1, id="rested"),
    ],
)
def test_pairs_whose_connections_rest_are_passed_over(
    live: Pair, slot: str, state: str, until: timedelta | None, claimed: int
) -> None:
    runs(live, 1)
    paused_until = None if until is None else NOON + until
    Connection.objects.filter(id=getattr(live, slot).id).update(state=state, paused_until=paused_until)

    assert len(claim(a_worker(), 10, now=NOON).runs) == claimed


def test_a_connection_that_has_rested_is_tried_with_one_run(live: Pair) -> None:
    runs(live, 5)
    Connection.objects.filter(id=live.salesforce_id).update(state="resting", paused_until=NOON)

    assert len(claim(a_worker(), 10, now=NOON).runs) == 1

    Connection.objects.filter(id=live.salesforce_id).update(state="active", paused_until=None)
    assert len(claim(a_worker("next"), 10, now=NOON).runs) == 4


def test_workspaces_share_fairly(live: Pair) -> None:
    small = a_pair(an_environment("dev", a_workspace("small", "Small")))
    a_live_flow(small)
    runs(live, 20)
    few = runs(small, 3)

    claimed = claim(a_worker(), 10, now=NOON)

    assert {run.id for run in few} <= set(claimed.runs)
    assert len(claimed.runs) == 8


def test_what_was_not_begun_is_given_back_as_it_was(live: Pair) -> None:
    (run,) = runs(live, 1)
    worker = a_worker()
    claimed = claim(worker, 10, now=NOON)

    release(worker, claimed.lanes)

    lane = Lane.objects.get()
    assert (lane.worker_id, lane.crashes, lane.ready_at) == (None, 0, NOON)
    assert claim(worker, 10, now=NOON).runs == [run.id]


def test_a_lane_whose_runs_have_ended_is_put_to_rest(live: Pair) -> None:
    runs(live, 1)
    Run.objects.update(state="done", finished_at=NOON)

    assert claim(a_worker(), 10, now=NOON).runs == []

    lane = Lane.objects.get()
    assert (lane.worker_id, lane.crashes, lane.ready_at) == (None, 0, None)


def test_a_lease_that_ran_out_gives_its_lanes_back_and_counts_the_crash(live: Pair) -> None:
    runs(live, 1)
    dead = a_worker("dead")
    claim(dead, 10, now=NOON)
    assert expire() == 0
    die(dead)

    assert expire() == 1

    lane = Lane.objects.get()
    assert (lane.worker_id, lane.crashes) == (None, 1)
    assert not dead.holds()


def test_whoever_was_thought_dead_finds_out_and_starts_anew(live: Pair) -> None:
    runs(live, 1)
    late = a_worker("late")
    before = claim(late, 10, now=NOON)
    die(late)
    expire()

    assert not late.renew()
    assert lanes.lock(late, before.lanes) == []
    assert claim(late, 10, now=NOON).runs == before.runs
    assert late.holds()


def test_a_worker_that_hangs_is_not_kept_alive(live: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = a_worker()
    worker.moved()
    assert worker.is_moving()

    monkeypatch.setattr(lanes, "CALL_DEADLINE", timedelta(0))

    assert not worker.is_moving()
    worker.rest()
    assert worker.is_moving()


def test_a_pass_that_broke_off_does_not_pass_for_a_rest(live: Pair) -> None:
    worker = a_worker()
    worker.holding = True
    worker.rest()

    assert not worker.is_moving(), "the lease of lanes that nobody works on would be renewed for ever"


@pytest.mark.parametrize(
    ("shaken", "crashes"),
    [
        pytest.param(False, 1, id="a fault of a run counts"),
        pytest.param(True, 0, id="a database that went away is no fault of a run"),
    ],
)
def test_lanes_of_a_pass_that_broke_off_are_given_back(live: Pair, shaken: bool, crashes: int) -> None:
    runs(live, 1)
    worker = a_worker()
    claim(worker, 10, now=NOON)
    worker.holding, worker.shaken = True, shaken

    worker.recover()

    assert list(Lane.objects.values_list("worker", "crashes")) == [(None, crashes)]


@pytest.mark.parametrize(
    ("fields", "ago", "ended", "crashes"),
    [
        pytest.param(
            {"pid": 2**22 + 1}, timedelta(0), 0, None, id="gone, but its last call may be under way"
        ),
        pytest.param({"pid": 2**22 + 1}, timedelta(seconds=18), 1, 1, id="gone for a call's deadline"),
        pytest.param(
            {"started_ticks": "1"}, timedelta(seconds=18), 1, 1, id="its pid is somebody else's now"
        ),
        pytest.param({"boot_id": "before"}, timedelta(0), 1, 0, id="its host was started anew"),
        pytest.param(
            {"host": "elsewhere", "pid": 2**22 + 1}, timedelta(seconds=18), 0, None, id="another host"
        ),
    ],
)
def test_a_process_that_is_gone_is_found_before_its_lease_runs_out(
    live: Pair, fields: dict[str, Any], ago: timedelta, ended: int, crashes: int | None
) -> None:
    runs(live, 1)
    worker = a_worker()
    claim(worker, 10, now=NOON)
    expires_at = Worker.objects.get().expires_at - ago
    Worker.objects.update(expires_at=expires_at, **fields)

    assert expire() == ended

    if crashes is not None:
        assert Lane.objects.get().crashes == crashes
        assert Lane.objects.get().worker_id is None


def test_a_real_process_is_alive_until_it_is_killed() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    process = presence.Process(
        presence.host(), presence.boot_id(), child.pid, presence.started_ticks(child.pid)
    )
    assert presence.is_alive(process)

    os.kill(child.pid, signal.SIGKILL)
    child.wait()

    assert not presence.is_alive(process)


def test_an_orderly_stop_is_no_crash(live: Pair) -> None:
    runs(live, 1)
    worker = a_worker()
    claim(worker, 10, now=NOON)

    worker.stop()

    lane = Lane.objects.get()
    assert (lane.worker_id, lane.crashes) == (None, 0)
    assert not Worker.objects.exists()


def _crash(live: Pair, limit: int) -> list[int]:
    """Claim once with a worker that dies at once, and return the runs that it had."""
    worker = a_worker("doomed")
    worker.claims = 1  # the next claim looks for the suspects first
    claimed = claim(worker, limit, now=NOON)
    die(worker)
    expire()
    return claimed.runs


def test_crashed_lanes_are_claimed_in_halving_groups_until_one_run_stands_alone(live: Pair) -> None:
    runs(live, 8)

    sizes = [len(_crash(live, 8)) for _ in range(4)]

    assert sizes == [8, 4, 2, 1]
    assert Run.objects.filter(crashes_alone=1).count() == 1


def test_only_crashes_alone_are_held_against_a_run(live: Pair) -> None:
    (run,) = runs(live, 1)

    for _ in range(4):
        _crash(live, 1)

    run.refresh_from_db()
    assert run.crashes_alone == 3  # the first was in a batch of the healthy, which happened to be small


@pytest.mark.parametrize("orderly", ["given back", "stopped"])
def test_what_ends_in_order_is_held_against_no_run_that_stood_alone(live: Pair, orderly: str) -> None:
    (run,) = runs(live, 1)
    _crash(live, 1)

    for _ in range(4):
        worker = a_worker("orderly")
        worker.claims = 1
        claimed = claim(worker, 1, now=NOON)
        assert claimed.runs == [run.id]
        if orderly == "stopped":
            worker.stop()
        else:
            release(worker, claimed.lanes)

    run.refresh_from_db()
    assert (run.crashes_alone, Lane.objects.get().crashes) == (0, 1)


def test_suspects_and_healthy_lanes_take_turns(live: Pair) -> None:
    suspects = runs(live, 1)
    _crash(live, 8)
    healthy = runs(live, 1)
    worker = a_worker()

    first, second = claim(worker, 8, now=NOON), claim(worker, 8, now=NOON)

    assert first.runs == [run.id for run in healthy]
    assert second.runs == [run.id for run in suspects]


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_claim_at_once_never_hold_the_same_lane() -> None:
    pair = a_pair()
    a_live_flow(pair)
    everything = {run.id for run in runs(pair, 60)}
    claimed: list[int] = []

    def take(name: str) -> None:
        worker = a_worker(name)
        while found := claim(worker, 7, now=NOON).runs:
            claimed.extend(found)
        connection.close()

    threads = [threading.Thread(target=take, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(claimed) == len(set(claimed))
    # A claim that met only locked rows ends early; what it left is there for the next.
    claimed += claim(a_worker("last"), 100, now=NOON).runs
    assert sorted(claimed) == sorted(everything)
