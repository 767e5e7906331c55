"""
This module lets runs wait while an org's API calls run short, those of flows with a low priority first.

While there are enough calls left it costs a look at what this process knows of the connection anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from connectors.budgets import Allowance
from connectors.models import Connection
from flows.context import allowance_of
from flows.engine.rationing import ENOUGH, Priority, wait_of
from flows.loading import Loaded
from flows.models import Flow, FlowPriority, Pair
from integrator.accounts import audit

MOST = max(ENOUGH.values())


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
    if priority == "normal" and not _is_another_preferred(first.pair__salesforce_id):
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


def _is_another_preferred(connection_id: int) -> bool:
    """Tell whether a flow that asks the same org has a high priority: else nobody gains by waiting."""
    return FlowPriority.objects.filter(pair__salesforce=connection_id, priority="high").exists()


def _is_tried(run: Loaded) -> bool:
    both = Connection.objects.filter(pk__in=(run.pair__stripe_id, run.pair__salesforce_id))
    return both.exclude(state=Connection.State.ACTIVE).exists()


def _reason(priority: Priority, allowance: Allowance) -> str:
    return (
        f"It waits for API calls: {allowance.used:,} of the {allowance.ours:,} that are ours are used, and "
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
    """Give `flow` a priority on `pair`. What waits already is looked at again within minutes."""
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
