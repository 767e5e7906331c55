"""This module shares fields out among paths, each to one, so that the scores are best in all."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

_LATER = 1e-7  # what a path costs for each that was told before it


class Scored(Protocol):
    """A path, a field and how well they go together."""

    @property
    def path(self) -> str:
        """Return the path."""
        ...

    @property
    def field(self) -> str:
        """Return the field."""
        ...

    @property
    def score(self) -> float:
        """Return how well they go together, 0 to 1."""
        ...


S = TypeVar("S", bound=Scored)


def assign(suggestions: Sequence[S], min_score: float = 0.60) -> list[S]:
    """
    Return those of `suggestions` that give each path one field and each field one path, the best in all.

    None of them scores less than `min_score`. They stand in the order in which they were given.
    """
    best: dict[tuple[str, str], S] = {}
    for one in suggestions:
        key = (one.path, one.field)
        if one.score >= min_score and (key not in best or one.score > best[key].score):
            best[key] = one
    fields = {field: number for number, field in enumerate(dict.fromkeys(field for _, field in best))}
    paths = {path: number for number, path in enumerate(dict.fromkeys(path for path, _ in best))}
    costs: list[dict[int, float]] = [{} for _ in fields]
    for (path, field), one in best.items():
        # Of equals, the path that was told first.
        costs[fields[field]][paths[path]] = 1 - one.score + paths[path] * _LATER
    chosen = _cheapest(costs, columns=len(paths))
    return [one for (path, field), one in best.items() if chosen[fields[field]] == paths[path]]


def _cheapest(costs: Sequence[Mapping[int, float]], *, columns: int) -> list[int]:
    """
    Return a column for each row so that the costs are least in all.

    The Hungarian method over the few columns that each row names, with prices instead of a matrix: one
    cheapest chain of changes for each row. A row may also go without, at a cost of 1, in a column of its own
    behind the others.
    """
    matching = _Matching([{**line, columns + row: 1.0} for row, line in enumerate(costs)])
    for row in range(len(costs)):
        matching.add(row)
    return matching.columns


class _Search:
    """The columns that a row may come to have, by what the changes up to them cost."""

    def __init__(self) -> None:
        self.so_far = 0.0
        self.done: dict[int, float] = {}
        self.before: dict[int, int] = {}  # the row from which a column is reached
        self._least: dict[int, float] = {}
        self._heap: list[tuple[float, int]] = []

    def offer(self, column: int, cost: float, row: int) -> None:
        """Note that `row` could have `column` for `cost` more than what was paid so far."""
        total = self.so_far + cost
        if column not in self.done and total < self._least.get(column, float("inf")):
            self._least[column] = total
            self.before[column] = row
            heapq.heappush(self._heap, (total, column))

    def nearest(self) -> int:
        """Return the column that costs least and was not looked at yet."""
        while True:
            total, column = heapq.heappop(self._heap)
            if column not in self.done:
                self.so_far = self.done[column] = total
                return column


class _Matching:
    """Which row has which column so far."""

    def __init__(self, costs: Sequence[Mapping[int, float]]) -> None:
        self._costs = costs
        self._price: dict[int, float] = {}  # of columns, never above 0
        self._rows: dict[int, int] = {}  # by column
        self.columns = [-1] * len(costs)

    def add(self, row: int) -> None:
        """Give a column to `row`, and let others change theirs for it."""
        search = _Search()
        while True:
            self._reach(row, search)
            column = search.nearest()
            if column not in self._rows:
                break
            row = self._rows[column]
        for other, reached in search.done.items():
            self._price[other] = self._price.get(other, 0.0) + reached - search.so_far
        self._change(column, search.before)

    def _reach(self, row: int, search: _Search) -> None:
        """Look at what `row` could have instead of its column."""
        costs, own = self._costs[row], self.columns[row]
        paid = costs[own] - self._price.get(own, 0.0) if own >= 0 else 0.0
        for column, cost in costs.items():
            search.offer(column, cost - self._price.get(column, 0.0) - paid, row)

    def _change(self, column: int, before: Mapping[int, int]) -> None:
        while column >= 0:
            row = before[column]
            self._rows[column] = row
            column, self.columns[row] = self.columns[row], column
