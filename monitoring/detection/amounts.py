"""
This module judges amounts: each charge against what its customer usually pays, in one currency.

A bin's largest amount alone says little, since one business may have customers of all sizes. It is pure.
"""

from __future__ import annotations

import math
from statistics import median
from typing import NamedTuple

from monitoring.detection.bins import State
from monitoring.detection.counts import normal_quantile, upper_tail
from monitoring.detection.shares import NOTHING, Look

KEPT = 40  # charges of a customer
ENOUGH = 5  # charges, before a customer's own history is believed
LEAST_SPREAD = 0.25  # of logarithms; prices that never change would make each change an outlier
LEAST_TIMES = math.log(8.0)
Z_ON = 5.0
MOST_LIKELY = 5e-5  # how likely a bin's largest amount may be, to be told
ENOUGH_BINS = 576
LEARNS_OVER = 4000  # bins
TAIL = 0.1


class Score(NamedTuple):
    """How far an amount is from the usual ones, in standard deviations, and the usual one."""

    z: float
    usual: float
    unusual: bool


def score_amount(history: list[float], amount: float) -> tuple[list[float], Score]:
    """
    Return the history with `amount`, and how it compares with those before.

    `history` holds the logarithms of what the same customer (or price) paid in the same currency, the
    newest last; begin with an empty one. What is unusual is not kept, unless it comes again. Amounts are
    major or minor units, always the same; such as are not positive are passed over.
    """
    if amount <= 0:
        return history, Score(0.0, 0.0, unusual=False)
    told = math.log(amount)
    after = [*history[-(KEPT - 1) :], round(told, 4)]
    if len(history) < ENOUGH:
        return after, Score(0.0, amount, unusual=False)
    middle = median(history)
    over = told - middle
    if abs(over) <= LEAST_TIMES:  # the usual case, and cheap
        return after, Score(over / LEAST_SPREAD, math.exp(middle), unusual=False)
    spread = max(1.4826 * median(abs(one - middle) for one in history), LEAST_SPREAD)
    z = over / spread / math.sqrt(1.0 + 4.0 / len(history))
    return after, Score(z, math.exp(middle), unusual=z >= Z_ON)


def fresh() -> State:
    """Return the state of largest amounts of which none is known."""
    return {"bins": 0, "mean": 0.0, "square": 0.0, "top": 0.0, "spread": 0.0, "share": TAIL, "excess": 1.0}


def look(state: State, largest: float, count: float, *, extra: float) -> tuple[State, Look]:
    """
    Return the state after a bin of `count` charges with its `largest` amount, and what it shows.

    Amounts are taken to be log-normal; their middle and width follow from the largest ones, since the
    largest of so many lies a known number of widths above the middle (Blom's formula). How much heavier or
    lighter their tail is, is measured: of what is beyond a likelihood of TAIL, the share and how far.
    """
    if largest <= 0 or count < 1:
        return state, NOTHING
    told = math.log(largest)
    top = normal_quantile((count - 0.375) / (count + 0.25)) if count > 1 else 0.0
    spread = 0.84 * count**-0.15  # deviation of the largest of `count` standard normals, within 3 %
    after = _learn(state, told, top, spread)
    if state["bins"] < ENOUGH_BINS:
        return after, NOTHING
    width = _deviation(state) / state["spread"]
    middle = state["mean"] - width * state["top"]
    excess = math.log(TAIL / max(count * upper_tail((told - middle) / width), 1e-300))
    likely = state["share"] * math.exp(-excess / state["excess"])
    after["share"] += (float(excess > 0) - after["share"]) / LEARNS_OVER
    if excess > 0:
        after["excess"] = max(after["excess"] + (min(excess, 5.0) - after["excess"]) / 150, 0.5)
    if excess <= 0 or likely >= MOST_LIKELY * 10.0**-extra:
        return after, NOTHING
    usual = math.exp(middle + width * top)
    hi = usual * math.exp(4 * width * spread)
    z = (told - middle - width * top) / width / spread
    reason = f"A charge of {largest:,.2f} came where the largest is usually about {usual:,.2f}."
    return after, Look(True, True, "amount_outlier", z, largest, usual, 0.0, hi, reason)


def _learn(state: State, told: float, top: float, spread: float) -> State:
    bins = state["bins"] + 1
    pace = 1.0 / min(bins, LEARNS_OVER)
    if bins > 50:  # what is wild does not make the wild usual
        reach = 3.5 * _deviation(state)
        told = min(max(told, state["mean"] - reach), state["mean"] + reach)
    new = {"mean": told, "square": told * told, "top": top, "spread": spread}
    return {
        **state,
        "bins": bins,
        **{name: state[name] + pace * (value - state[name]) for name, value in new.items()},
    }


def _deviation(state: State) -> float:
    return math.sqrt(max(state["square"] - state["mean"] ** 2, 0.01))
