"""
This module makes streams of what is watched beside payments: runs of a flow, and calls of a connection.

As in `payment_stream`, each seed is another business, with single wild bins, quiet days and slow growth that
are no troubles, and with troubles that are known.
"""

from __future__ import annotations

import math
import random
from datetime import timedelta
from typing import Any

from monitoring.detection import CONNECTION, FLOW
from tests.benchmarks.payment_stream import APART, BEGINS, PER_DAY, Stream, Trouble

KINDS: dict[str, dict[str, tuple[tuple[float, float], tuple[int, int]]]] = {  # how strong, how many bins long
    FLOW: {
        "flow_silence": ((0.0, 0.0), (4, 14)),
        "run_error_surge": ((8.0, 22.0), (4, 20)),
        "run_lag": ((6.0, 30.0), (6, 24)),
    },
    CONNECTION: {
        "call_error_surge": ((8.0, 22.0), (4, 20)),
        "latency_rise": ((2.0, 4.0), (20, 36)),
        "delivery_lag": ((20.0, 90.0), (6, 24)),
    },
}


def make(seed: int, profile: str, *, size: float, days: int = 60, of_each: int = 8) -> Stream:
    """Return the stream of a seed for a profile of `monitoring.detection`; troubles begin after 8 days."""
    dice = random.Random(f"{profile} {seed} {size}")
    stream = Stream(troubles=_plan(dice, KINDS[profile], days, of_each))
    hour, night = dice.randrange(24), dice.uniform(0.25, 0.5)
    weekend, growth = dice.uniform(0.4, 0.95), dice.uniform(-0.005, 0.03)
    size *= dice.uniform(0.75, 1.3)
    own = {"errors": dice.uniform(0.003, 0.02), "took": dice.uniform(1.0, 6.0), "ms": dice.uniform(150, 650)}
    for index in range(days * PER_DAY):
        at = BEGINS + timedelta(minutes=5 * index)
        shape = night + (1 - night) * (0.5 + 0.5 * math.cos((at.hour - hour) / 12 * math.pi))
        mean = size * shape * (weekend if at.weekday() > 4 else 1.0) * (1 + growth) ** (index / PER_DAY / 7)
        mean *= dice.uniform(1.5, 2.3) if dice.random() < 0.01 else 1.0
        times = {one.kind: one.strength for one in stream.troubles if one.start <= index <= one.end}
        count = _poisson(dice, mean * dice.gammavariate(60.0, 1 / 60.0) * times.get("flow_silence", 1.0))
        load = 1.0 + 0.3 * shape
        row = (
            _runs(dice, own, count, load, times) if profile == FLOW else _calls(dice, own, count, load, times)
        )
        stream.rows.append({"ts": at.isoformat(), **row})
    return stream


def _runs(
    dice: random.Random, own: dict[str, float], count: int, load: float, times: dict[str, float]
) -> dict[str, Any]:
    errors = _poisson(dice, count * own["errors"] * times.get("run_error_surge", 1.0))
    wild = dice.uniform(2.0, 6.0) if dice.random() < 0.01 else 1.0
    took = own["took"] * load * wild * times.get("run_lag", 1.0) * math.exp(dice.gauss(0, 0.25))
    # A lag of minutes is what a person wants to know; one of two seconds is not, whatever it was before.
    return {"runs": count, "run_errors": min(errors, count), "run_s": took if count >= 5 else None}


def _calls(
    dice: random.Random, own: dict[str, float], count: int, load: float, times: dict[str, float]
) -> dict[str, Any]:
    calls = 3 * count
    errors = _poisson(dice, calls * own["errors"] * times.get("call_error_surge", 1.0))
    wild = dice.uniform(1.7, 2.1) if dice.random() < 0.01 else 1.0
    took = own["ms"] * load * wild * times.get("latency_rise", 1.0) * math.exp(dice.gauss(0, 0.14))
    late = 4.0 * times.get("delivery_lag", 1.0) * math.exp(dice.gauss(0, 0.5))
    row = {"calls": calls, "call_errors": min(errors, calls)}
    return row | ({"call_ms": took, "delivery_s": late} if calls >= 5 else {})


def _plan(dice: random.Random, kinds: dict[str, Any], days: int, of_each: int) -> list[Trouble]:
    every = [kind for kind in kinds for _ in range(of_each)]
    dice.shuffle(every)
    room = (days - 8) * PER_DAY - len(every) * APART - 160
    offsets = sorted(dice.randrange(room) for _ in every)
    found = []
    for number, (kind, offset) in enumerate(zip(every, offsets, strict=True)):
        strength, length = kinds[kind]
        start = 8 * PER_DAY + offset + number * APART
        found.append(Trouble(kind, start, start + dice.randint(*length) - 1, dice.uniform(*strength)))
    return found


def _poisson(dice: random.Random, mean: float) -> int:
    if mean > 60:
        return max(0, round(dice.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), dice.random(), 0
    while product > limit:
        product, count = product * dice.random(), count + 1
    return count
