"""This module keeps the simulated objects by id in the order of their making."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    Object = dict[str, Any]


class Store:
    """
    Objects of one type, oldest first.

    A list with an index, so that a page deep in a long list costs no more than
    the first; beyond `limit` the oldest are dropped, so that an endless demo
    does not eat the memory.
    """

    def __init__(self, noun: str, *, limit: int = 100_000) -> None:
        self.noun = noun
        self._limit = limit
        self._items: list[Object | None] = []
        self._index: dict[str, int] = {}
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[Object]:
        return (item for item in self._items if item is not None)

    def add(self, item: Object) -> Object:
        """Keep `item` as the newest and return it."""
        self._index[item["id"]] = self._dropped + len(self._items)
        self._items.append(item)
        if len(self._items) > self._limit:
            self._drop(self._limit // 5)
        return item

    def get(self, object_id: str) -> Object | None:
        """Return the object, or None if it is not here."""
        position = self._index.get(object_id)
        return None if position is None else self._items[position - self._dropped]

    def remove(self, object_id: str) -> None:
        """Forget the object; the places of the others stay."""
        self._items[self._index.pop(object_id) - self._dropped] = None

    def older(self, object_id: str = "") -> Iterator[Object]:
        """Return what is older than the object (all, without one), newest first."""
        last = self._index[object_id] - self._dropped if object_id else len(self._items)
        for position in range(last - 1, -1, -1):
            if (item := self._items[position]) is not None:
                yield item

    def newer(self, object_id: str) -> Iterator[Object]:
        """Return what is newer than the object, oldest first."""
        for position in range(self._index[object_id] - self._dropped + 1, len(self._items)):
            if (item := self._items[position]) is not None:
                yield item

    def _drop(self, count: int) -> None:
        for item in self._items[:count]:
            if item is not None:
                del self._index[item["id"]]
        del self._items[:count]
        self._dropped += count
