"""
This module is the doorbell: it tells the worker pool that there is something to do.

django-q2 is a doorbell and a pool, never the truth. A job carries a shard number and
nothing else; a lost, doubled or reordered job is harmless, because the work itself stands
in our own tables and the sweep rings again.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django_q.models import OrmQ
from django_q.tasks import async_task

from flows.models import Doorbell
from integrator import patience

log = structlog.get_logger(__name__)

JOB = "flows.drain.drain"

# A ring that nobody answered for this long counts as lost.
LOST_AFTER = timedelta(seconds=2)

# So many rings wait for nobody: where only lone workers work, and whoever rings does not know, none is added.
MOST_WAITING = 50

# A drain renews its "I am at it" well within this; a killed one is forgotten after it.
BUSY_FOR = timedelta(seconds=5)


def ring(*, shard: int = 0) -> bool:
    """
    Wake a worker for `shard`, unless one is at work or on its way, and tell whether it rang.

    Call it after a commit. It never raises: whoever rings has done their part, and the
    supervisor's sweep rings again when a ring was lost.
    """
    return _workers().ring(shard)


def can_ring() -> bool:
    """Tell whether a ring would be heard: always, unless Redis carries it and does not answer."""
    return _workers().can_ring()


def work_arrived(**_: object) -> None:
    """Ring for a run that somebody made due, such as a dead letter that is retried."""
    ring()


def answer(*, shard: int) -> None:
    """Say that a drain of `shard` has begun, or is still going on."""
    _workers().answer(shard)


def fall_idle(*, shard: int) -> None:
    """Say that the drain of `shard` found nothing more, so that the next event has to ring."""
    _workers().fall_idle(shard)


def shards() -> range:
    """Return the shard numbers: one for each process of the pool."""
    return range(settings.WORKERS)


class _Pool:
    """Workers that sleep until a job is there, and answer it."""

    def ring(self, shard: int) -> bool:
        try:
            return _ring(shard)
        except Exception as failure:  # whatever ails a broker or a database, the sweep rings again
            log.warning("doorbell.failed", shard=shard, error=type(failure).__name__)
            return False

    def can_ring(self) -> bool:
        if not settings.REDIS_URL:
            return True
        from flows import bell  # noqa: PLC0415  # it brings Redis's client, which others do without

        return bell.answers()

    def answer(self, shard: int) -> None:
        Doorbell.objects.filter(shard=shard).update(answered_at=Now(), busy_until=Now() + BUSY_FOR)

    def fall_idle(self, shard: int) -> None:
        Doorbell.objects.filter(shard=shard).update(busy_until=None)


class _Alone(_Pool):
    """A worker that looks by itself: nobody would take jobs away, and the doorbell is that of others."""

    def ring(self, shard: int) -> bool:
        return False

    def can_ring(self) -> bool:
        return True

    def answer(self, shard: int) -> None:
        pass

    def fall_idle(self, shard: int) -> None:
        pass


_POOL, _ALONE = _Pool(), _Alone()


def _workers() -> _Pool:
    """Return how the workers of this installation are woken."""
    return _ALONE if settings.LONE_WORKER else _POOL


def _ring(shard: int) -> bool:
    if not _silent(shard).exists():  # at a high rate most rings end here, with one read
        if Doorbell.objects.filter(shard=shard).exists():
            return False
        Doorbell.objects.get_or_create(shard=shard)
    # On the database broker the mark and the job stand or fall together; Redis comes after the commit,
    # and a job lost between the two is a lost ring.
    with transaction.atomic():
        if not _silent(shard).update(rung_at=Now()):
            return False
        if not settings.REDIS_URL and OrmQ.objects.count() < MOST_WAITING:
            async_task(JOB, shard)
    return not settings.REDIS_URL or _rung_by_redis(shard)


def _rung_by_redis(shard: int) -> bool:
    """Ring through Redis; that it is away is said by `patience`, and `work` has a worker of its own then."""
    from flows import bell  # noqa: PLC0415  # as above

    with contextlib.suppress(Exception), patience.REDIS.asking():
        broker = bell.at(settings.REDIS_URL)
        if broker.queue_size() < MOST_WAITING:
            async_task(JOB, shard, broker=broker)
        return True
    return False


def _silent(shard: int) -> QuerySet[Doorbell]:
    """Return the doorbell of `shard` if nobody is at work for it and no ring is on its way."""
    nobody_at_work = Q(busy_until__isnull=True) | Q(busy_until__lt=Now())
    no_ring_on_its_way = (
        Q(rung_at__isnull=True) | Q(answered_at__gte=F("rung_at")) | Q(rung_at__lt=Now() - LOST_AFTER)
    )
    return Doorbell.objects.filter(nobody_at_work & no_ring_on_its_way, shard=shard)
