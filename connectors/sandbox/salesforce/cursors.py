"""This module keeps the answers of queries that are fetched page by page."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CURSORS_KEPT = 10  # a real org keeps as many for each user


@dataclass(frozen=True, slots=True)
class Cursor:
    """A query's whole answer, of which the pages are cut."""

    records: Sequence[Any]
    batch: int
    render: Callable[[Any], dict[str, Any]]


@dataclass(slots=True)
class Cursors:
    """The open query cursors; the oldest gives way."""

    made: int = 0
    open: OrderedDict[str, Cursor] = field(default_factory=OrderedDict)

    def keep(self, cursor: Cursor) -> str:
        """Return the locator under which the next pages are found."""
        self.made += 1
        locator = new_id("0r8", self.made)
        self.open[locator] = cursor
        if len(self.open) > CURSORS_KEPT:
            self.open.popitem(last=False)
        return locator
