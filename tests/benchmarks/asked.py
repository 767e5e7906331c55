"""This module says what a measurement is asked for, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.benchmarks.tables import Table


@dataclass(frozen=True)
class Asked:
    """How to measure."""

    kinds: Sequence[str] = ("sqlite", "postgresql")  # databases
    rounds: int = 3
    events: int = 5_000
    rate: float | None = 500.0  # events a second; None: as fast as possible
    seconds: float = 5.0  # of a receiver under load
    latency: float = 0.08  # of the simulated Salesforce, in seconds
    rows: int = 1_000_000  # that have gathered
    known: int = 100_000  # customers among whom duplicates are looked for
    redis: str = ""  # the doorbell; empty: the database
    flow: str = "job"  # ten fields and one record; or the slug of a template
    store: str = "memory"  # where customers are known: memory, database
    served: bool = False  # measure the whole web process, where a part of it would do


@dataclass
class Measured:
    """Tables to read, and figures by the key of their goal."""

    tables: list[Table] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def add(self, other: Measured) -> None:
        """Take over what another measurement gave."""
        self.tables += other.tables
        self.figures |= other.figures
