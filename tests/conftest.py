"""This module holds the fixtures that every layer of tests shares."""

from __future__ import annotations

import gc
import os
import random
from pathlib import Path

import hypothesis
import pytest

from flows import context
from monitoring import room, standing
from monitoring.facts import Disk

# Playwright's synchronous API keeps an event loop in the test's thread; Django takes that for async code.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

# Gives each process a migrated database, empties it after tests that commit, audit trail and all, and lets
# no test see what the process remembers of another.
pytest_plugins = ["tests.emptying", "tests.forgetting", "tests.migrated"]

# Machines are shared and noisy: how long an example takes says nothing about whether it is right.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

# The layers whose tests take moments, in the order in which they are run when others have begun.
SHORT = ("integration", "unit")

POSTGRESQL = os.environ["DATABASE_URL"].startswith("postgres")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Give all tests of a short file to one process, after those that take long.

    What they share, from the fields of Stripe's objects to a fixture of the module, is made once then and not
    in every process, and whoever deals them out has hundreds of piles to deal, not thousands.
    """
    items.sort(key=_turn)
    for item in items:
        if _layer(item) in SHORT and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}/{item.path.stem}"))


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("xdist_group"):  # they wait for each other, so they have to begin first
        return -1
    return SHORT.index(_layer(item)) + 1 if _layer(item) in SHORT else 0


def _layer(item: pytest.Item) -> str:
    """Return which layer of tests an item belongs to; none if it stands beside them."""
    place = item.path.relative_to(Path(__file__).parent).parts
    return place[0] if len(place) > 2 else ""


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """
    Keep thousands of collected tests out of the garbage collector's rounds, and make these rarer.

    Looking through all of them again and again takes a seventh of the time of all tests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def on_postgresql() -> bool:
    """Tell whether this run's database is PostgreSQL."""
    return POSTGRESQL


@pytest.fixture(scope="session", autouse=True)
def _counts_anew() -> None:
    """Count anew at every question: on a busy machine counts are dear, and given out again for a while."""
    standing.CHEAP = float("inf")


@pytest.fixture(scope="session", autouse=True)
def _room_enough() -> None:
    """Let the disk of the machine that runs the tests be none of their business."""
    room.disk = lambda: Disk(free=10**12, total=10**12, embedded=True)


class _NoSurprise(random.SystemRandom):
    """Dice by which a first retry is due after 1.8 s: never at once, before a test has looked or gone on."""

    def random(self) -> float:
        return 0.9


@pytest.fixture(scope="session", autouse=True)
def _retries_wait() -> None:
    """Let no retry of this process be due at once, as one in a hundred would be by full jitter."""
    context._DICE = _NoSurprise()
