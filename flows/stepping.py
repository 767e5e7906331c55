"""
This module reads long lists in steps, so that however few of a million rows fit, an answer comes in time.

A list is read from its newest rows on, in stretches of numbers that grow as long as that is quick. When the
time is up it says how far it has come, and the reader decides whether to look further.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Count, Model, QuerySet

from flows.narrowing import Narrowed, Tab
from flows.queries import ends
from integrator.web import LARGEST_ID, Reader, beyond

M = TypeVar("M", bound=Model)

FIRST = 5_000  # numbers in the first stretch
GROWTH = 4
TIME = 0.12  # seconds for a list; what is shown beside it needs time as well
COUNTED = 10_000  # numbers, the newest, among which is counted where no index counts
MOST_COUNTED = 10_000  # past this a number reads "10,000+"


@dataclass(frozen=True, slots=True)
class Stepwise:
    """Reads the rows of a page in steps, between two numbers."""

    low: int = 0
    high: int = LARGEST_ID
    clock: Callable[[], float] = time.monotonic

    def __call__(self, rows: QuerySet[M], start: int, upward: bool, most: int) -> tuple[list[M], int | None]:
        """
        Return up to `most` of `rows` beyond `start`, nearest first, and how far was looked if not to the end.

        That is a number as well: whoever goes on starts from there.
        """
        ids, reached = self._ids(rows, start, upward, most)
        # The numbers alone stand in an index; whole rows, some with long contents, are read to be shown.
        found = rows.in_bulk(ids) if ids else {}
        shown = [found[id] for id in ids if id in found]
        if len(shown) < len(ids) == most:
            reached = ids[-1]  # one has gone on meanwhile; a page that is short of it is not the last
        return shown, reached

    def _ids(self, rows: QuerySet[Any], start: int, upward: bool, most: int) -> tuple[list[int], int | None]:
        lowest, highest = _ends(rows.model, self.low, self.high)
        over, size = self.clock() + TIME, FIRST
        at = max(start, lowest - 1) if upward else min(start, highest + 1)
        ids: list[int] = []
        while at < highest if upward else at > lowest:
            begun = self.clock()
            to = min(at + size, highest) if upward else max(at - size, lowest)
            stretch = rows.filter(pk__gt=at, pk__lte=to) if upward else rows.filter(pk__lt=at, pk__gte=to)
            ordered = stretch.order_by("pk" if upward else "-pk").values_list("pk", flat=True)
            ids += ordered[: most - len(ids)]
            at = to
            if len(ids) >= most:
                return ids, None
            now = self.clock()
            # As many more as the time that is left is enough for, if they take as long as these did.
            size = int(min(GROWTH * size, size * (over - now) / max(now - begun, 0.000_1)))
            if size < FIRST // 10:
                break
        return ids, at if (at < highest if upward else at > lowest) else None


def _ends(model: type[Model], low: int, high: int) -> tuple[int, int]:
    lowest, highest = ends(model)
    return max(lowest, low), min(highest, high)


def reader(narrowed: Narrowed[M], *, indexed: bool) -> Reader[M]:
    """Return what reads a page of `narrowed`: at once if an index leads to its rows, otherwise in steps."""
    return beyond if indexed else Stepwise(narrowed.low, narrowed.high)


@dataclass(frozen=True, slots=True)
class Counted:
    """A tab with its number, at most one more than MOST_COUNTED; `partial` if there may be more of it."""

    tab: Tab
    number: int
    partial: bool = False


def counts(narrowed: Narrowed[Any], tabs: Sequence[Tab], *, indexed: Collection[str]) -> list[Counted]:
    """
    Return how many of the rows stand under each tab.

    Those that are `indexed` are counted by their index, all others among the newest rows of the table.
    """
    rows, others = narrowed.rows, [tab for tab in tabs if tab.key not in indexed]
    counted = {tab.key: _counted(narrowed, tab) for tab in tabs if tab.key in indexed}
    if others:
        lowest, highest = _ends(rows.model, narrowed.low, narrowed.high)
        floor = max(highest - COUNTED, lowest - 1)
        among = rows.filter(pk__gt=floor, pk__lte=highest).order_by()
        told = among.aggregate(
            **{f"tab_{place}": Count("pk", filter=tab.condition) for place, tab in enumerate(others)}
        )
        for place, tab in enumerate(others):
            number = told[f"tab_{place}"]
            partial = floor >= lowest and number <= MOST_COUNTED
            counted[tab.key] = Counted(tab, min(number, MOST_COUNTED + 1), partial)
    return [counted[tab.key] for tab in tabs]


def _counted(narrowed: Narrowed[Any], tab: Tab) -> Counted:
    rows = narrowed.rows.filter(tab.condition)
    if (narrowed.low, narrowed.high) != (0, LARGEST_ID):
        rows = rows.filter(pk__gte=narrowed.low, pk__lte=narrowed.high)
    return Counted(tab, rows.order_by()[: MOST_COUNTED + 1].count())
