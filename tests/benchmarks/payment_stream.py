"""
This module makes streams of payments in bins of five minutes, with troubles in them that are known.

Each seed is another business: another day, week, size, growth and other rates. Promotions and holidays
(whole days), a monthly billing run, single wild bins and a wandering level are no troubles.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

PER_DAY = 288
BEGINS = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
USUAL_SIZE, LOW_SIZE = 24.0, 5.0  # charges in a bin
KINDS: dict[str, tuple[tuple[float, float], tuple[int, int]]] = {  # how strong, and how many bins long
    "volume_drop": ((0.35, 0.55), (14, 36)),
    "volume_spike": ((2.4, 3.2), (10, 22)),
    "failed_spike": ((5.0, 9.0), (10, 24)),
    "slow_fail_drift": ((2.6, 3.4), (90, 150)),
    "refund_surge": ((6.0, 9.0), (15, 30)),
    "dispute_wave": ((18.0, 30.0), (40, 90)),
    "dup_surge": ((6.0, 30.0), (12, 20)),
    "call_error_surge": ((8.0, 22.0), (4, 20)),
    "latency_rise": ((2.0, 4.0), (20, 36)),
    "outage": ((0.0, 0.0), (4, 12)),
    "amount_outlier": ((25.0, 80.0), (1, 1)),
}
APART = 150  # bins between the starts of two troubles, at the least


@dataclass(frozen=True)
class Trouble:
    """A trouble from bin `start` to bin `end`, both within it."""

    kind: str
    start: int
    end: int
    strength: float


@dataclass
class Stream:
    """A stream, its troubles, and of each bin the charges as (customer, amount)."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    charges: list[list[tuple[str, float]]] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    benign: dict[int, float] = field(default_factory=dict)  # day: how many times as busy
    billing: tuple[int, int] = (1, 2)  # day of the month and hour


def make(seed: int, *, size: float = USUAL_SIZE, days: int = 60, first: int = 8, of_each: int = 4) -> Stream:
    """Return the stream of a seed; troubles begin after `first` days."""
    maker = _Maker(random.Random(f"payments {seed} {size}"), size, days)
    maker.plan(first, of_each)
    for index in range(days * PER_DAY):
        maker.add(index)
    return maker.stream


