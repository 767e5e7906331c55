"""
This module watches counts that are shares of others: failures, refunds, disputes, duplicates, errors.

Windows of 1, 3, 6 and 12 bins find what is sudden; sums of evidence (CUSUM) find what is slow or rare. It
is pure.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from monitoring.detection.bins import PER_DAY, State
from monitoring.detection.catalogue import Share
from monitoring.detection.counts import band, evidence, surprise

WINDOWS = (1, 3, 6, 12)
LEARNS = 2 * PER_DAY  # bins, before a share is judged: it may be watched only since yesterday
Z_ON = 4.4
Z_STILL = 2.5  # as surprising as this, an incident goes on
LEAST_EVENTS = 4
FORGETS = 0.5 ** (1 / 2880)  # half of what is known is ten days old
DISPERSION = 1.1
LEAST_TOLD = 0.05  # fewer would read as 0.0, and a thousand times as many


class Look(NamedTuple):
    """What a bin shows: whether it is `unusual`, or at least enough for an incident to go on."""

    unusual: bool
    lasts: bool
    kind: str = ""
    z: float = 0.0
    observed: float = 0.0
    expected: float = 0.0
    lo: float = 0.0
    hi: float = 0.0
    reason: str = ""


NOTHING = Look(unusual=False, lasts=False)


def fresh(share: Share) -> State:
    """Return the state of a share of which nothing is known."""
    return {"x": 1.0, "n": 1.0 / share.usual, "sums": [0.0 for _ in share.surges], "ring": [], "bins": 0}


def rate(state: State) -> float:
    """Return the share that is usual."""
    return float(state["x"] / state["n"])


def without_evidence(state: State) -> State:
    """Return the state that knows what is usual, and nothing of the last bins."""
    return {**state, "sums": [0.0 for _ in state["sums"]], "ring": []}


def look(state: State, share: Share, count: float, exposure: float, *, extra: float) -> tuple[State, Look]:
    """Return the state after a bin with `count` events among `exposure`, and what it shows."""
    usually = rate(state)
    mean = usually * exposure
    known = DISPERSION * (1.0 + 12 * mean / state["x"])
    stricter = ((Z_ON + extra) / Z_ON) ** 2
    sums = [
        min(max(0.0, total + evidence(count, mean, times, DISPERSION)), 1.5 * limit * stricter)
        for total, (times, limit) in zip(state["sums"], share.surges, strict=True)
    ]
    ring = [*state["ring"][-11:], [count, exposure]]
    best = (0.0, 0.0, 0.0)
    lasts = False
    for window in WINDOWS:
        seen = sum(one[0] for one in ring[-window:])
        usual = usually * sum(one[1] for one in ring[-window:])
        z = surprise(seen, usual, known)
        lasts = lasts or (z >= Z_STILL and seen >= 2)
        if seen >= LEAST_EVENTS and seen >= share.gate * usual and z > best[0]:
            best = (z, seen, usual)
    surge = next((i for i, (_, limit) in enumerate(share.surges) if sums[i] >= limit * stricter), None)
    lasts = lasts or any(total >= 0.5 * limit for total, (_, limit) in zip(sums, share.surges, strict=True))
    bins = state.get("bins", LEARNS)  # a state of a version before this knew its shares
    after = {**state, "sums": sums, "ring": ring, "bins": bins + 1}
    if bins < LEARNS:
        return {**without_evidence(after), "ring": ring}, NOTHING
    if best[0] >= Z_ON + extra:
        return after, _found(share, share.kind, best)
    if surge is not None:
        return after, _found(share, share.kind_of(surge), _since(ring, usually, sums[surge]))
    return after, Look(unusual=False, lasts=lasts)


def learn(state: State, count: float, exposure: float) -> State:
    """Return the state that knows this usual bin, too; a single wild one does not count in full."""
    mean = state["x"] / state["n"] * exposure
    kept = min(count, mean + 4.0 * math.sqrt(mean) + 1.0)
    return {**state, "x": state["x"] * FORGETS + kept, "n": state["n"] * FORGETS + exposure}


def _since(ring: list[list[float]], rate: float, total: float) -> tuple[float, float, float]:
    seen, usual = sum(one[0] for one in ring), rate * sum(one[1] for one in ring)
    return math.sqrt(2.0 * total), seen, usual


def _found(share: Share, kind: str, best: tuple[float, float, float]) -> Look:
    z, seen, usual = best
    lo, hi = band(usual, DISPERSION)
    if usual < LEAST_TOLD:
        than = "hardly any are usual."
    else:
        than = f"about {usual:,.1f} are usual, {seen / usual:,.1f} times as many."
    return Look(True, True, kind, z, seen, usual, lo, hi, f"{seen:,.0f} {share.words} where {than}")
