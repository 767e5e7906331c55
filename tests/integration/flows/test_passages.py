"""The counts of the ways that runs take: they equal what the runs did, whoever closed them."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from flows import deadletters, passages
from flows.engine import ways
from flows.lanes import WorkerLease
from flows.models import Attempt, DeadLetter, Deployment, Pair, Passage, Run
from integrator import vault
from integrator.kernel.errors import Refused, Transient
from tests.builders import NOON
from tests.integration.flows.given import a_charge, a_worker, an_event
from tests.integration.flows.two_systems import (
    UPSERT,
    TwoSystems,
    a_deployed_flow,
    pass_time,
    work_until_quiet,
)

pytestmark = pytest.mark.django_db

LARGE: dict[str, Any] = {
    "id": "large",
    "kind": "condition",
    "settings": {"all": [{"path": "charge.amount", "is": "greater", "value": 5000}]},
    "exits": {
        "yes": [
            UPSERT[0],
            {
                **UPSERT[1],
                "exits": {"error": [{"id": "tell", "kind": "alert", "settings": {"title": "It failed"}}]},
            },
        ],
        "no": [{"id": "only_paid", "kind": "filter", "settings": {
            "name": "Paid", "all": [{"path": "charge.status", "is": "equal", "value": "succeeded"}]}}],
    },
}  # fmt: skip
LINES: dict[str, Any] = {
    "id": "lines",
    "kind": "for_each",
    "settings": {"list": "charge.lines", "name": "line"},
    "exits": {"each": [{"id": "size", "kind": "condition", "settings": {
        "all": [{"path": "line.amount", "is": "greater", "value": 1}]}}]},
}  # fmt: skip


@pytest.fixture
def live(pair: Pair) -> Deployment:
    return a_deployed_flow(pair, [LARGE, LINES])


@pytest.fixture
def worker(live: Deployment) -> WorkerLease:
    return a_worker()


def counted(live: Deployment) -> dict[tuple[str, str], int]:
    traffic = passages.of_flow(live.flow, live.pair, now=timezone.now())
    return {(step, way): times for step, taken in traffic.taken.items() for way, times in taken.items()}


def traced() -> Counter[tuple[str, str]]:
    """Return the ways that the traces of the runs' last tries tell of, those within lists left out."""
    found: Counter[tuple[str, str]] = Counter()
    for run in Run.objects.filter(state__in=("done", "dead")):
        last = Attempt.objects.filter(run=run).latest("id")
        found.update(ways.taken(_entries(last)))
    return found


def _entries(attempt: Attempt) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(vault.unseal(attempt.trace, owner=f"trace:{attempt.run_id}"))
    return entries


def test_counts_equal_what_the_runs_did(live: Deployment, worker: WorkerLease, systems: TwoSystems) -> None:
    refuse = iter(["lock", "lock"])

    def upsert(request: Any) -> Any:
        if request["external_id"] == "pi_refused":
            return Refused("No such amount")
        if request["external_id"] == "pi_locked" and next(refuse, None):
            return Transient("Row locked")
        return {"id": "a01000000000001AAA", "created": True}

    systems.answers["upsert"] = upsert
    lines = [{"id": "l_1", "amount": 1}, {"id": "l_2", "amount": 2}, {"id": "l_3", "amount": 3}]
    for charge in (
        a_charge(amount=9000, lines=lines),
        a_charge(amount=9000, payment_intent="pi_refused"),
        a_charge(amount=9000, payment_intent="pi_locked"),
        a_charge(amount=10),
        a_charge(amount=10, status="failed"),
    ):
        an_event(live.pair.stripe, charge)
    work_until_quiet(worker)
    assert Run.objects.get(state="retrying")
    assert counted(live)["large", "yes"] == 2  # the third waits to be tried again

    for _ in range(2):
        pass_time(timedelta(hours=1))
        work_until_quiet(worker)

    found = counted(live)
    assert {way: found[way] for way in found if way[0] != "size"} == dict(traced())
    assert found == {
        ("large", "yes"): 3, ("large", "no"): 2,
        ("describe", "next"): 3, ("save", "next"): 2, ("save", "error"): 1, ("tell", "next"): 1,
        ("only_paid", "next"): 1, ("only_paid", ways.ENDED): 1,
        ("lines", "next"): 4, ("size", "yes"): 2, ("size", "no"): 1,
    }  # fmt: skip


def test_who_is_retried_out_of_the_dead_letters_counts_once_more(pair: Pair, systems: TwoSystems) -> None:
    live, worker = a_deployed_flow(pair, UPSERT), a_worker()
    answers = iter([Refused("No such amount"), {"id": "a01000000000001AAA", "created": True}])
    systems.answers["upsert"] = lambda _: next(answers)
    charge = a_charge(id="ch_1")
    systems.objects["ch_1"] = charge
    an_event(pair.stripe, charge)
    work_until_quiet(worker)
    assert counted(live) == {("describe", "next"): 1, ("save", ways.FAILED): 1}

    deadletters.retry(letter=DeadLetter.objects.get(), actor="otto", now=timezone.now())
    work_until_quiet(worker)

    assert counted(live) == {("describe", "next"): 2, ("save", ways.FAILED): 1, ("save", "next"): 1}


def test_hours_are_told_apart_and_only_the_last_day_is_told(live: Deployment) -> None:
    key = (live.version_id, live.pair_id, "large", "yes")
    for hours, times in ((0, 3), (0, 4), (23, 10), (26, 100)):
        with transaction.atomic():
            passages.add(Counter({key: times}), now=NOON + timedelta(minutes=20, hours=-hours))

    traffic = passages.of_flow(live.flow, live.pair, now=NOON + timedelta(minutes=50))

    assert traffic.into("large") == traffic.out("large", "yes") == 17
    assert traffic.since == NOON - timedelta(hours=24)
    assert sorted(Passage.objects.values_list("times", flat=True)) == [7, 10, 100]
    assert not passages.of_flow(live.flow, live.pair, now=NOON + timedelta(days=3)).taken


@pytest.mark.django_db(transaction=True)
def test_workers_that_count_at_the_same_time_lose_nothing_and_never_lock_each_other_up(
    live: Deployment, on_postgresql: bool
) -> None:
    if not on_postgresql:
        pytest.skip("SQLite has one writer at a time")
    keys = [(live.version_id, live.pair_id, f"s{number}", "next") for number in range(400)]
    trouble: list[Exception] = []

    def count(order: list[tuple[int, int, str, str]]) -> None:
        try:
            for _ in range(20):
                with transaction.atomic():
                    passages.add(Counter(dict.fromkeys(order, 1)), now=NOON)
        except Exception as failure:  # a thread's own is lost otherwise
            trouble.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=count, args=(order,)) for order in (keys, keys[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert trouble == []
    assert set(Passage.objects.values_list("times", flat=True)) == {40}
