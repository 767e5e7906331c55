"""This module lists drafts of flows that are not live under which something has changed as well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flows import designer
from flows.impact import finding
from flows.models import Deployment, Draft, Pair
from integrator.accounts.models import Environment

MOST = 10  # drafts that are looked at, those changed last


@dataclass(frozen=True, slots=True)
class Concerned:
    """A draft, and how many of its lines a change concerns."""

    draft: Draft
    lines: int


def concerned(environment: Environment, *, now: datetime) -> list[Concerned]:
    """Return the drafts of flows that are nowhere live and have lines that would or may fail by a change."""
    pairs = {
        pair.integration_id: pair
        for pair in Pair.objects.filter(environment=environment).select_related(
            "stripe", "salesforce", "environment", "integration__workspace"
        )
    }
    live = Deployment.objects.filter(ended_at__isnull=True).values("flow")
    rows = Draft.objects.filter(flow__integration__in=pairs).exclude(flow__in=live)
    found = []
    for draft in rows.select_related("flow", "base_version").order_by("-changed_at", "-pk")[:MOST]:
        lines = _lines(draft, pairs[draft.flow.integration_id], now)
        if lines:
            found.append(Concerned(draft, lines))
    return found


def _lines(draft: Draft, pair: Pair, now: datetime) -> int:
    if designer.problems(draft):
        return 0
    moment = draft.changed_at if draft.base_version is None else draft.base_version.published_at
    desk = finding.desk_of(draft.document, flow=draft.flow, pair=pair, moment=moment, now=now)
    if desk is None:
        return 0
    return sum(one.severity != "know" for one in finding.findings(desk, mends=False))
