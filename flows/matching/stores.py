"""This module says what finding needs of a place with known customers, and is such a place in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from flows.matching.frequencies import Frequencies
from flows.matching.keys import block_keys, terms
from flows.matching.records import Normalised

Shared = Mapping[int, Collection[str]]  # keys -> the ids of the records that have them


class Store(Protocol):
    """
    The known customers.

    A database keeps two tables: one row for each key of each record, indexed by the key (a signed 64-bit
    integer), and one row for each key or term with the number of records that have it, so that no large block
    is ever read.
    """

    def sharing(self, keys: Collection[int], *, at_most: int) -> Shared:
        """Return the records that have each of `keys`, without keys that more than `at_most` records have."""

    def records(self, ids: Collection[str]) -> Mapping[str, Normalised]:
        """Return the records of `ids`, without those that are gone."""

    def frequencies(self, terms: Collection[int]) -> Frequencies:
        """Return how many records have each of `terms`."""


class InMemoryStore:
    """A store for tests, measurements and a few thousand customers."""

    def __init__(self) -> None:
        self._records: dict[str, Normalised] = {}
        self._blocks: dict[int, set[str]] = {}
        self._counts: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._records)

    def add(self, id: str, norm: Normalised) -> None:
        """Keep `norm` under `id`, in place of what was kept under it."""
        self.remove(id)
        self._records[id] = norm
        for key in block_keys(norm):
            self._blocks.setdefault(key, set()).add(id)
        for term in terms(norm):
            self._counts[term] = self._counts.get(term, 0) + 1

    def remove(self, id: str) -> None:
        """Forget the record of `id`; one that is not known is forgotten already."""
        norm = self._records.pop(id, None)
        if norm is None:
            return
        for key in block_keys(norm):
            self._blocks[key].discard(id)
            if not self._blocks[key]:
                del self._blocks[key]
        for term in terms(norm):
            self._counts[term] -= 1
            if not self._counts[term]:
                del self._counts[term]

    def sharing(self, keys: Collection[int], *, at_most: int) -> Shared:
        """Return the records that have each of `keys`, without keys that more than `at_most` records have."""
        blocks = ((key, self._blocks.get(key, ())) for key in keys)
        return {key: block for key, block in blocks if 0 < len(block) <= at_most}

    def records(self, ids: Collection[str]) -> Mapping[str, Normalised]:
        """Return the records of `ids`, without those that are gone."""
        return {id: self._records[id] for id in ids if id in self._records}

    def frequencies(self, terms: Collection[int]) -> Frequencies:
        """Return how many records have each of `terms`."""
        return Frequencies({term: self._counts[term] for term in terms if term in self._counts})
