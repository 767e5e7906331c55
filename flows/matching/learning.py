"""This module learns from people's decisions how much each level says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from flows.matching.comparing import Finding
from flows.matching.finding import Policy
from flows.matching.weights import Weight, Weights, usual

_Place = tuple[str, str]  # a field and a level

LEAST = 50  # decisions; fewer teach nothing

_BELIEF = 20.0  # decisions that the weights so far are worth, at each level
_FURTHEST = 4.0  # bits that decisions move a weight at most
_ROUNDS = 24  # each level is weighed anew, in the light of the others
_STEP = 0.25  # of the way at once: levels that come together share it


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a person decided of two records, and what was found when they were compared."""

    findings: tuple[Finding, ...]
    same: bool


@dataclass(slots=True)
class _Tally:
    """How many pairs had a level, how many of them were the same, and how many were expected to be."""

    same: float = 0.0
    expected: float = 0.0
    count: int = 0

    def smoothed(self, same: float, believed: float) -> float:
        """Return the odds of `same` of the pairs and of what is believed beforehand, in bits."""
        return math.log2((same + _BELIEF * believed) / (self.count - same + _BELIEF * (1 - believed)))


def refit(weights: Weights, reviewed: Sequence[Reviewed]) -> Weights:
    """
    Return `weights` as `reviewed` decisions correct them; with fewer than `LEAST` they stay as they are.

    At each level the share of pairs that people called the same is set against the share that the weights
    expected of those very pairs, so that it does no harm that sure ones are never shown. Whether a weight is
    too high or too low is believed beforehand as by 20 decisions, half of them either way: a Beta
    distribution.
    """
    if len(reviewed) < LEAST:
        return weights
    before = _tallies(weights, {}, reviewed)
    moved = dict.fromkeys(before, 0.0)
    for _ in range(_ROUNDS):
        now = _tallies(weights, moved, reviewed)
        for place, tally in before.items():
            step = tally.smoothed(tally.same, 0.5) - tally.smoothed(
                now[place].expected, _probability(moved[place])
            )
            moved[place] = max(-_FURTHEST, min(_FURTHEST, moved[place] + _STEP * step))
    return Weights(weights.prior, _shifted(weights, moved))


def cautious(policy: Policy, reviewed: Iterable[Reviewed]) -> Policy:
    """
    Return `policy` with its automatic threshold above all that people called different, by the margin.

    The threshold is never lowered, whatever was decided.
    """
    weights = policy.weights or usual()
    refused = [_score(weights, {}, one.findings) for one in reviewed if not one.same]
    return replace(policy, auto=max([policy.auto, *(score + policy.margin for score in refused)]))


def _tallies(
    weights: Weights, moved: Mapping[_Place, float], reviewed: Iterable[Reviewed]
) -> dict[_Place, _Tally]:
    tallies: dict[_Place, _Tally] = {}
    for one in reviewed:
        expected = _probability(_score(weights, moved, one.findings))
        for field, level, _ in one.findings:
            tally = tallies.setdefault((field, level), _Tally())
            tally.same += one.same
            tally.expected += expected
            tally.count += 1
    return tallies


def _score(weights: Weights, moved: Mapping[_Place, float], findings: tuple[Finding, ...]) -> float:
    return weights.before + math.fsum(
        weights.bits(field, level, common) + moved.get((field, level), 0.0)
        for field, level, common in findings
    )


def _probability(bits: float) -> float:
    return 1.0 / (1.0 + math.exp2(-max(-50.0, min(50.0, bits))))


def _shifted(weights: Weights, moved: Mapping[_Place, float]) -> dict[str, dict[str, Weight]]:
    levels = {field: dict(known) for field, known in weights.levels.items()}
    for (field, level), bits in moved.items():
        known = levels.setdefault(field, {}).get(level, Weight(0.0))
        levels[field][level] = Weight(known.bits + bits, known.per_doubling)
    return levels
