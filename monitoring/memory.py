"""This module remembers what dear questions were answered, until something about them has changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

ASK_AGAIN = timedelta(minutes=1)

T = TypeVar("T")


class Memory:
    """What was found when it was last asked, with the token that told whether asking again is needed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, datetime, Any]] = {}

    def ask(
        self, name: str, *, token: object, now: datetime, find: Callable[[], T], every: timedelta = ASK_AGAIN
    ) -> T:
        """Return what `find` found, anew if `token` is another than before or `every` has passed."""
        known = self._known.get(name)
        if known is not None and known[0] == token and now - known[1] < every:
            found: T = known[2]
            return found
        found = find()
        self._known[name] = (token, now, found)
        return found
