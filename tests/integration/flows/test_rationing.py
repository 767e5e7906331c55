"""Runs of a flow with a low priority wait while calls of an org run short; nothing is burnt or starves."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from connectors import gateway
from connectors.metering import METER
from connectors.models import CallHour, Connection
from flows import rationing, runner
from flows.engine.plan import Plan
from flows.lanes import WorkerLease
from flows.models import Attempt, Deployment, Pair, Run
from integrator.accounts.models import AuditEntry
from tests.builders import NOON
from tests.integration.flows.given import a_live_flow, an_event


@pytest.fixture(autouse=True)
def _it_asks_salesforce(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plan, "asks_salesforce", True)


def used(pair: Pair, percent: int, *, at: datetime | None = None) -> None:
    """Let the org have told how many percent of its calls are used; 90 are ours."""
    Connection.objects.filter(pk=pair.salesforce_id).update(
        api_used=percent * 10, api_limit=1000, last_success_at=at or timezone.now()
    )
    gateway.forget(pair.salesforce_id)


def a_pass(worker: WorkerLease, pair: Pair, *, ago: timedelta = timedelta(0), origin: str = "live") -> Run:
    an_event(pair.stripe, received_at=timezone.now() - ago, origin=origin)
    runner.work(worker, lambda: True)
    return Run.objects.latest("id")


def prefer(live: Deployment, priority: rationing.Priority) -> None:
    rationing.prefer(flow=live.flow, pair=live.pair, priority=priority, actor="otto@acme.test", now=NOON)


def test_a_low_priority_waits_before_the_normal_one(
    pair: Pair, live: Deployment, worker: WorkerLease
) -> None:
    used(pair, 70)
    assert a_pass(worker, pair).state == "done"

    prefer(live, "low")
    waiting = a_pass(worker, pair)

    assert (waiting.state, waiting.fate, waiting.attempts) == ("ready", "queued", 0)
    assert waiting.reason.startswith("It waits for API calls: 700 of the 900 that are ours are used")
    assert waiting.next_attempt_at is not None
    assert timedelta(0) < waiting.next_attempt_at - timezone.now() <= timedelta(minutes=5)
    assert not Attempt.objects.filter(run=waiting).exists()


def test_a_normal_priority_waits_for_a_high_one_alone(
    pair: Pair, live: Deployment, worker: WorkerLease
) -> None:
    used(pair, 85)
    assert a_pass(worker, pair).state == "done"
    another = a_live_flow(pair, "invoice.paid", slug="invoices")
    rationing.prefer(flow=another.flow, pair=pair, priority="high", actor="otto@acme.test", now=NOON)

    assert "the normal priority" in a_pass(worker, pair).reason


def test_what_has_waited_for_hours_goes_on(pair: Pair, live: Deployment, worker: WorkerLease) -> None:
    prefer(live, "low")
    used(pair, 89)

    assert a_pass(worker, pair, ago=timedelta(hours=1)).state == "ready"
    assert a_pass(worker, pair, ago=timedelta(hours=2)).state == "done"


@pytest.mark.parametrize("ago", [timedelta(minutes=11), None], ids=["told long ago", "never told"])
def test_nobody_waits_for_what_is_not_known(
    pair: Pair, live: Deployment, worker: WorkerLease, ago: timedelta | None
) -> None:
    prefer(live, "low")
    if ago is not None:
        used(pair, 89, at=timezone.now() - ago)

    assert a_pass(worker, pair).state == "done"


@pytest.mark.parametrize("slot", ["salesforce", "stripe"])
def test_a_connection_that_has_rested_is_tried_by_whichever_run_comes_first(
    pair: Pair, live: Deployment, worker: WorkerLease, slot: str
) -> None:
    prefer(live, "low")
    used(pair, 80)
    connection = getattr(pair, slot)
    connection.rest(until=timezone.now() - timedelta(seconds=1), reason="It was away.")
    gateway.forget(connection.pk)

    assert a_pass(worker, pair).state == "done"


def test_runs_are_counted_for_their_flow_so_that_calls_can_be_told_by_run(
    pair: Pair, live: Deployment, worker: WorkerLease
) -> None:
    a_pass(worker, pair)
    METER.write()

    counted = CallHour.objects.filter(kind="try").values_list("connection", "cause", "carried")
    assert set(counted) == {(pair.stripe_id, live.flow_id, 1), (pair.salesforce_id, live.flow_id, 1)}


def test_who_changes_a_priority_stands_in_the_audit_trail(pair: Pair, live: Deployment) -> None:
    prefer(live, "high")
    prefer(live, "high")

    (entry,) = AuditEntry.objects.filter(action="flow.priority_set")
    assert entry.details == {"before": "normal", "priority": "high"}
