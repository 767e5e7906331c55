"""
This package finds what is unusual in a series of payments, in bins of five minutes. It is pure.

`observe` takes one bin after the other. A state is JSON; what it was stays as it was, and the same bins
give the same alerts. Methods and figures are in docs/anomalies.md.
"""

from __future__ import annotations

from monitoring.detection.amounts import Score, score_amount
from monitoring.detection.bins import Alert
from monitoring.detection.observing import (
    backfill,
    expected_charges,
    fresh,
    goes_on,
    is_learning,
    known_events,
    mute,
    not_an_anomaly,
    observe,
)

__all__ = [
    "Alert",
    "Score",
    "backfill",
    "expected_charges",
    "fresh",
    "goes_on",
    "is_learning",
    "known_events",
    "mute",
    "not_an_anomaly",
    "observe",
    "score_amount",
]
