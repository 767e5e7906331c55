"""This module judges the workers by their progress, and keeps the doorbell ringing while work is left."""

from __future__ import annotations

from datetime import datetime, timedelta

from flows import confirmation, lanes, queue
from flows.queries import Progress, progress

# Work that is ready for this long, while nothing at all moved for QUIET, means that the pool is stuck.
# Both are far above a drain's turn-taking and far below the 60 s within which a stop has to be noticed.
OVERDUE = timedelta(seconds=15)
QUIET = timedelta(seconds=12)
# How long a pool may at most take to start, and how often it was started in vain before it may take so long.
LONGEST_START, MOST_DOUBLINGS = timedelta(minutes=4), 4


def sweep() -> Progress:
    """
    Give back the lanes of dead workers, ring if anything is ready, and return the progress.

    Runs every second in the supervisor, outside the pool that it watches.
    """
    lanes.expire()
    confirmation.open_due(now=lanes.database_now())
    state = progress()
    if state.ready:
        for shard in queue.shards():
            if queue.ring(shard=shard):
                break
    return state


def patience(restarts: int) -> timedelta:
    """
    Return for how long a pool may take to start after so many restarts since which nothing has moved.

    On a machine that is too busy for it to start in time, each would otherwise be killed before it begins.
    """
    return min(LONGEST_START, OVERDUE * (1 << min(restarts, MOST_DOUBLINGS)))


def stuck(state: Progress, *, now: datetime, pool_started_at: datetime, restarts: int = 0) -> str:
    """
    Return why the pool must be started anew, or an empty text if it makes progress.

    `restarts` is how often that was done since anything has moved.
    """
    if now - pool_started_at < patience(restarts):
        return ""
    oldest = state.oldest_ready_at
    if oldest is None or now - oldest < OVERDUE:
        return ""
    if state.moved_at is not None and now - state.moved_at < QUIET:
        return ""
    return f"work has been ready since {oldest:%H:%M:%S} UTC and no worker moves"
