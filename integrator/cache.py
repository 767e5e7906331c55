"""This module is the cache that all web processes share in Redis, and what stands in while Redis is away."""

from __future__ import annotations

import json
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis import RedisError

from integrator import patience

METHODS = ("add", "get", "set", "touch", "delete", "get_many", "has_key", "incr", "set_many", "delete_many",
           "clear")  # fmt: skip


class JsonValues:
    """Values as JSON. Django's own choice is pickle: whoever could write to Redis could run code here."""

    def dumps(self, value: Any) -> Any:
        """Return `value` as Redis keeps it; numbers stay numbers, so that they can be counted up there."""
        return value if type(value) is int else json.dumps(value).encode()

    def loads(self, kept: bytes) -> Any:
        """Return what was kept; lists come back for tuples."""
        return json.loads(kept)


class SturdyRedis(RedisCache):
    """
    Redis for as long as it answers, and otherwise this process's own memory.

    Nothing here is the truth, only counts and what is quick to count anew: a sign-in or a page must not
    fail because Redis does. Meanwhile each process counts for itself.
    """

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        plain = {name: value for name, value in params.items() if name != "OPTIONS"}
        self._spare = LocMemCache("while-redis-is-away", plain)

    def _either(self, method: str, *args: Any, **kwargs: Any) -> Any:
        try:
            with patience.REDIS.asking(RedisError):
                return getattr(RedisCache, method)(self, *args, **kwargs)
        except (patience.Away, RedisError):  # said once by who is patient
            pass
        return getattr(self._spare, method)(*args, **kwargs)


def _through(method: str) -> Any:
    def asked(self: SturdyRedis, *args: Any, **kwargs: Any) -> Any:
        return self._either(method, *args, **kwargs)

    return asked


for _method in METHODS:
    setattr(SturdyRedis, _method, _through(_method))
