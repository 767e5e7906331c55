"""This module puts published platform events on the bus, and keeps them so that they can be counted."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.bus.topics import topic_of

if TYPE_CHECKING:
    from connectors.sandbox.salesforce.bus.event_log import EventLog
    from connectors.sandbox.salesforce.fields import SObject

EVENTS_KEPT = 50_000


@dataclass(frozen=True, slots=True)
class Published:
    """One platform event."""

    object: SObject
    uuid: str
    values: dict[str, Any]
    user: str
    call: int
    at: float = field(default_factory=time.time)

    def as_json(self) -> dict[str, Any]:
        """Return the event as a JSON object; the time is in seconds since the epoch."""
        return {
            "event": self.object.name,
            "uuid": self.uuid,
            "values": self.values,
            "user": self.user,
            "call": self.call,
            "at": self.at,
        }


class Bus:
    """Every platform event that was published, in order."""

    def __init__(self, log: EventLog[Any]) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._events: deque[tuple[int, Published]] = deque(maxlen=EVENTS_KEPT)
        self._counts: Counter[str] = Counter()

    def publish(self, event: Published) -> int:
        """Put an event on the bus and return its position."""
        notice = self._log.append(event, (topic_of(event.object),), uuid_=event.uuid)
        with self._lock:
            self._events.append((notice.replay, event))
            self._counts[event.object.name] += 1
        return notice.replay

    def events(self, *, event: str = "", since: int = 0) -> list[dict[str, Any]]:
        """Return the events after position `since`, oldest first."""
        with self._lock:
            return [
                {"replay_id": number, **each.as_json()}
                for number, each in self._events
                if number > since and event in {"", each.object.name}
            ]

    def counts(self) -> dict[str, int]:
        """Return how many events of each kind were published."""
        return dict(self._counts)
