"""This module tests that an event which kills its worker is found, though others wait for the same object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from flows import runner
from flows.lanes import CRASHES_ALONE
from flows.models import DeadLetter, Pair, Run
from tests.builders import NOON
from tests.integration.flows.given import a_charge, a_worker, an_event
from tests.integration.flows.two_systems import UPSERT, TwoSystems, a_deployed_flow

pytestmark = pytest.mark.django_db


class Died(BaseException):
    """The process is gone."""


def test_the_newest_of_waiting_events_cannot_kill_workers_for_ever(pair: Pair, systems: TwoSystems) -> None:
    a_deployed_flow(pair, UPSERT)
    for second in (1, 2, 3):
        charge = a_charge(id="ch_1", payment_intent="pi_1", status=f"state {second}")
        an_event(pair.stripe, charge, created=int(NOON.timestamp()) + second)
    worker = a_worker()

    def die(request: Mapping[str, Any]) -> Any:
        raise Died

    systems.answers["upsert"] = die
    for _ in range(6 * CRASHES_ALONE):
        try:
            runner.work(worker, lambda: True)
        except Died:
            worker.recover()

    assert set(Run.objects.values_list("state", flat=True)) == {"dead"}
    assert set(DeadLetter.objects.values_list("code", flat=True)) == {"crashed"}
