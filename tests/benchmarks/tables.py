"""This module gathers the figures of several rounds and shows their medians."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

Figures = Mapping[str, float]

# What must not happen even once is not helped by a median.
WORST = frozenset({"refused", "lost", "wrong", "doubled", "broken", "unlisted"})


@dataclass
class Table:
    """One row for each contender, one column for each figure: medians, but the worst of what must not be."""

    title: str
    columns: Mapping[str, tuple[str, str]]  # by figure: the heading, and how to write it (",.0f")
    rounds: dict[str, list[Figures]] = field(default_factory=dict)

    def add(self, contender: str, figures: Figures) -> None:
        """Keep one round of a contender, and print it."""
        self.rounds.setdefault(contender, []).append(figures)
        told = ", ".join(
            f"{head} {self._written(name, figures)}"
            for name, (head, _) in self.columns.items()
            if name in figures
        )
        print(f"  round {len(self.rounds[contender])}: {contender}: {told}", flush=True)

    def figure(self, contender: str, name: str) -> float:
        """Return the median of a contender's rounds, or their worst; NaN where there is none."""
        known = [figures[name] for figures in self.rounds.get(contender, ()) if name in figures]
        if not known:
            return math.nan
        return max(known) if name in WORST else statistics.median(known)

    def spread(self, contender: str, name: str) -> tuple[float, float]:
        """Return the lowest and the highest of a contender's rounds."""
        known = [figures[name] for figures in self.rounds[contender]]
        return min(known), max(known)

    def __str__(self) -> str:
        heads = [head for head, _ in self.columns.values()]
        lines = [f"| {self.title} | {' | '.join(heads)} |", "| --- " * (len(heads) + 1) + "|"]
        for contender in self.rounds:
            medians = {name: self.figure(contender, name) for name in self.columns}
            cells = [self._written(name, medians) for name in self.columns]
            lines.append(f"| {contender} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def _written(self, name: str, figures: Figures) -> str:
        value = figures.get(name, math.nan)
        return "" if math.isnan(value) else format(value, self.columns[name][1])
