"""
This module decides which runs go on while an org's API calls run short, and which wait for a while.

A flow has a priority. The nearer the calls come to their end, the more priorities wait; a run that has waited
long goes with the next higher one, and at last with those that never wait. So nothing starves: Salesforce
counts over the last 24 hours, and some calls come back all the time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

Priority = Literal["high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = ("high", "normal", "low")

# A priority waits while less than so many percent of our calls are left; a high one goes on to the end.
ENOUGH: dict[Priority, float] = {"high": 0.0, "normal": 10.0, "low": 30.0}
# After so long a run goes with the next higher priority: a low one goes with the high ones after twice that.
AGES_IN = timedelta(hours=1)
LOOK_AGAIN = timedelta(minutes=5)


def aged(priority: Priority, waited: timedelta) -> Priority:
    """Return with which priority a run goes that has waited for so long."""
    return PRIORITIES[max(0, PRIORITIES.index(priority) - max(0, waited // AGES_IN))]


def wait_of(priority: Priority, *, left_percent: float, waited: timedelta) -> timedelta | None:
    """
    Return for how long a run waits before it is looked at again; None: it goes on.

    It is looked at no later than when it goes with the next higher priority.
    """
    goes_as = aged(priority, waited)
    if left_percent >= ENOUGH[goes_as] or goes_as == "high":
        return None
    return min(LOOK_AGAIN, AGES_IN - max(waited, timedelta(0)) % AGES_IN)


def goes_after(priority: Priority, *, left_percent: float) -> timedelta:
    """Return how long a run has to have waited to go on while so many percent are left; none for zero."""
    ages = range(PRIORITIES.index(priority) + 1)
    fits = (age for age in ages if left_percent >= ENOUGH[PRIORITIES[PRIORITIES.index(priority) - age]])
    return next(fits) * AGES_IN  # at the latest with the high ones, which need nothing
