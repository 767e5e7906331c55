"""This module tells of several workers, and of workers that die in the middle of their work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.utils import timezone

from flows import lanes, publishing, runner
from flows.dispatch import dispatch
from flows.engine.plan import Plan
from flows.lanes import WorkerLease
from flows.loading import Loaded, Readied
from flows.models import Attempt, Deployment, Event, Lane, Link, Run, Worker
from flows.recipes import catalogue
from tests.journeys.bridge import Bridge, until

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("a_worker.py")


def many_events_of_few_payments(bridge: Bridge, payments: int = 3) -> list[str]:
    """Deliver several events of each payment and return the payments' ids."""
    ids = []
    for _ in range(payments):
        intent = bridge.pay("pm_card_chargeDeclined")
        bridge.ask("POST", f"/v1/payment_intents/{intent['id']}/confirm", payment_method="pm_card_visa")
        wanted = (
            "charge.succeeded",
            "charge.failed",
            "payment_intent.payment_failed",
            "payment_intent.succeeded",
        )
        bridge.deliver(*bridge.events(intent, *wanted))
        ids.append(intent["id"])
    return ids


@contextmanager
def a_process() -> Iterator[subprocess.Popen[bytes]]:
    """Start a worker process on the test's database, and make sure that it is gone afterwards."""
    database = connection.settings_dict
    url = f"sqlite:///{database['NAME']}"
    if connection.vendor == "postgresql":
        where = f"{database['HOST']}:{database['PORT']}/{database['NAME']}"
        url = f"postgres://{database['USER']}@{where}"
    env = os.environ | {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "integrator.settings",
        "SECRET_KEY": settings.SECRET_KEY,
        "INTEGRATOR_ENCRYPTION_KEYS": ",".join(settings.ENCRYPTION_KEYS),
        "INTEGRATOR_SANDBOX": "1",
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.Popen([sys.executable, str(SCRIPT)], env=env, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def bury(process: subprocess.Popen[bytes]) -> None:
    """Let the time pass after which a worker that is gone is given up."""
    Worker.objects.filter(pid=process.pid).update(expires_at=F("expires_at") - timedelta(seconds=18))
    assert lanes.expire() == 1


def test_two_workers_never_write_one_record_at_the_same_time(bridge: Bridge) -> None:
    ids = many_events_of_few_payments(bridge)
    bridge.salesforce.turn("latency", seconds=0.05)
    failures: list[BaseException] = []

    def drain(name: str) -> None:
        worker = WorkerLease(name)
        try:
            while Run.objects.exclude(state="done").exists() or Event.objects.undispatched().exists():
                runner.work(worker, lambda: True)
        except BaseException as failure:
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=drain, args=(f"worker {number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)

    assert failures == []
    told = bridge.salesforce.look("writes")
    assert len(told["writes"]) >= len(ids)
    assert told["overlaps"] == []
    assert {key: record["Status__c"] for key, record in bridge.payments().items()} == dict.fromkeys(
        ids, "Completed"
    )
    assert sum(bridge.fates().values()) == 4 * len(ids)
    assert not set(bridge.fates()) - {"applied", "superseded"}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "slow", "params": {"seconds": 30}}, id="before Salesforce did it"),
        pytest.param({"kind": "slow", "params": {"seconds": 30, "done": True}}, id="after Salesforce did it"),
    ],
)
def test_a_worker_that_is_killed_in_the_middle_loses_and_doubles_nothing(
    bridge: Bridge, fault: dict[str, object]
) -> None:
    number = bridge.salesforce.break_calls(path="/sobjects/", times=1, **fault)  # type: ignore[arg-type]
    intents = [bridge.pay() for _ in range(5)]
    for intent in intents:
        bridge.deliver(*bridge.events(intent, "charge.succeeded"))

    with a_process() as process:
        until(lambda: bridge.salesforce.fired(number), what="the call")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert Lane.objects.filter(worker__pid=process.pid).count() == 5
    assert not Attempt.objects.exists()
    assert bridge.drain() == 0  # the dead worker's lanes are not free yet

    bury(process)
    bridge.drain()

    assert sorted(bridge.payments()) == sorted(intent["id"] for intent in intents)
    assert bridge.fates() == {"applied": 5}
    assert Link.objects.count() == 5
    assert not Lane.objects.filter(worker__isnull=False).exists()
    assert not Lane.objects.filter(crashes__gt=0).exists()


def test_a_run_that_kills_every_worker_is_found_among_the_innocent(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    intents = [bridge.pay() for _ in range(6)]
    poison = intents[3]["id"]
    for intent in intents:
        bridge.deliver(*bridge.events(intent, "charge.succeeded"))
    honest = runner.ready

    def choke(run: Loaded, compiled_plan: Plan) -> Readied:
        if run.lane_id == Lane.objects.get(key=f"stripe:{poison}").id:
            raise MemoryError
        return honest(run, compiled_plan)

    monkeypatch.setattr(runner, "ready", choke)
    monkeypatch.setattr(runner, "LIMIT", 8)
    crashes = 0
    while True:
        try:
            if not bridge.drain():
                break
        except MemoryError:
            crashes += 1
            assert crashes < 20

    assert bridge.fates() == {"applied": 5, "dead": 1}
    dead = Run.objects.get(state="dead")
    assert (dead.lane.key, dead.crashes_alone) == (f"stripe:{poison}", 0)
    assert dead.dead_letters.get().code == "crashed"


def test_who_lost_the_lease_stops_before_the_next_write(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = bridge.pay()
    bridge.deliver(*bridge.events(intent, "charge.succeeded"))
    honest = runner.ready

    def dawdle(run: Loaded, compiled_plan: Plan) -> Readied:
        Worker.objects.filter(id=bridge.worker.id).update(expires_at=F("expires_at") - timedelta(minutes=1))
        lanes.expire()
        return honest(run, compiled_plan)

    monkeypatch.setattr(runner, "ready", dawdle)
    runner.work(bridge.worker, lambda: True)

    assert bridge.payments() == {}
    assert Run.objects.get().state == "ready"
    monkeypatch.setattr(runner, "ready", honest)
    bridge.drain()
    assert list(bridge.payments()) == [intent["id"]]


def test_a_run_finishes_on_the_version_that_it_began_with(bridge: Bridge) -> None:
    intent = bridge.pay()
    bridge.deliver(*bridge.events(intent, "charge.succeeded"))
    bridge.worker.moved()
    dispatch(now=timezone.now())
    old = Deployment.objects.get()
    document = catalogue.load("payments").raw | {"description": "Another one."}
    new = publishing.publish(flow=old.flow, document=document, actor="ada", now=timezone.now())
    publishing.deploy(version=new, pair=bridge.pair, actor="ada", now=timezone.now())
    later = bridge.pay()
    bridge.deliver(*bridge.events(later, "charge.succeeded"))

    bridge.drain()

    versions = dict(Run.objects.values_list("lane__key", "version__number"))
    assert versions == {f"stripe:{intent['id']}": 1, f"stripe:{later['id']}": 2}
    assert bridge.fates() == {"applied": 2}
