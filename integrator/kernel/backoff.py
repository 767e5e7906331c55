"""This module says how long to wait before the next attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Backoff:
    """
    Exponential back-off with full jitter.

    Full jitter (anything between nothing and the ceiling) spreads a crowd that failed together
    better than a fixed wait with a little noise.
    """

    base: timedelta = timedelta(seconds=2)
    cap: timedelta = timedelta(hours=1)

    def delay(self, *, attempt: int, luck: float) -> timedelta:
        """
        Return the wait after the `attempt`-th failure, counted from 1.

        `luck` in [0, 1) is drawn by the caller: this module rolls no dice.

        :raises ValueError: if `attempt` is below 1 or `luck` outside [0, 1)
        """
        if attempt < 1:
            raise ValueError(f"Attempts are counted from 1, not from {attempt}")
        if not 0 <= luck < 1:
            raise ValueError(f"Luck is at least 0 and below 1, not {luck}")
        doublings = min(attempt - 1, 30)  # past this the cap has long won, and timedelta overflows
        ceiling = min(self.cap, self.base * (1 << doublings))
        return ceiling * luck
