"""
This module wakes the followers of other processes after a commit.

Every process imports it, also those of the worker pool, so it brings nothing along of what a page needs.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings

from integrator import patience

WAKE_EVERY = 0.3  # seconds between two wake-ups that one process sends, at least
GROUP = "changes"

_woken = 0.0


def wake(**of_the_signal: Any) -> None:
    """
    Wake the followers of other processes; it costs little and never raises.

    Without a broker there is nobody to be reached, and the followers look for themselves.
    """
    global _woken  # noqa: PLW0603  # one clock for the process, and losing a race costs one message
    if not settings.REDIS_URL or time.monotonic() - _woken < WAKE_EVERY:
        return
    _woken = time.monotonic()
    # What fails is said once (integrator.patience): the table is the truth, the message a courtesy.
    with contextlib.suppress(Exception), patience.REDIS.asking():
        async_to_sync(get_channel_layer().group_send)(GROUP, {"type": "changed"})
