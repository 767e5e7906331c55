"""This module holds what a hand on the levers may change about the event bus."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

RETENTION = 72 * 3_600.0  # seconds
KEEPALIVE = 270.0  # seconds without events after which a subscriber hears that it is still there
IDLE = 60.0  # seconds that a subscriber may ask for nothing
CLIENTS = 50  # streams at once


@dataclass(slots=True)
class Streaming:
    """
    How the bus behaves: times in seconds, the topics that nobody may subscribe to, and the custom channels.

    A custom channel is a topic that carries the changes of the objects which an administrator chose for it.
    https://developer.salesforce.com/docs/platform/pub-sub-api/guide/flow-control.html
    """

    retention: float = RETENTION
    keepalive: float = KEEPALIVE
    idle: float = IDLE
    delay: float = 0.0  # how much later than it happened an event is delivered
    clients: int = CLIENTS
    refused: set[str] = field(default_factory=set)
    channels: dict[str, frozenset[str]] = field(default_factory=dict)  # topic -> names of objects
    selected: set[str] | None = None  # objects whose changes are told at their own topics; None: of every one

    def selects(self, name: str) -> bool:
        """Say whether the changes of an object are told at its own topic."""
        return self.selected is None or name in self.selected

    def select(self, names: set[str]) -> None:
        """Tell the changes of these objects from now on as well."""
        if self.selected is not None:
            self.selected |= names

    lost: int = 0  # changes that were never told
    _share: float = 0.0
    _dice: random.Random = field(default_factory=lambda: random.Random(1))

    def lose(self, share: float, *, seed: int) -> None:
        """Let so large a share of the changes go untold from now on."""
        self._share, self._dice = share, random.Random(seed)

    def loses(self) -> bool:
        """Throw the dice for one change, and count it if it is lost."""
        if self._share <= 0 or self._dice.random() >= self._share:
            return False
        self.lost += 1
        return True
