"""This module lets runs wait while it is asked what became of a record that is gone."""

from __future__ import annotations

from datetime import timedelta

from flows.engine.outcome import Pause
from flows.engine.ports import Ports

LOOKS = timedelta(seconds=5)  # the answer wakes the run sooner


def not_known_yet(ports: Ports) -> Pause:
    """Return the outcome of a run whose record is gone, while the org is asked whether it was merged."""
    return Pause(ports.now() + LOOKS, "It is asked whether the record was merged into another", holds="run")
