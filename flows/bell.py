"""
This module is the doorbell's way through Redis, whose client takes 6 MB of each process that imports it.

Import it where Redis is there, and nowhere else.
"""

from __future__ import annotations

from functools import lru_cache

import redis
from django.conf import settings
from django_q.brokers.redis_broker import Redis


class Bell(Redis):  # type: ignore[misc]  # django-q2 ships no types
    """The pool's queue for those who ring, of whom it holds nobody up."""

    @staticmethod
    def get_connection(list_key: str | None = None) -> redis.Redis:  # noqa: ARG004  # the queue is passed
        """Return a way to Redis that gives up after a second."""
        return redis.Redis.from_url(settings.REDIS_URL, **settings.REDIS_TIMEOUTS)


def answers() -> bool:
    """Tell whether Redis answers."""
    try:
        with Bell.get_connection() as broker:
            return bool(broker.ping())
    except redis.RedisError:
        return False


@lru_cache(maxsize=1)  # a process has one Redis; tests have several
def at(address: str) -> Bell:  # what is remembered is by address
    """Return the bell of the Redis at `address`."""
    return Bell()
