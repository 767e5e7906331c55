"""
This module reckons how much a connection may ask: how many of an org's calls for 24 hours are ours, and at
which rate an account may be asked.

Salesforce counts over a moving window and tells the count with every answer; the last it told stands in the
connection's row. Of the calls that the org allows a part is kept for people, and for whatever else uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.addresses import is_loopback
from connectors.models import Connection
from connectors.throttle import STRIPE_LIVE_LIMIT, STRIPE_TEST_LIMIT, rate_within

API_SHARE = 90.0  # percent of the org's calls that are ours, unless the connection says otherwise
# What was told so long ago says little about a window that has moved on.
STALE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Allowance:
    """Calls in 24 hours: those used by whomever, those that the org allows, and those up to which we go."""

    used: int
    limit: int
    ours: int
    told_at: datetime | None

    @property
    def reserve(self) -> int:
        """Return how many are kept for people."""
        return self.limit - self.ours

    @property
    def left(self) -> int:
        """Return how many we may still make."""
        return max(0, self.ours - self.used)

    @property
    def left_percent(self) -> float:
        """Return which part of those that are ours is left, from 0 to 100."""
        return 100 * self.left / self.ours if self.ours else 0.0

    def is_stale(self, now: datetime) -> bool:
        """Tell whether it was told too long ago to go by."""
        return self.told_at is None or now - self.told_at > STALE


def share_of(connection: Connection) -> float:
    """Return up to which percent of the org's calls we go."""
    return float(connection.settings.get("api_share", API_SHARE))


def allowance_of(connection: Connection) -> Allowance | None:
    """Return what the org last told; None if it has told nothing, or limits no calls by the day."""
    if not connection.api_limit or connection.api_used is None:
        return None
    ours = int(connection.api_limit * share_of(connection) / 100)
    return Allowance(connection.api_used, connection.api_limit, ours, connection.last_success_at)


def rate_of(connection: Connection, *, processes: int) -> float:
    """
    Return how many requests a second all processes together may make; they speak through the same account.

    So many processes may begin with one at once.
    """
    declared = _declared(connection)
    if declared is not None:
        return declared
    if is_loopback(connection.base_url):
        return 1000.0  # the sandbox needs no protection
    limit = STRIPE_LIVE_LIMIT if connection.pinned_livemode else STRIPE_TEST_LIMIT
    return rate_within(limit, processes=processes)


def is_limited(connection: Connection) -> bool:
    """Tell whether there is a rate to keep to: the sandbox has none, unless one is declared for it."""
    return _declared(connection) is not None or not is_loopback(connection.base_url)


def _declared(connection: Connection) -> float | None:
    declared = connection.settings.get("requests_per_second")
    return float(declared) if isinstance(declared, int | float) and declared > 0 else None
