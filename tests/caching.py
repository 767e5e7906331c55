"""This module is the cache of the tests: in memory, and as strict about its values as the one in Redis."""

from __future__ import annotations

from typing import Any

from django.core.cache.backends.locmem import LocMemCache

from integrator.cache import JsonValues


class AsJson(LocMemCache):
    """What Redis would refuse, or give back as something else, is no other here."""

    def add(self, key: str, value: Any, *rest: Any, **named: Any) -> bool:
        """Keep `value` as it comes back from Redis, unless there is one."""
        return super().add(key, _there_and_back(value), *rest, **named)

    def set(self, key: str, value: Any, *rest: Any, **named: Any) -> None:
        """Keep `value` as it comes back from Redis."""
        super().set(key, _there_and_back(value), *rest, **named)


def _there_and_back(value: Any) -> Any:
    kept = JsonValues().dumps(value)
    return JsonValues().loads(kept) if isinstance(kept, bytes) else kept
