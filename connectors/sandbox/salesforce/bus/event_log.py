"""This module keeps the events of every topic in order, gives them replay ids, and forgets them in time."""

from __future__ import annotations

import threading
import uuid
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.sandbox.salesforce.bus.settings import Streaming

Fact = TypeVar("Fact")

KEPT = 100_000  # events of all topics together
LENGTH = 8  # bytes of a replay id
TRIMMED = 1_000  # forgotten events of a topic that are dropped at once, since dropping moves all others


class NotRetained(Exception):
    """There are no events to go on from: they are no longer kept, or never were."""


@dataclass(frozen=True, slots=True)
class Notice(Generic[Fact]):
    """One event on the bus; `at` is in seconds since the epoch, by the org's clock."""

    fact: Fact
    topics: tuple[str, ...]
    uuid: str
    replay: int
    at: float


@dataclass(slots=True)
class Shelf(Generic[Fact]):
    """The events of one topic; the first `gone` of them are forgotten, `lost` is the last of those."""

    replays: list[int] = field(default_factory=list)
    notices: list[Notice[Fact]] = field(default_factory=list)
    gone: int = 0
    lost: int = 0

    def forget(self, replay: int) -> None:
        """Forget the oldest event."""
        self.lost = replay
        self.gone += 1
        if self.gone >= TRIMMED:
            del self.replays[: self.gone], self.notices[: self.gone]
            self.gone = 0


class EventLog(Generic[Fact]):
    """
    The bus itself. Whoever waits for it waits for `moved`, which also guards everything in here.

    A replay id is a position; positions are not contiguous, and a subscription without news gets new ones.
    https://developer.salesforce.com/docs/platform/pub-sub-api/guide/event-message-durability.html
    """

    def __init__(self, streaming: Streaming, clock: Callable[[], float], *, first: int) -> None:
        self.moved = threading.Condition()
        self.closed = False
        self._streaming = streaming
        self._clock = clock
        self.tip = first  # the position that was given last
        self._order: deque[Notice[Fact]] = deque()
        self._shelves: dict[str, Shelf[Fact]] = {}
        self._issued: deque[tuple[int, float]] = deque()
        self._valid: set[int] = set()
        self._issue()
        self._first = self.tip

    def append(self, fact: Fact, topics: tuple[str, ...], *, uuid_: str = "") -> Notice[Fact]:
        """Put an event on the bus, for the subscribers of all its topics."""
        with self.moved:
            at = self._issue()
            notice = Notice(fact, topics, uuid_ or str(uuid.uuid4()), self.tip, at)
            self._order.append(notice)
            for topic in topics:
                shelf = self._shelves.setdefault(topic, Shelf())
                shelf.replays.append(notice.replay)
                shelf.notices.append(notice)
            self._prune()
            self.moved.notify_all()
        return notice

    def repeat(self, topic: str, count: int) -> int:
        """Deliver the last events of a topic once more, with new replay ids; return how many they were."""
        with self.moved:
            shelf = self._shelves.get(topic, Shelf())
            again = shelf.notices[max(shelf.gone, len(shelf.notices) - count) :]
            for notice in again:
                self.append(notice.fact, notice.topics, uuid_=notice.uuid)
        return len(again)

    def earliest(self, topic: str) -> int:
        """Return the position before the oldest event of a topic that is kept."""
        with self.moved:
            self._prune()
            return max(self._first, self._shelves.get(topic, Shelf()).lost)

    def position(self, replay_id: bytes) -> int:
        """
        Return the position that a replay id stands for.

        :raises NotRetained: if it is corrupt, or was given for longer ago than events are kept
        """
        with self.moved:
            self._prune()
            position = int.from_bytes(replay_id, "big")
            if len(replay_id) != LENGTH or position not in self._valid:
                raise NotRetained
            return position

    def read(self, topic: str, after: int, most: int) -> list[Notice[Fact]]:
        """
        Return the next events of a topic that are due.

        :raises NotRetained: if some of them were forgotten before they were read
        """
        with self.moved:
            self._prune()
            shelf = self._shelves.get(topic)
            if shelf is None:
                return []
            if after < shelf.lost:
                raise NotRetained
            place = max(shelf.gone, bisect_right(shelf.replays, after))
            found = shelf.notices[place : place + most]
            due = self._clock() - self._streaming.delay
            return [notice for notice in found if notice.at <= due] if self._streaming.delay else found

    def tick(self, topic: str, after: int) -> int:
        """Return a new position for a subscriber to go on from, or its own while events are held back."""
        with self.moved:
            shelf = self._shelves.get(topic)
            if shelf is not None and shelf.replays and shelf.replays[-1] > after:
                return after
            self._issue()
            return self.tip

    def expire(self) -> int:
        """Forget every event and every replay id that was given so far; return how many events they were."""
        with self.moved:
            count = len(self._order)
            for notice in self._order:
                self._forget(notice)
            self._order.clear()
            self._issued.clear()
            self._valid.clear()
            self.moved.notify_all()
        return count

    def close(self) -> None:
        """End every subscription: the org begins anew."""
        with self.moved:
            self.closed = True
            self.moved.notify_all()

    def wake(self) -> None:
        """Let every subscriber look at what has changed around it."""
        with self.moved:
            self.moved.notify_all()

    def counts(self) -> dict[str, int]:
        """Return how many events of each topic are kept."""
        with self.moved:
            self._prune()
            return {topic: len(shelf.notices) - shelf.gone for topic, shelf in self._shelves.items()}

    def _issue(self) -> float:
        at = self._clock()
        self.tip += 1 + self.tip % 3
        self._issued.append((self.tip, at))
        self._valid.add(self.tip)
        return at

    def _prune(self) -> None:
        horizon = self._clock() - self._streaming.retention
        last = 0
        while self._order and (self._order[0].at < horizon or len(self._order) > KEPT):
            notice = self._order.popleft()
            self._forget(notice)
            last = notice.replay
        while self._issued and (self._issued[0][1] < horizon or self._issued[0][0] <= last):
            self._valid.discard(self._issued.popleft()[0])

    def _forget(self, notice: Notice[Fact]) -> None:
        for topic in notice.topics:
            self._shelves[topic].forget(notice.replay)


def bytes_of(replay: int) -> bytes:
    """Return a position as clients get it."""
    return replay.to_bytes(LENGTH, "big")
