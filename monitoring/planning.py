"""
This module reckons what a change of a flow costs in API calls a day, by what its runs have cost. It is pure.

A call of Salesforce carries up to 200 records. How many it carries is measured; how many it would carry where
more records come, or where they are gathered for longer, is reckoned: while a collection is gathered, records
go on coming at the pace that the flow's hours show. The truth lies between two bounds that need no guess:
every call is full, or nothing travels together any better than today.
"""

from __future__ import annotations

from dataclasses import dataclass

FULL = 200  # records of a collection
GATHERED = 0.25  # seconds for which a collection is gathered under load


@dataclass(frozen=True, slots=True)
class Measured:
    """
    What a flow did, on an average day.

    `records` are carried by `writes`, `questions` by `reads`. `pace` is how many records a second come in the
    hour in which the average record comes.
    """

    runs: float = 0.0
    reads: float = 0.0
    questions: float = 0.0
    writes: float = 0.0
    records: float = 0.0
    pace: float = 0.0

    @property
    def calls(self) -> float:
        """Return the calls of a day."""
        return self.reads + self.writes

    @property
    def calls_for_100(self) -> float | None:
        """Return how many calls a hundred runs take; None before there was one."""
        return 100 * self.calls / self.runs if self.runs else None

    @property
    def records_a_call(self) -> float | None:
        """Return how many records a writing call carries; None before there was one."""
        return self.records / self.writes if self.writes else None


@dataclass(frozen=True, slots=True)
class Change:
    """What if: so many times the runs, so many more reads and writes in each, so many records a call."""

    volume: float = 1.0
    reads: int = 0
    writes: int = 0
    most: int = FULL
    gathered: float = GATHERED

    @property
    def is_none(self) -> bool:
        """Tell whether nothing would change."""
        return self == Change()


@dataclass(frozen=True, slots=True)
class Reckoned:
    """Calls a day after a change: `likely`, and the bounds that it lies between."""

    now: int
    least: int
    likely: int
    most: int

    @property
    def more(self) -> int:
        """Return how many calls a day more that likely is; fewer are below 0."""
        return self.likely - self.now

    @property
    def fewer(self) -> int:
        """Return how many calls a day fewer that likely is."""
        return self.now - self.likely


def reckon(measured: Measured, change: Change) -> Reckoned:
    """Return what a day costs after `change`."""
    records = (measured.records + change.writes * measured.runs) * change.volume
    questions = (measured.questions + change.reads * measured.runs) * change.volume
    limit = float(max(1, min(FULL, change.most)))
    filled = max(1.0, measured.records_a_call or 1.0)
    asked = max(1.0, measured.questions / measured.reads if measured.reads else 1.0)
    before = 1.0 + measured.pace * GATHERED
    after = 1.0 + measured.pace * change.volume * max(0.0, change.gathered)
    likely = questions / asked + records / min(limit, max(1.0, filled * after / before))
    alone = measured.questions * change.volume / asked + change.reads * measured.runs * change.volume
    bounds = (likely, questions / asked + records / limit, alone + records / min(limit, filled))
    return Reckoned(round(measured.calls), round(min(bounds)), round(likely), round(max(bounds)))
