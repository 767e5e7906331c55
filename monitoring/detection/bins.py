"""This module says what a detector is given and what it answers. It is pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, tzinfo
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
class Knobs:
    """
    What people have set for a series, at the moment of one bin.

    `zone` is where its hours and days are those of the business; without one they are as the bin tells them.
    `extra` are standard deviations by key that something has to be more unusual to be told, below 0 for less;
    keys of `off` are never told. `known` are those that are known to be unusual now: they are not told and
    nothing is learnt from them; "" among them stands for all.
    """

    zone: tzinfo | None = None
    extra: Mapping[str, float] = field(default_factory=dict)
    off: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()

    def is_known(self, key: str) -> bool:
        """Tell whether `key` is known to be unusual now."""
        return "" in self.known or key in self.known

    def is_silent(self, key: str) -> bool:
        """Tell whether nothing is to be told of `key`."""
        return key in self.off or self.is_known(key)


USUAL = Knobs()


@dataclass(frozen=True, slots=True)
class Instant:
    """When a bin began: for ever (`at`), and by the clock on the wall (`local`)."""

    at: datetime
    local: datetime

    @classmethod
    def of(cls, row: Row, zone: tzinfo | None = None) -> Instant:
        """
        Return the start of a bin from its "ts", a datetime or its ISO text.

        Raises ValueError or KeyError if there is none.
        """
        told = row["ts"]
        at = told if isinstance(told, datetime) else datetime.fromisoformat(told)
        return cls(at, at if zone is None or at.tzinfo is None else at.astimezone(zone))

    @property
    def bin_of_day(self) -> int:
        """Return the number of the bin in its day."""
        return (self.local.hour * 60 + self.local.minute) // BIN_MINUTES

    @property
    def hour_of_week(self) -> int:
        """Return the number of the hour, from Monday's first."""
        return self.local.weekday() * 24 + self.local.hour


def number(row: Row, name: str) -> float | None:
    """Return what was measured under `name`, or nothing where it was not measured."""
    value = row.get(name)
    return None if value is None or value == "" else float(value)
