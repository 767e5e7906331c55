"""This module orders faults of which the first are sure to come, and proves that they have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.stage import Stage, until

FIRST = 3
WRITES = {"match_method": "PATCH", "match_path": "composite|sobjects"}


def break_writes(stage: Stage, kind: str, *, probability: float) -> None:
    """
    Let Salesforce fail the first writes for sure, and any later one by the dice.

    Whoever is to write something writes it until somebody answers, so that the first ones do come.
    """
    for how in ({"times": FIRST}, {"probability": probability}):
        stage.fault("salesforce", kind=kind, **WRITES, **how)


def fired(faults: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """Return the kind of each fault that was sure to come, and how often it came."""
    return [(fault["kind"], fault["fired"]) for fault in faults if fault["probability"] is None]


def have_fired(stage: Stage) -> Callable[[], bool]:
    """Return what tells whether all that was sure to come has come."""
    return lambda: all(times == FIRST for _, times in fired(stage.faults("salesforce")))


def wait_for_faults(stage: Stage) -> None:
    """Wait until what was sure to come has: on a busy machine few calls are made while events pour in."""
    until(
        have_fired(stage),
        seconds=60,
        what="writes fail",
        found=lambda: stage.faults("salesforce"),
    )
