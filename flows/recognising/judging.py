"""
This module sets people's decisions of the past against the rule for sure likenesses as it is now.

Each pair is judged as the rule would judge it: by its score, by how far it is ahead of whatever else was
found, and by what only a person may decide. Decisions of before that was kept with them are not judged.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from flows.matching import Finding, Policy, Weights, usual
from flows.matching.finding import NAMES, OTHER_PERSON, is_sure
from flows.matching.learning import LEAST
from flows.models import MatchDecision, MatchPolicy
from flows.recognising import rules
from integrator.accounts.models import Environment

FEW = 50  # sure pairs; of fewer, a share says little
_Z = 1.959964  # standard deviations to either side that hold 95 % of a normal distribution
_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair that the rule would take without asking, were that switched on, and what a person said of it."""

    connection_id: int
    object: str
    customer: str
    record: str
    same: bool
    score: float
    ahead: float | None  # of the next one, in bits; nothing without any other
    decided_by: str
    decided_at: datetime
    question: str  # which was answered


@dataclass(frozen=True, slots=True)
class Past:
    """What people decided of pairs, set against the lines as they are now."""

    decided: int
    same: int
    unjudged: int  # of before it was kept what was found beside them
    pairs: Sequence[Judged]  # the sure ones, the newest first

    @property
    def sure(self) -> int:
        """Return how many pairs would be taken without asking, were that switched on."""
        return len(self.pairs)

    @property
    def rightly(self) -> int:
        """Return how many of the sure pairs people called the same."""
        return sum(one.same for one in self.pairs)

    @property
    def wrong(self) -> list[Judged]:
        """Return the sure pairs that people called different."""
        return [one for one in self.pairs if not one.same]

    @property
    def precision(self) -> float | None:
        """Return the share of sure pairs that people called the same; nothing without any."""
        return self.rightly / self.sure if self.sure else None

    @property
    def at_least(self) -> float | None:
        """Return what that share is at least in the long run, with a confidence of 95 %."""
        return lower_bound(self.rightly, self.sure) if self.sure else None

    @property
    def percent(self) -> Decimal | None:
        """Return the share in percent, rounded down: it is 100 only if all of them are right."""
        return _HUNDREDTH * (10_000 * self.rightly // self.sure) if self.sure else None

    @property
    def percent_at_least(self) -> Decimal | None:
        """Return the lower bound of the share in percent, rounded down."""
        bound = self.at_least
        return None if bound is None else Decimal(100 * bound).quantize(_HUNDREDTH, ROUND_DOWN)

    @property
    def are_few(self) -> bool:
        """Tell whether the sure pairs are too few to rely on their share."""
        return self.sure < FEW

    @property
    def teaches(self) -> bool:
        """Tell whether there are enough decisions to learn from."""
        return self.decided >= LEAST


def lower_bound(right: int, of: int) -> float:
    """
    Return the lower end of Wilson's interval of 95 % for a share of which `right` of so many are seen.

    https://doi.org/10.1080/01621459.1927.10502953
    """
    share, spread = right / of, _Z * _Z / of
    root = _Z * math.sqrt((share * (1.0 - share) + spread / 4.0) / of)
    return max(0.0, (share + spread / 2.0 - root) / (1.0 + spread))


def past(environment: Environment, row: MatchPolicy) -> Past:
    """Return what the newest decisions of an environment say about its lines."""
    rows = MatchDecision.objects.filter(connection__environment=environment).exclude(findings=[])
    newest = list(rows.order_by("-decided_at", "-id")[: rules.NEWEST])
    policy, weights = rules.policy_of(row), rules.weights_of(row) or usual()
    judged = (_judged(one, policy, weights) for one in newest)
    return Past(
        decided=len(newest),
        same=sum(one.same for one in newest),
        unjudged=sum(one.others is None for one in newest),
        pairs=[one for one in judged if one is not None],
    )


def _judged(one: MatchDecision, policy: Policy, weights: Weights) -> Judged | None:
    """Return a pair that would be taken without asking; nothing for another, or one that cannot be judged."""
    if one.others is None:
        return None
    found = rules.findings_of(one.findings)
    score = _score(found, weights)
    if score < policy.auto:
        return None
    others = [_score(rules.findings_of(told), weights) for told in one.others]
    # What is said of names is told with the findings as well, whoever has kept them.
    is_other = any(field == "name" and level in OTHER_PERSON for field, level, _ in found)
    if not is_sure(score, others, one.veto or (NAMES if is_other else ""), policy):
        return None
    return Judged(
        one.connection_id, one.object, one.stripe_id, one.record_id, one.same, score,
        score - max(others) if others else None, one.decided_by, one.decided_at, one.question,
    )  # fmt: skip


def _score(found: Iterable[Finding], weights: Weights) -> float:
    return weights.before + math.fsum(weights.bits(*one) for one in found)
