"""This module is the job behind the doorbell: one process drains until nothing is ready or its turn ends."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable

import structlog
from django.db import DatabaseError, InterfaceError, close_old_connections

from flows import lanes, queue, runner

log = structlog.get_logger(__name__)

TURN = 20.0  # seconds; well below the pool's job timeout
RENEW = 1.0  # how often the doorbell hears that the drain is still at it

# Set in the pool's parent when it is asked to stop; its forked workers see it and end their turn early.
STOPPING = multiprocessing.Event()


def drain(shard: int, stopping: Callable[[], bool] | None = None) -> int:
    """
    Handle whatever is ready, for at most one turn, and return how many events and runs were handled.

    Rings again where work is left, and rings the next shard when one process is not enough. The turn ends
    early once `stopping` says so; in a pool that is `STOPPING`.
    """
    stopping = stopping or STOPPING.is_set
    close_old_connections()
    worker = lanes.this_worker()
    ends_at = time.monotonic() + TURN
    renews_at = time.monotonic() + RENEW

    def has_time() -> bool:
        return time.monotonic() < ends_at and not stopping()

    def go_on() -> bool:
        nonlocal renews_at
        if has_time() and time.monotonic() > renews_at:  # a pass of many calls asks between its parts
            queue.answer(shard=shard)
            renews_at = time.monotonic() + RENEW
        return has_time()

    try:
        handled = _until_idle(shard, worker, go_on, has_time)
    finally:
        _leave(shard, worker)
    if not has_time():
        queue.ring(shard=shard)
    return handled


def _leave(shard: int, worker: lanes.WorkerLease) -> None:
    """
    End the turn; the lanes of a pass that broke off go back at once.

    If the database does not answer even now, nobody renews the lease and the sweep gives them back.
    """
    worker.rest()
    close_old_connections()
    try:
        worker.recover()
        queue.fall_idle(shard=shard)
    except (DatabaseError, InterfaceError) as failure:
        log.warning("drain.left", shard=shard, error=type(failure).__name__)


def _until_idle(
    shard: int, worker: lanes.WorkerLease, go_on: Callable[[], bool], has_time: Callable[[], bool]
) -> int:
    """Handle what is ready; `go_on` answers the doorbell too, which nobody may once it has fallen idle."""
    handled = 0
    while go_on():
        queue.answer(shard=shard)
        handled += _until_nothing_is_ready(shard, worker, go_on)
        queue.fall_idle(shard=shard)
        # Whoever committed before the doorbell fell idle did not ring: look once more.
        more = runner.work(worker, until=has_time)
        if not more:
            break
        handled += more
    return handled


def _until_nothing_is_ready(shard: int, worker: lanes.WorkerLease, go_on: Callable[[], bool]) -> int:
    handled = 0
    while go_on():
        done = runner.work(worker, until=go_on)
        if not done:
            break
        handled += done
        if done >= runner.FULL:
            queue.ring(shard=(shard + 1) % len(queue.shards()))
    return handled
