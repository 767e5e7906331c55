"""This module knows how many records share a value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Frequencies:
    """How many records have a term, see `flows.matching.keys.terms`; one that is not told has at most one."""

    counts: Mapping[int, int] = field(default_factory=dict)

    def of(self, term: int) -> int:
        """Return how many records have `term`, at least one."""
        return max(1, self.counts.get(term, 1))

    def commonness(self, terms: Iterable[int]) -> float:
        """
        Return how common the rarest of `terms` is, as the binary logarithm of the records that have it.

        It is 0 for what only one record has, however many records there are: what a shared value says depends
        on how many strangers are expected to share it, and those are counted.
        """
        return math.log2(min(map(self.of, terms), default=1))
