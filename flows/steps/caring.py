"""This module chooses who sees to it that the writes of a step come to rest."""

from __future__ import annotations

from flows.engine.ports import Ports
from flows.steps.reconciling import Reconciling
from flows.steps.resting import Resting
from flows.steps.saving import Care
from flows.steps.sides import SideWritten
from flows.steps.two_way import TwoWay


def care_of(step_id: str, two_way: TwoWay | None, side: SideWritten, ports: Ports) -> Care:
    """Return what both sides agree on where they may both change, and what our own writes did elsewhere."""
    if two_way is not None:
        return Care(agreeing=Reconciling(step_id, two_way, side, ports))
    return Care(resting=Resting(step_id, side, ports))
