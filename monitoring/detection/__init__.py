"""
This package finds what is unusual in payments, calls and runs, in bins of five minutes. It is pure.

`observe` takes one bin after the other. A state is JSON; what it was stays as it was, and the same bins
give the same alerts. Methods and figures are in docs/anomalies.md.
"""

from __future__ import annotations

from monitoring.detection.amounts import Score, score_amount
from monitoring.detection.bins import Alert, Knobs
from monitoring.detection.catalogue import AMOUNT, CONNECTION, FLOW, KEYS, PROFILES, key_of, metrics_of
from monitoring.detection.observing import (
    as_keen_as_before,
    backfill,
    days_known,
    expected_charges,
    fresh,
    goes_on,
    is_learning,
    learn_anew,
    measured,
    not_an_anomaly,
    observe,
    raised,
)
from monitoring.detection.shares import Look

__all__ = [
    "AMOUNT",
    "CONNECTION",
    "FLOW",
    "KEYS",
    "PROFILES",
    "Alert",
    "Knobs",
    "Look",
    "Score",
    "as_keen_as_before",
    "backfill",
    "days_known",
    "expected_charges",
    "fresh",
    "goes_on",
    "is_learning",
    "key_of",
    "learn_anew",
    "measured",
    "metrics_of",
    "not_an_anomaly",
    "observe",
    "raised",
    "score_amount",
]
