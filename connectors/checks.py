"""This module says what one check of a connection found, and what to do if it is not as it should be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended; only a problem keeps flows from working."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, under the heading `group`."""

    group: str
    title: str
    state: State
    explanation: str = ""
    remedy: str = ""
