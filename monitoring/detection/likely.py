"""
This module says what an incident most likely has to do with: what its events have in common. It is pure.

Events are told apart by what is known of each, such as its currency, country or error code. What counts is
which value is much more frequent among those of the incident than among those before it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

LEAST = 5  # events, before anything is said
PART = 0.4  # of the events, that have the value at the least
TIMES = 1.6  # as frequent as before, at the least
SURE = 8.0  # nats of evidence
GONE = 0.3  # of what came before: what has fallen that far is missed
MOST = 2

Traits = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cause:
    """A value of `what` that `share` of the events have, of those before it `usual` (both 0 to 1)."""

    what: str
    value: str
    share: float
    usual: float
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def more_of(now: Sequence[Traits], before: Sequence[Traits]) -> list[Cause]:
    """Return what the events of `now` have in common that those `before` had not, the most telling first."""
    if len(now) < LEAST:
        return []
    found = []
    for what, value, count, usual in _values(now, before):
        share = count / len(now)
        if share < PART or share < TIMES * usual:
            continue
        nats = count * math.log(share / usual) + (len(now) - count) * _log((1 - share) / (1 - usual))
        if nats >= SURE:
            sentence = f"{what.capitalize()} {value}: {share:.0%} of them, usually {usual:.0%}."
            found.append((nats, Cause(what, value, round(share, 3), round(usual, 3), sentence)))
    return _most(found)


def less_of(now: Sequence[Traits], before: Sequence[Traits], *, times: float) -> list[Cause]:
    """
    Return what has gone missing: values that come far less than before, while others come as ever.

    `times` is how many events were to come for each of `before`. If all have fallen alike, nothing is said.
    """
    if len(before) < 2 * LEAST or len(now) > times * len(before):
        return []
    found = []
    counted = {(what, value): count for what, value, count, _ in _values(now, before)}
    for what, value, count, _ in _values(before, now):
        expected, came = count * times, counted.get((what, value), 0)
        others, of_others = len(now) - came, (len(before) - count) * times
        if expected < LEAST or came > GONE * expected or others < 0.6 * of_others or of_others < 1:
            continue
        missing = expected - came
        sentence = f"{what.capitalize()} {value}: {came} came where about {expected:,.0f} are usual."
        told = Cause(what, value, round(came / max(len(now), 1), 3), round(count / len(before), 3), sentence)
        found.append((missing, told))
    return _most(found)


def _values(events: Sequence[Traits], others: Sequence[Traits]) -> list[tuple[str, str, int, float]]:
    """Return each value of `events` with how many have it, and which part of `others` has (smoothed)."""
    here = Counter(pair for one in events for pair in one.items() if pair[1])
    there = Counter(pair for one in others for pair in one.items() if pair[1])
    return [
        (what, value, count, (there[what, value] + 0.5) / (len(others) + 2.0))
        for (what, value), count in sorted(here.items())
    ]


def _most(found: list[tuple[float, Cause]]) -> list[Cause]:
    """Return the most telling of each sort, and of all a few."""
    best: dict[str, tuple[float, Cause]] = {}
    for one in found:
        if one[1].what not in best or one[0] > best[one[1].what][0]:
            best[one[1].what] = one
    return [cause for _, cause in sorted(best.values(), key=lambda one: -one[0])[:MOST]]


def _log(ratio: float) -> float:
    return math.log(ratio) if ratio > 0 else 0.0
