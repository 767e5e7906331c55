"""This module says what a detector is given and what it answers. It is pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeAlias

State: TypeAlias = dict[str, Any]  # what is known of one series; JSON, to be kept between two bins
Row: TypeAlias = Mapping[str, Any]  # a bin as it is stored: "ts" and the counts that were measured

BIN_MINUTES = 5
PER_HOUR = 60 // BIN_MINUTES
PER_DAY = 24 * PER_HOUR


@dataclass(frozen=True, slots=True)
class Alert:
    """
    Something unusual in one metric, told once for each incident.

    `observed` is what was counted in the bins that gave it away, `expected` what is usual there, and from
    `lo` to `hi` what would have passed; `z` is in standard deviations. `reason` is a sentence for a person.
    """

    metric: str
    kind: str
    z: float
    observed: float
    expected: float
    lo: float
    hi: float
    reason: str

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Instant:
    """When a bin began, in the ways that the detectors need it."""

    at: datetime

    @classmethod
    def of(cls, row: Row) -> Instant:
        """
        Return the start of a bin from its "ts", a datetime or its ISO text.

        Raises ValueError or KeyError if there is none.
        """
        told = row["ts"]
        return cls(told if isinstance(told, datetime) else datetime.fromisoformat(told))

    @property
    def bin_of_day(self) -> int:
        """Return the number of the bin in its day."""
        return (self.at.hour * 60 + self.at.minute) // BIN_MINUTES

    @property
    def hour_of_week(self) -> int:
        """Return the number of the hour, from Monday's first."""
        return self.at.weekday() * 24 + self.at.hour


def number(row: Row, name: str) -> float | None:
    """Return what was measured under `name`, or nothing where it was not measured."""
    value = row.get(name)
    return None if value is None or value == "" else float(value)
