"""This module is one run whose two sides are merged, on its way from what was found to what is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.agreeing.agreement import Agreement
from flows.agreeing.merging import Line, is_unchanged
from flows.engine.kind import Answer
from flows.steps.saving import Job
from flows.steps.sides import Found


@dataclass(slots=True)
class Case:
    """One job, with what both sides agreed on and what each of them has."""

    job: Job
    agreement: Agreement
    read: Callable[[str], Any]
    wanted: Mapping[str, Any]
    touched: frozenset[str] = frozenset()  # paths that somebody else has changed, as the event tells
    found: Found = field(default_factory=lambda: Found({}))
    write: dict[str, Any] = field(default_factory=dict)  # by the step's name of the field
    typed: set[str] = field(default_factory=set)  # fields whose value a person has given
    instead: Answer | None = None  # what the run comes to although its write went well

    def is_echo(self, lines: Mapping[str, Line]) -> bool:
        """Tell whether the source says what it said when both agreed: no matter what the target says."""
        agreement = self.agreement
        if agreement.link_id is None or agreement.state != "agreed":
            return False
        return all(
            is_unchanged(agreement, lines[name], wanted, self.read, touched=self.touched)
            and (lines[name].key in agreement.values or lines[name].key in agreement.sent)
            for name, wanted in self.wanted.items()
        )
