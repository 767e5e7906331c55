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
from integrator.management.commands import watch
from tests.builders import NOON, a_pair, an_environment
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


def a_preferred_flow(pair: Pair, *, asked: datetime) -> Deployment:
    """Return another flow of the pair, with a high priority, that asked the org at a time."""
    another = a_live_flow(pair, "invoice.paid", slug="invoices")
    rationing.prefer(flow=another.flow, pair=pair, priority="high", actor="otto@acme.test", now=NOON)
    hour = asked.replace(minute=0, second=0, microsecond=0)
    CallHour.objects.create(
        connection_id=pair.salesforce_id, cause=another.flow_id, hour=hour, kind="try", carried=1
    )
    return another


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
    a_preferred_flow(pair, asked=timezone.now())

    assert "the normal priority" in a_pass(worker, pair).reason


@pytest.mark.parametrize("how", ["idle for hours", "switched off", "of another org"])
def test_a_normal_priority_waits_for_no_high_one_that_asks_nothing(
    pair: Pair, live: Deployment, worker: WorkerLease, how: str
) -> None:
    used(pair, 85)
    asked = timezone.now() - (timedelta(hours=2) if how == "idle for hours" else timedelta(0))
    another = a_preferred_flow(
        pair if how != "of another org" else a_pair(an_environment("production")), asked=asked
    )
    if how == "switched off":
        Deployment.objects.filter(pk=another.pk).update(enabled=False)

    assert a_pass(worker, pair).state == "done"


@pytest.mark.parametrize(
    "ends", ["calls come back", "the org says nothing for long", "another priority", "no limit any more"]
)
def test_what_waits_goes_on_within_seconds_once_nothing_makes_it_wait(
    pair: Pair, live: Deployment, worker: WorkerLease, ends: str
) -> None:
    prefer(live, "low")
    used(pair, 75)
    waiting = a_pass(worker, pair)
    now = timezone.now()
    assert (waiting.state, rationing.wake_due(now=now + timedelta(seconds=5))) == ("ready", 0)

    if ends == "calls come back":
        used(pair, 60)
    elif ends == "the org says nothing for long":
        used(pair, 75, at=now - timedelta(minutes=11))
    elif ends == "another priority":
        prefer(live, "high")
    else:
        Connection.objects.filter(pk=pair.salesforce_id).update(api_limit=None)
        gateway.forget(pair.salesforce_id)

    assert rationing.wake_due(now=now) == 1
    runner.work(worker, lambda: True)
    waiting.refresh_from_db()
    assert (waiting.state, rationing.wake_due(now=now)) == ("done", 0)


def test_what_waits_for_a_high_priority_goes_on_once_that_is_idle(
    pair: Pair, live: Deployment, worker: WorkerLease
) -> None:
    used(pair, 85)
    a_preferred_flow(pair, asked=timezone.now())
    waiting = a_pass(worker, pair)
    now = timezone.now()
    assert rationing.wake_due(now=now) == 0

    CallHour.objects.update(hour=now - timedelta(hours=3))

    assert rationing.wake_due(now=now) == 1
    runner.work(worker, lambda: True)
    waiting.refresh_from_db()
    assert waiting.state == "done"


def test_only_those_are_woken_that_may_go_on(pair: Pair, live: Deployment, worker: WorkerLease) -> None:
    prefer(live, "low")
    used(pair, 88)
    a_preferred_flow(pair, asked=timezone.now())
    young, old = a_pass(worker, pair), a_pass(worker, pair, ago=timedelta(minutes=100))
    assert (young.state, old.state) == ("ready", "ready")
    other = Run.objects.create(
        flow=live.flow, version=live.version, pair=pair, event=an_event(pair.stripe), lane=young.lane,
        reason="It waits for something else.", created_at=NOON, next_attempt_at=young.next_attempt_at,
    )  # fmt: skip

    used(pair, 75)  # enough for those that go as normal ones by now

    assert rationing.wake_due(now=timezone.now()) == 1
    for run in (young, old, other):
        run.refresh_from_db()
    assert old.next_attempt_at is not None
    assert young.next_attempt_at is not None
    assert old.next_attempt_at <= timezone.now() < young.next_attempt_at == other.next_attempt_at


def test_the_watch_looks_for_runs_that_wait_for_calls_every_few_seconds() -> None:
    (task,) = [one for one in watch.tasks() if one.name == "saved calls"]

    # What a worker knows of the connection may be a second old, so that a second look may be needed.
    assert 2 * task.every + gateway.FRESH_SECONDS <= 15


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
