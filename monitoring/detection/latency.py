"""This module watches how long Salesforce takes to answer, against the usual of the hour. It is pure."""

from __future__ import annotations

import math

from monitoring.detection.bins import State
from monitoring.detection.shares import NOTHING, Look

SLOWEST_LEARNING = 1 / 60
LEAST_TIMES, PLAINLY = math.log(1.5), math.log(2.7)
Z_ON = 3.5  # of each of three bins out of four, since single bins go wild


def fresh() -> State:
    """Return the state in which nothing is known."""
    return {"hours": [None] * 24, "counts": [0] * 24, "spread": 0.2, "ring": [], "all": None}


def look(state: State, value: float, hour: int, *, extra: float) -> tuple[State, Look]:
    """Return the state after a bin whose 95th percentile was `value` ms, and what it shows."""
    usual = state["hours"][hour] if state["counts"][hour] >= 6 else state["all"]
    if usual is None or value <= 0:
        return state, NOTHING
    over = math.log(value) - usual
    ring = [*state["ring"][-3:], over]
    high = max(LEAST_TIMES, (Z_ON + extra) * state["spread"])
    times = sum(one > high for one in ring)
    unusual = over > high and (times >= 3 or (len(ring) > 1 and min(ring[-2:]) > PLAINLY))
    after = {**state, "ring": ring}
    if not unusual:
        return after, Look(unusual=False, lasts=times >= 2)
    expected = math.exp(usual)
    lo, hi = (expected * math.exp(sign * 3.0 * state["spread"]) for sign in (-1, 1))
    reason = f"Salesforce takes {value:,.0f} ms where about {expected:,.0f} ms are usual at this hour."
    return after, Look(True, True, "latency_rise", over / state["spread"], value, expected, lo, hi, reason)


def learn(state: State, value: float, hour: int) -> State:
    """Return the state that knows this usual bin, too."""
    if value <= 0:
        return state
    told = math.log(value)
    hours, counts = [*state["hours"]], [*state["counts"]]
    known = hours[hour] if hours[hour] is not None else told
    pace = max(SLOWEST_LEARNING, 1 / (counts[hour] + 1))
    off = min(max(told - known, -0.4), 0.4)
    hours[hour], counts[hour] = known + pace * off, counts[hour] + 1
    general = told if state["all"] is None else state["all"] + 0.02 * min(max(told - state["all"], -0.4), 0.4)
    spread = state["spread"]
    kept = min(off * off, 9.0 * spread * spread)
    spread = math.sqrt(max(spread * spread + (kept - spread * spread) / 400, 0.0025))
    return {**state, "hours": hours, "counts": counts, "all": general, "spread": spread}
