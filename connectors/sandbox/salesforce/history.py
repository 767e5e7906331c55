"""This module remembers every write of every record, so that a checker can prove their order."""

from __future__ import annotations

import itertools
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

KEPT = 50_000  # some 70 MB when every write fills twenty fields


@dataclass(slots=True)
class Flight:
    """One HTTP call on its way: from its arrival to the last byte of its answer."""

    id: int
    arrived: float  # seconds, monotonic
    wall: float  # seconds since the epoch
    answered: float | None = None
    abandoned: bool = False  # the client was gone before the answer
    client: str = ""
    origin: str = ""  # the API and its client, as change events name them

    def overlaps(self, later: Flight) -> bool:
        """Say whether this call was still on its way when the `later` one had arrived."""
        return self is not later and (self.answered is None or self.answered > later.arrived)


@dataclass(slots=True)
class Write:
    """One change of one record: what was sent and by which call."""

    number: int
    flight: Flight
    action: str  # create, update, delete
    object: str
    id: str
    external_id: str | None
    values: dict[str, Any]
    at: float

    def as_json(self) -> dict[str, Any]:
        """Return the write as a JSON object; times are seconds since the epoch."""
        flight = self.flight
        answered = None if flight.answered is None else flight.wall + flight.answered - flight.arrived
        return {
            "number": self.number,
            "call": flight.id,
            "client": flight.client,
            "action": self.action,
            "object": self.object,
            "id": self.id,
            "external_id": self.external_id,
            "values": self.values,
            "arrived": flight.wall,
            "at": self.at,
            "answered": answered,
            "abandoned": flight.abandoned,
        }


@dataclass(slots=True)
class History:
    """
    The last writes in the order they took effect, and counts over all of them.

    Two writes of one record overlap if the second call arrived before the first was answered; the client
    had two of them on the way at once.
    """

    kept: int = KEPT
    _writes: deque[Write] = field(init=False)
    _overlaps: list[tuple[Write, Write]] = field(init=False, default_factory=list)
    _counts: Counter[str] = field(init=False, default_factory=Counter)
    _numbers: itertools.count[int] = field(init=False, default_factory=lambda: itertools.count(1))
    _flights: itertools.count[int] = field(init=False, default_factory=lambda: itertools.count(1))
    overlapped: int = 0

    def __post_init__(self) -> None:
        self._writes = deque(maxlen=self.kept)

    def take_off(self) -> Flight:
        """Return the flight of a call that has just arrived."""
        return Flight(next(self._flights), time.perf_counter(), time.time())

    def add(
        self,
        flight: Flight,
        action: str,
        object_: str,
        id18: str,
        *,
        external_id: str | None,
        values: dict[str, Any],
        before: Write | None,
    ) -> Write:
        """Remember one write; `before` is the record's last one."""
        write = Write(next(self._numbers), flight, action, object_, id18, external_id, values, time.time())
        self._writes.append(write)
        self._counts[f"{object_} {action}"] += 1
        if before is not None and before.flight.overlaps(flight):
            self.overlapped += 1
            if len(self._overlaps) < 1_000:
                self._overlaps.append((before, write))
        return write

    def writes(
        self, *, object_: str = "", external_id: str = "", id18: str = "", since: int = 0
    ) -> list[Write]:
        """Return the remembered writes after number `since`, oldest first."""
        return [
            write
            for write in self._writes
            if write.number > since
            and object_ in {"", write.object}
            and external_id in {"", write.external_id}
            and id18 in {"", write.id}
        ]

    def overlaps(self) -> list[dict[str, Any]]:
        """Return the first thousand pairs of writes that overlapped."""
        return [{"first": first.as_json(), "second": second.as_json()} for first, second in self._overlaps]

    def counts(self) -> dict[str, int]:
        """Return how many writes there were, by object and action."""
        return dict(self._counts)
