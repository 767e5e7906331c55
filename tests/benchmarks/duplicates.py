"""This module measures how well known customers are found again among many, and how fast (D)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from flows.matching import Candidate, Decision, InMemoryStore, Kind, Policy, find, normalise
from tests.benchmarks import known as known_customers
from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.lookalikes import Asked as Question
from tests.benchmarks.lookalikes import Customer, World
from tests.benchmarks.tables import Table

QUESTIONS = 4_000
SEED = 20_261_130
POLICY = Policy(automatic=True)
EVERYTHING = replace(POLICY, review=-1_000.0)

COLUMNS = {
    "f1": ("F1 at its best", ".3f"),
    "precision": ("merged rightly", ".4f"),
    "auto": ("duplicates merged", ".3f"),
    "recall": ("merged or shown", ".3f"),
    "review": ("% reviewed", ".1f"),
    "p50": ("p50 ms", ".1f"),
    "p95": ("p95 ms", ".1f"),
    "p99": ("p99 ms", ".1f"),
    "index": ("ms to index one", ".2f"),
}


@dataclass
class Answers:
    """What was answered, beside the truth."""

    best: list[tuple[float, bool]] = field(default_factory=list)  # score of the first one, whether right
    merged: list[bool] = field(default_factory=list)  # whether rightly
    shown: list[bool] = field(default_factory=list)  # whether the right one was among the shown
    costs: list[float] = field(default_factory=list)  # ms of processor time
    duplicates: int = 0

    def add(self, decision: Decision, first: Candidate | None, truth: str) -> None:
        """Keep what was decided, and the first candidate whatever its score."""
        self.duplicates += bool(truth)
        if first is not None:
            self.best.append((first.score, first.id == truth))
        if decision.kind == Kind.AUTO:
            self.merged.append(decision.candidates[0].id == truth)
        elif decision.kind == Kind.REVIEW:
            self.shown.append(bool(truth) and truth in [candidate.id for candidate in decision.candidates])

    def figures(self) -> dict[str, float]:
        """Return the figures by their names."""
        costs = sorted(self.costs)
        return {
            "f1": self._best_f1(),
            "precision": sum(self.merged) / max(1, len(self.merged)),
            "auto": sum(self.merged) / self.duplicates,
            "recall": (sum(self.merged) + sum(self.shown)) / self.duplicates,
            "review": 100 * len(self.shown) / len(costs),
            **{f"p{share}": costs[len(costs) * share // 100] for share in (50, 95, 99)},
        }

    def _best_f1(self) -> float:
        """Return the F1 of calling the first candidate the same from the best threshold on."""
        right, best = 0, 0.0
        for called, (_, is_right) in enumerate(sorted(self.best, reverse=True), start=1):
            right += is_right
            best = max(best, 2 * right / (called + self.duplicates))
        return best


def measure(*, known: Sequence[Customer], questions: Sequence[Question]) -> dict[str, float]:
    """Keep the `known` customers in memory, ask for each of `questions`, and return the figures."""
    began = time.process_time()
    store = InMemoryStore()
    for customer in known:
        store.add(customer["id"], normalise(customer))
    index = (time.process_time() - began) / len(known) * 1e3
    answers = Answers()
    for customer, truth, _ in questions:
        began = time.process_time()
        decision = find(normalise(customer), store, policy=POLICY)
        answers.costs.append((time.process_time() - began) * 1e3)
        everything = find(normalise(customer), store, policy=EVERYTHING)
        answers.add(decision, next(iter(everything.candidates), None), truth)
    return answers.figures() | {"index": index}


def report(asked: Asked) -> Measured:
    """Measure with customers made anew in each round, and gather the figures; or in the database."""
    if asked.store == "database":
        return known_customers.report(asked, questions=QUESTIONS, seed=SEED)
    table = Table(f"duplicates among {asked.known:,} customers", COLUMNS)
    for number in range(asked.rounds):
        world = World(SEED + number)
        known = list(world.customers(asked.known))
        table.add("own engine", measure(known=known, questions=list(world.asked(known, QUESTIONS))))
    figures = {f"D.{name}": table.figure("own engine", name) for name in COLUMNS}
    return Measured([table], figures if asked.known >= known_customers.AMONG else {})
