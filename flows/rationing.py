"""
This module lets runs wait while an org's API calls run short, those of flows with a low priority first.

While there are enough calls left it costs a look at what this process knows of the connection anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef

from connectors import budgets
from connectors.budgets import Allowance
from connectors.models import CallHour, Connection
from flows import holds, signals
from flows.context import allowance_of
from flows.engine.rationing import ENOUGH, Priority, goes_after, wait_of
from flows.loading import Loaded
from flows.models import Deployment, Flow, FlowPriority, Lane, Pair, Run
from integrator.accounts import audit

MOST = max(ENOUGH.values())
WAITS = "It waits for API calls: "  # how the reason of a run begins that waits
HOUR = timedelta(hours=1)


class Saved(NamedTuple):
    """A run that waits for calls, until when, and why."""

    run: Loaded
    until: datetime
    reason: str


def share(runs: Sequence[Loaded], *, now: datetime) -> tuple[list[Loaded], list[Saved]]:
    """
    Return those of `runs` of one flow and pair, which all ask the org, that go on, and those that wait.

    What a person wants done goes on, and a normal flow if none has a high priority. So does what has waited
    for hours, see `flows.engine.rationing`, and what a connection that has rested is tried with: if that
    waited, the connection would rest on.
    """
    first = runs[0]
    allowance = allowance_of(first.pair__salesforce_id)
    if allowance is None or allowance.left_percent >= MOST or allowance.is_stale(now) or _is_tried(first):
        return list(runs), []
    priority = priority_of(first.flow_id, first.pair_id)
    if priority == "normal" and not _is_another_preferred(first.pair__salesforce_id, now):
        return list(runs), []
    reason = _reason(priority, allowance)
    going: list[Loaded] = []
    saved: list[Saved] = []
    for run in runs:
        waited = now - run.event__received_at
        wait = wait_of(priority, left_percent=allowance.left_percent, waited=waited)
        if wait is None or run.insisted:
            going.append(run)
        else:
            saved.append(Saved(run, now + wait, reason))
    return going, saved


def wake_due(*, now: datetime) -> int:
    """
    Let those runs go on at once that wait for calls though nothing makes them wait any more.

    That is so when the org tells that more calls are left, or has told nothing for long, when the flow got
    another priority, and when no flow with a high one asks the org any more.

    :returns: how many go on
    """
    # By their lanes, of which few are due later, and not among all runs that wait for a worker.
    # Their pairs are named, by which the index of lanes that are ready begins.
    later = Lane.objects.filter(pair__in=Pair.objects.values("id"), worker=None, ready_at__gt=now)
    waiting = Run.objects.filter(
        lane__in=later.values("id"), state=Run.State.READY, next_attempt_at__gt=now, reason__startswith=WAITS
    )
    woken = 0
    for flow, pair, org in waiting.order_by().values_list("flow", "pair", "pair__salesforce").distinct():
        waited = _goes_after(flow, pair, Connection.objects.get(pk=org), now)
        mine = waiting.filter(flow=flow, pair=pair, event__received_at__lte=now - waited)
        woken += holds.make_due(mine.order_by("id"), now=now)
    if woken:
        signals.work_arrived.send(sender=Run)
    return woken


def _goes_after(flow_id: int, pair_id: int, org: Connection, now: datetime) -> timedelta:
    """Return how long a run of the flow has to have waited to go on just now."""
    allowance, priority = budgets.allowance_of(org), priority_of(flow_id, pair_id)
    is_free = allowance is None or allowance.left_percent >= MOST or allowance.is_stale(now)
    if is_free or (priority == "normal" and not _is_another_preferred(org.pk, now)):
        return timedelta(0)
    assert allowance is not None
    return goes_after(priority, left_percent=allowance.left_percent)


def _is_another_preferred(connection_id: int, now: datetime) -> bool:
    """
    Tell whether a flow with a high priority asks the same org: else nobody gains by waiting.

    One that is switched off does not, nor one of which no run was tried in this hour or the one before.
    """
    begun = now.replace(minute=0, second=0, microsecond=0) - HOUR
    live = Deployment.objects.filter(
        flow=OuterRef("flow"), pair=OuterRef("pair"), ended_at__isnull=True, enabled=True
    )
    tried = CallHour.objects.filter(
        connection=connection_id, cause=OuterRef("flow"), hour__gte=begun, kind=CallHour.Kind.TRY
    )
    high = FlowPriority.objects.filter(pair__salesforce=connection_id, priority="high")
    return high.filter(Exists(live), Exists(tried)).exists()


def _is_tried(run: Loaded) -> bool:
    both = Connection.objects.filter(pk__in=(run.pair__stripe_id, run.pair__salesforce_id))
    return both.exclude(state=Connection.State.ACTIVE).exists()


def _reason(priority: Priority, allowance: Allowance) -> str:
    return (
        f"{WAITS}{allowance.used:,} of the {allowance.ours:,} that are ours are used, and "
        f"its flow has {'a low' if priority == 'low' else 'the normal'} priority."
    )


def priority_of(flow_id: int, pair_id: int) -> Priority:
    """Return the priority of a flow on a pair."""
    found = FlowPriority.objects.filter(flow=flow_id, pair=pair_id).values_list("priority", flat=True)
    return known(found.first())


def known(priority: str | None) -> Priority:
    """Return the priority that a row holds; the normal one where there is none."""
    return next((one for one in ENOUGH if one == priority), "normal")


def prefer(*, flow: Flow, pair: Pair, priority: Priority, actor: str, now: datetime) -> None:
    """Give `flow` a priority on `pair`. What waits already is looked at again within seconds."""
    with transaction.atomic():
        before = priority_of(flow.pk, pair.pk)
        if before == priority:
            return
        FlowPriority.objects.update_or_create(flow=flow, pair=pair, defaults={"priority": priority})
        audit.record(
            workspace=pair.environment.workspace,
            actor=actor,
            action="flow.priority_set",
            target=f"{flow} in {pair.environment}",
            details={"before": before, "priority": priority},
            now=now,
        )
