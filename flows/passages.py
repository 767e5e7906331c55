"""
This module counts which ways runs take through a flow, and tells it for the last day.

A run counts once, when it ends: each exit that its last try took. One that waits or will be tried again
counts when that is over; one that is retried out of the dead letters ends once more, and counts once more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Sum

from flows import bulk
from flows.engine.ways import ENDED, FAILED
from flows.models import Flow, FlowVersion, Pair, Passage

SHOWN = timedelta(hours=24)
KEPT = timedelta(hours=48)
LONGEST_EXIT = 100  # characters; installed step kinds name their exits as they like

Key = tuple[int, int, str, str]  # version, pair, step, exit

_COLUMNS = ("version_id", "pair_id", "step", "exit", "hour", "times")
_ONCE_MORE = """
(version_id, pair_id, step, exit, hour) DO UPDATE SET times = flows_passage.times + excluded.times
"""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Which ways were taken out of each step, and since when that was counted."""

    since: datetime
    taken: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # by step and exit

    @property
    def mark(self) -> str:
        """Return what is another whenever a count is: since one moment they only grow."""
        return f"{self.since:%d%H}-{sum(map(self.into, self.taken))}"

    def into(self, step: str) -> int:
        """Return how often the step was come to."""
        return sum(self.taken.get(step, {}).values())

    def out(self, step: str, exit_name: str) -> int:
        """Return how often the step was left by an exit."""
        return self.taken.get(step, {}).get(exit_name, 0)

    def ended(self, step: str) -> int:
        """Return how many runs the flow ended at the step."""
        return self.out(step, ENDED)

    def failed(self, step: str) -> int:
        """Return how many runs failed at the step, with nothing that handles it."""
        return self.out(step, FAILED)


def add(counted: Counter[Key], *, now: datetime) -> None:
    """
    Add to the counts of this hour, in the caller's transaction.

    Other workers wait for these rows until that is committed, so it has to be the last thing that is done.
    """
    hour = _hour_of(now)
    rows = [(*key, hour, times) for key, times in counted.items()]
    bulk.insert(Passage, _COLUMNS, rows, conflict=_ONCE_MORE, order_by=_COLUMNS[:5])


def of_flow(flow: Flow, pair: Pair, *, now: datetime, version: FlowVersion | None = None) -> Traffic:
    """Return what was counted on `pair` in the last day, of one version or, by the steps' ids, of all."""
    since = _hour_of(now - SHOWN)
    rows = Passage.objects.filter(version__flow=flow, pair=pair, hour__gte=since)
    if version is not None:
        rows = rows.filter(version=version)
    taken: dict[str, dict[str, int]] = defaultdict(dict)
    for step, exit_name, times in rows.values_list("step", "exit").annotate(Sum("times")).order_by():
        taken[step][exit_name] = times
    return Traffic(since, dict(taken))


def _hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
