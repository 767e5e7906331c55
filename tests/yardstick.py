"""
This module tells how slow the processor of this machine is at the moment.

Limits in processor time hold for the machine on which they were set. Another may be slower, and one that is
shared is so now and then: two threads of one core take turns, and each takes longer for the same.
"""

from __future__ import annotations

import time

USUAL = 0.025  # seconds that `_work` takes where ten fields mapped by hand take 7 µs, as when limits were set
MOST = 1.5  # so that what is far too slow by itself is found on any machine
TIMES = 5


def slowness(*, most: float = MOST) -> float:
    """Return how many times as long as usual this machine takes for the same work, from 1 to `most`."""
    return min(most, max(1.0, min(_work() for _ in range(TIMES)) / USUAL))


def _work() -> float:
    """Return the seconds of processor time that some work takes which is always the same."""
    begun = time.process_time()
    found: dict[str, int] = {}
    for number in range(60_000):
        found[f"{number:x}"] = (number * number) % 97
    sorted(found.items())
    return time.process_time() - begun