class _Maker:
    def __init__(self, dice: random.Random, size: float, days: int) -> None:
        self.dice, self.days, self.stream = dice, days, Stream()
        self.size = size * dice.uniform(0.75, 1.3)
        opens, steep = dice.randrange(24), dice.random() < 0.5
        night = dice.uniform(0.3, 0.5)
        shape = [self._hour((hour - opens) % 24, night, steep) for hour in range(24)]
        week = [dice.uniform(0.92, 1.1) for _ in range(5)] + [dice.uniform(0.6, 0.95) for _ in range(2)]
        mean = sum(shape) / 24 * sum(week) / 7
        self.usual = [level * hour / mean for level in week for hour in shape]
        self.growth = dice.uniform(-0.005, 0.03)  # a week
        self.rates = {
            "failed": dice.uniform(0.03, 0.06), "refunds": dice.uniform(0.009, 0.018),
            "disputes": dice.uniform(0.0006, 0.0014), "dup_events": dice.uniform(0.003, 0.006),
        }  # fmt: skip
        self.error_rate = dice.uniform(0.004, 0.009)
        self.latency, self.jitter = dice.uniform(300, 650), dice.uniform(0.11, 0.17)
        self.wander = 0.0
        self.customers = [(dice.gauss(3.2, 1.0), dice.uniform(0.15, 0.5)) for _ in range(600)]

    @staticmethod
    def _hour(since: int, night: float, steep: bool) -> float:
        if steep:
            return 1.0 if since < 8 else max(night, 1.0 - 0.18 * (since - 7))
        return night + (1.0 - night) * (0.5 + 0.5 * math.cos((since - 6) / 24 * 2 * math.pi))

    def plan(self, first: int, of_each: int) -> None:
        """Draw the benign days, the billing run and the troubles, apart from one another."""
        dice, stream = self.dice, self.stream
        days = dice.sample(range(first + 2, self.days), 3)
        stream.benign = dict(zip(days, (dice.uniform(1.7, 2.5), dice.uniform(1.7, 2.5),
                                        dice.uniform(0.45, 0.6)), strict=True))  # fmt: skip
        stream.billing = (1 if dice.random() < 0.75 else dice.randrange(2, 28), dice.randrange(6))
        kinds = [kind for kind in KINDS for _ in range(of_each)]
        dice.shuffle(kinds)
        room = (self.days - first) * PER_DAY - len(kinds) * APART - 160
        offsets = sorted(dice.randrange(room) for _ in kinds)
        for number, (kind, offset) in enumerate(zip(kinds, offsets, strict=True)):
            strength, length = KINDS[kind]
            start = first * PER_DAY + offset + number * APART
            end = start + dice.randint(*length) - 1
            stream.troubles.append(Trouble(kind, start, end, dice.uniform(*strength)))

    def add(self, index: int) -> None:
        """Draw the bin `index`."""
        dice = self.dice
        at = BEGINS + timedelta(minutes=5 * index)
        now = {one.kind: one for one in self.stream.troubles if one.start <= index <= one.end}
        times = {kind: one.strength for kind, one in now.items()}
        charges = self._charges(index, at, times)
        row: dict[str, Any] = {"ts": at.isoformat(), "charges": charges}
        boosts = {
            "failed": times.get("failed_spike", 1.0) * _ramp(now.get("slow_fail_drift"), index),
            "refunds": times.get("refund_surge", 1.0), "disputes": times.get("dispute_wave", 1.0),
            "dup_events": times.get("dup_surge", 1.0),
        }  # fmt: skip
        for name, boost in boosts.items():
            row[name] = self._poisson(charges * min(0.95, self.rates[name] * boost))
        row["calls"] = self._poisson(3.0 * charges + 4.0)
        errors = self._poisson(row["calls"] * self.error_rate * times.get("call_error_surge", 1.0))
        row["call_errors"] = min(errors, row["calls"])
        load = 1.0 + 0.1 * self.usual[at.weekday() * 24 + at.hour]
        wild = dice.uniform(1.7, 2.1) if dice.random() < 0.01 else 1.0
        row["call_ms"] = round(
            self.latency
            * load
            * wild
            * times.get("latency_rise", 1.0)
            * math.exp(dice.gauss(0, self.jitter)),
            1,
        )
        self.stream.rows.append(row)
        self.stream.charges.append(self._amounts(charges, times.get("amount_outlier")))

    def _charges(self, index: int, at: datetime, times: dict[str, float]) -> int:
        dice, (day, hour) = self.dice, self.stream.billing
        self.wander = 0.98 * self.wander + dice.gauss(0, 0.004)
        mean = self.size * self.usual[at.weekday() * 24 + at.hour] * math.exp(self.wander)
        mean *= (1.0 + self.growth) ** (index / PER_DAY / 7) * self.stream.benign.get(index // PER_DAY, 1.0)
        if (at.day, at.hour) == (day, hour):
            mean *= 5.0
        if dice.random() < 0.01:
            mean *= dice.uniform(1.5, 2.3)
        for kind in ("volume_drop", "volume_spike", "outage"):
            mean *= times.get(kind, 1.0)
        return self._poisson(mean * dice.gammavariate(60.0, 1 / 60.0))

    def _amounts(self, charges: int, outlier: float | None) -> list[tuple[str, float]]:
        """Draw who pays how much; a tenth are strangers, who never come back."""
        dice, found = self.dice, []
        for _ in range(charges):
            who = int(len(self.customers) * dice.random() ** 2)
            usual, spread = self.customers[who]
            name = f"cus_{who}"
            if dice.random() < 0.1:
                name, usual, spread = f"cus_new_{dice.random()}", dice.gauss(3.2, 1.0), 0.3
            found.append((name, math.exp(dice.gauss(usual, spread))))
        if outlier and found:
            name, amount = found[0]
            found[0] = (name, amount * outlier)
        return found

    def _poisson(self, mean: float) -> int:
        if mean > 60:
            return max(0, round(self.dice.gauss(mean, math.sqrt(mean))))
        limit, product, count = math.exp(-mean), self.dice.random(), 0
        while product > limit:
            product *= self.dice.random()
            count += 1
        return count


def _ramp(drift: Trouble | None, index: int) -> float:
    if drift is None:
        return 1.0
    return 1.0 + (drift.strength - 1.0) * (index - drift.start + 1) / (drift.end - drift.start + 1)
