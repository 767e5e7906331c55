"""This module tests that the shared cache holds plain data, and that nothing fails while Redis is away."""

from __future__ import annotations

import pytest
from redis import ConnectionError as RedisGone

from integrator import cache, patience
from integrator.cache import JsonValues, SturdyRedis

OPTIONS = {"OPTIONS": {"serializer": "integrator.cache.JsonValues", "socket_connect_timeout": 1}}


@pytest.fixture
def away(monkeypatch):
    """Return a cache whose Redis nobody answers for."""
    monkeypatch.setattr(patience, "REDIS", patience.Patience())
    found = SturdyRedis("redis://127.0.0.1:1/0", OPTIONS)
    found.clear()
    return found


@pytest.mark.parametrize("value", [5, 0, -1, "x", None, True, [1, 2.5], {"a": ["b"]}])
def test_a_value_comes_back_as_it_was(value):
    kept = JsonValues().dumps(value)

    assert JsonValues().loads(kept if isinstance(kept, bytes) else str(kept).encode()) == value


def test_what_is_found_there_is_never_run():
    with pytest.raises(ValueError, match=r"decode|Expecting"):
        JsonValues().loads(b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.")


def test_without_redis_this_process_counts_for_itself(away):
    away.set("a", 1)
    away.add("b", 5)

    assert away.incr("a") == 2
    assert away.get_many(["a", "b", "c"]) == {"a": 2, "b": 5}
    assert away.get("c", "nothing") == "nothing"
    away.delete("a")
    assert "a" not in away


def test_redis_is_left_alone_for_a_while_and_then_asked_again(away, monkeypatch):
    asked = []

    def fail(*_):
        asked.append(1)
        raise RedisGone

    monkeypatch.setattr(cache.RedisCache, "get", fail)
    patience.REDIS.forget()
    for _ in range(5):
        away.get("a")
    assert len(asked) == 1

    patience.REDIS.forget()
    away.get("a")
    assert len(asked) == 2
