"""This module holds where an environment draws its lines, and what decisions of the past say about them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from flows.matching import Finding, Policy, Reviewed, Weights, cautious, refit, usual
from flows.matching.learning import LEAST
from flows.models import MatchDecision, MatchPolicy
from integrator.accounts import audit
from integrator.accounts.models import Environment

ACTOR = "the engine"
MOST_BITS = 64.0
DAY = timedelta(days=1)
NEWEST = 5_000  # decisions that teach
ALONE = 200  # of one person, whatever others have decided
LINES = ("automatic", "auto", "margin", "review")


class NoSuchLine(ValueError):
    """The lines contradict each other, or lie outside of what scores can be; `field` is at fault."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def of(environment_id: int) -> Policy:
    """Return the lines of an environment; the usual ones where nobody has drawn others."""
    row = MatchPolicy.objects.filter(environment=environment_id).first()
    return Policy() if row is None else policy_of(row)


def policy_of(row: MatchPolicy) -> Policy:
    """Return the lines as `flows.matching` takes them."""
    return Policy(row.automatic, row.auto, row.review, row.margin, weights=weights_of(row))


def weights_of(row: MatchPolicy) -> Weights | None:
    """Return what decisions have taught; nothing if that is nothing, or cannot be read."""
    try:
        return Weights.from_json(row.weights) if row.weights else None
    except (KeyError, TypeError, ValueError):
        return None


def row_of(environment: Environment) -> MatchPolicy:
    """Return the rules of an environment, which need not be kept yet."""
    known = MatchPolicy.objects.filter(environment=environment).first()
    return known or MatchPolicy(environment=environment)


def draw(*, environment: Environment, lines: dict[str, Any], actor: str, now: datetime) -> MatchPolicy:
    """
    Draw the lines that are given anew: `automatic`, `auto`, `margin`, `review`.

    :raises NoSuchLine: if they contradict each other
    """
    with transaction.atomic():
        row, _ = MatchPolicy.objects.select_for_update().get_or_create(environment=environment)
        before = {name: getattr(row, name) for name in LINES}
        after = before | {name: lines[name] for name in LINES if name in lines}
        _check(after)
        changed = {name: after[name] for name in LINES if after[name] != before[name]}
        if changed:
            row.draw(actor=actor, now=now, **changed)
            audit.record(
                workspace=environment.workspace,
                actor=actor,
                action="match_rules.changed",
                target=f"environment:{environment.slug}",
                now=now,
                details={name: [before[name], value] for name, value in changed.items()},
            )
    return row


def _check(lines: dict[str, Any]) -> None:
    for name in ("auto", "margin", "review"):
        if not math.isfinite(lines[name]) or abs(lines[name]) > MOST_BITS:
            raise NoSuchLine(name, f"Bits are between -{MOST_BITS:g} and {MOST_BITS:g}.")
    if lines["margin"] < 0:
        raise NoSuchLine("margin", "The distance to the next candidate cannot be less than nothing.")
    if lines["review"] > lines["auto"]:
        raise NoSuchLine("review", "A person is asked from fewer points on than a likeness is sure from.")


def _decided(environment: Environment) -> list[tuple[str, Reviewed]]:
    rows = MatchDecision.objects.filter(connection__environment=environment).exclude(findings=[])
    newest = rows.order_by("-decided_at", "-id").values_list("decided_by", "findings", "same")[:NEWEST]
    return [(person, Reviewed(findings_of(told), same)) for person, told, same in newest]


def teaching(environment: Environment) -> list[Reviewed]:
    """
    Return the decisions that teach: of one person at most `ALONE`, or as many as others have made together.

    So nobody alone decides what is believed of everybody.
    """
    decided = _decided(environment)
    each = Counter(person for person, _ in decided)
    taken: Counter[str] = Counter()
    found = []
    for person, reviewed in decided:
        if taken[person] < max(ALONE, len(decided) - each[person]):
            taken[person] += 1
            found.append(reviewed)
    return found


def findings_of(told: Sequence[Any]) -> tuple[Finding, ...]:
    """Return findings as they were kept."""
    return tuple(Finding(str(field), str(level), float(common)) for field, level, common in told)


def learn_due(*, now: datetime) -> int:
    """Learn once a day in each environment where people have decided since; return in how many."""
    learned = 0
    for environment in Environment.objects.filter(connections__match_decisions__isnull=False).distinct():
        row = MatchPolicy.objects.filter(environment=environment).first()
        last = row.learned_at if row else None
        if last is not None and last + DAY > now:
            continue
        rows = MatchDecision.objects.filter(connection__environment=environment)
        if last is None or rows.filter(decided_at__gt=last).exists():
            learned += learn(environment, now=now)
    return learned


def learn(environment: Environment, *, now: datetime, actor: str = ACTOR) -> bool:
    """
    Weigh as people's decisions teach, and raise the automatic line above all that they called different.

    Tell whether there were decisions enough to learn from. Each time all of them teach the usual weights
    anew, so that none counts twice; the line is never lowered.
    """
    reviewed = teaching(environment)
    if len(reviewed) < LEAST:
        return False
    with transaction.atomic():
        row, _ = MatchPolicy.objects.select_for_update().get_or_create(environment=environment)
        weights = refit(usual(), reviewed)
        careful = cautious(Policy(row.automatic, row.auto, row.review, row.margin, weights=weights), reviewed)
        raised = min(careful.auto, MOST_BITS)
        audit.record(
            workspace=environment.workspace,
            actor=actor,
            action="match_rules.learned",
            target=f"environment:{environment.slug}",
            now=now,
            details={"auto": [row.auto, raised], "decisions": len(reviewed)},
        )
        row.learn(weights.as_json(), auto=raised, count=len(reviewed), now=now)
    return True
