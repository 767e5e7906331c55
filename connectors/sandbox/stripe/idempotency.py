"""This module keeps the answers to idempotent requests for a day."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = 86_400
LONGEST = 255


@dataclass(slots=True)
class Kept:
    """What the first request with a key asked, and how it was answered (status 0: not yet)."""

    asked: tuple[str, dict[str, Any]]
    request_id: str
    since: float
    status: int = 0
    body: bytes = b""


class Idempotency:
    """The keys of one account, by mode (https://docs.stripe.com/api/idempotent_requests)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[tuple[bool, str], Kept] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, livemode: bool, key: str, *, asked: tuple[str, dict[str, Any]], request_id: str) -> Kept:
        """
        Return what is kept for the key: a former answer (its status is set), or a new place for this one.

        :raises ApiError: 400 idempotency_error for other parameters, 409 while the first request still runs
        """
        if len(key) > LONGEST:
            raise ApiError(400, f"Idempotency keys can be at most {LONGEST} characters long.")
        self._expire()
        kept = self._kept.get((livemode, key))
        if kept is None:
            kept = self._kept[livemode, key] = Kept(asked, request_id, self._clock())
            return kept
        if kept.asked != asked:
            raise ApiError(
                400,
                "Keys for idempotent requests can only be used with the same parameters they were first "
                "used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request.",
                kind="idempotency_error",
            )
        if not kept.status:
            raise ApiError(
                409,
                "There is currently another in-progress request using this Idempotent Key (that probably "
                "means you "
                f"submitted twice, and the other request is still going through): {key}. Please try again "
                "later.",
                kind="idempotency_error",
                code="idempotency_key_in_use",
            )
        return kept

    def forget(self, livemode: bool, key: str) -> None:
        """Drop the key: the work had not begun, so the same key may be used again."""
        self._kept.pop((livemode, key), None)

    def clear(self) -> None:
        """Forget every key."""
        self._kept.clear()

    def _expire(self) -> None:
        """Drop what is older than a day; the oldest come first."""
        limit = self._clock() - DAY
        for name in [name for name, kept in islice(self._kept.items(), 100) if kept.since <= limit]:
            del self._kept[name]
