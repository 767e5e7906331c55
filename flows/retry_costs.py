"""
This module reckons what it costs in calls to retry runs of a flow, by what its runs did last.

What is measured are the steps that the newest applied runs have taken: each of those that asks or writes is a
call for a run that comes alone, and records of Salesforce travel together. What stands inside of a list is
counted once, whatever its length.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from flows.models import Attempt, DeadLetter, Run
from integrator import vault

LOOKED_AT = 20  # runs
TOGETHER = 200  # records of one call of Salesforce
SYSTEMS = ("salesforce", "stripe")


@dataclass(frozen=True, slots=True)
class Cost:
    """Calls of one system: at least, if as many runs as may be come at once, and at most."""

    system: str
    least: int
    most: int
    used: int | None = None  # of the org's calls in 24 hours, as far as it has told
    allowed: int | None = None


@dataclass(frozen=True, slots=True)
class Costs:
    """What retrying costs, and by how many runs that was measured; none: it is not known."""

    measured: int
    systems: tuple[Cost, ...] = ()


def of(letter: DeadLetter, *, many: int, at_once: int) -> Costs:
    """Return what it costs to retry `many` runs of the flow of `letter`, `at_once` of them at a time."""
    if letter.run is None:
        return Costs(0)
    like = Run.objects.filter(pair_id=letter.run.pair_id, state=Run.State.DONE, flow_id=letter.run.flow_id)
    runs = list(like.filter(fate="applied").order_by("-id").values_list("id", flat=True)[:LOOKED_AT])
    measured = [calls for run in runs if (calls := _calls_of_last_try(run)) is not None]
    if not measured:
        return Costs(0)
    sums = sum(measured, Counter())
    pair = letter.run.pair
    source = letter.event.connection.system
    costs = []
    for system in SYSTEMS:
        a_run = sums[system] / len(measured) + (system == source)  # a retry reads its object first
        most = math.ceil(many * a_run)
        turns = math.ceil(many / max(1, min(at_once, many, TOGETHER)))
        least = math.ceil(turns * a_run) if system == "salesforce" else most
        org = pair.salesforce if system == "salesforce" else None
        costs.append(Cost(system, least, most, org.api_used if org else None, org.api_limit if org else None))
    return Costs(len(measured), tuple(cost for cost in costs if cost.most))


def _calls_of_last_try(run_id: int) -> Counter[str] | None:
    attempt = Attempt.objects.filter(run=run_id).order_by("-id").first()
    if attempt is None:
        return None
    try:
        entries = json.loads(vault.unseal(attempt.trace, owner=f"trace:{run_id}"))
    except (vault.Unreadable, ValueError):
        return None
    return _calls(entries if isinstance(entries, list) else ())


def _calls(entries: Iterable[object]) -> Counter[str]:
    """Return how many steps of a trace called which system: their kinds are named after it."""
    kinds = [str(entry.get("kind", "")) for entry in entries if isinstance(entry, dict)]
    return Counter(system for kind in kinds if (system := kind.partition(".")[0]) in SYSTEMS)
