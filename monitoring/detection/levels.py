"""
This module watches measures such as how long calls take, against the usual of the hour. It is pure.
"""

from __future__ import annotations

import math

from monitoring.detection.bins import PER_DAY, State
from monitoring.detection.catalogue import Level
from monitoring.detection.shares import NOTHING, Look

SLOWEST_LEARNING = 1 / 60
LEAST_TIMES, PLAINLY = math.log(1.5), math.log(2.7)
Z_ON = 3.5  # of each of three bins out of four, since single bins go wild
ENOUGH = PER_DAY  # bins in which it was measured, before it is judged
KNOWN = 6  # bins of an hour of the day, before the hour is believed


def fresh() -> State:
    """Return the state in which nothing is known."""
    return {"hours": [None] * 24, "counts": [0] * 24, "spread": 0.2, "ring": [], "all": None}


def look(state: State, level: Level, value: float, hour: int, *, extra: float) -> tuple[State, Look]:
    """Return the state after a bin with `value`, in the level's unit, and what it shows."""
    usual = _usual(state, hour)
    value = max(value, level.floor)
    if usual is None or value <= 0:
        return state, NOTHING
    if sum(state["counts"]) < ENOUGH:
        return state, NOTHING
    over = math.log(value) - usual
    ring = [*state["ring"][-3:], over if value >= level.least else min(over, 0.0)]
    high = max(LEAST_TIMES, (Z_ON + extra) * state["spread"])
    times = sum(one > high for one in ring)
    unusual = ring[-1] > high and (times >= 3 or (len(ring) > 1 and min(ring[-2:]) > max(PLAINLY, high)))
    after = {**state, "ring": ring}
    if not unusual:
        return after, Look(unusual=False, lasts=times >= 2)
    expected, lo, hi = _reach(usual, state["spread"])
    reason = f"{level.words} {value:,.0f} {level.unit} where about {expected:,.0f} are usual at this hour."
    return after, Look(True, True, level.kind, over / state["spread"], value, expected, lo, hi, reason)


def learn(state: State, level: Level, value: float, hour: int) -> State:
    """Return the state that knows this usual bin, too."""
    value = max(value, level.floor)
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


def expected(state: State, hour: int) -> tuple[float, float, float] | None:
    """Return the value that is usual at an hour of the day, and between which nearly all should lie."""
    usual = _usual(state, hour)
    return None if usual is None else _reach(usual, state["spread"])


def _usual(state: State, hour: int) -> float | None:
    found: float | None = state["hours"][hour] if state["counts"][hour] >= KNOWN else state["all"]
    return found


def _reach(usual: float, spread: float) -> tuple[float, float, float]:
    mean = math.exp(usual)
    return mean, mean * math.exp(-3.0 * spread), mean * math.exp(3.0 * spread)
