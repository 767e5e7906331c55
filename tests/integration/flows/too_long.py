"""This module gives the tests of mending an org that refuses a text as too long, and letters of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from django.utils import timezone

from flows import mending
from flows.lanes import WorkerLease
from flows.mending import Approval
from flows.models import DeadLetter, Pair
from integrator.kernel.errors import Refused
from tests.integration.flows.given import a_charge, an_event
from tests.integration.flows.two_systems import UPSERT, TwoSystems, a_deployed_flow, systems, work_until_quiet

__all__ = ["LENGTH", "LONG", "TOO_LONG", "a_letter", "approve", "brands", "org", "pay", "systems"]

LONG, LENGTH = "Visa and " * 20, 40
TOO_LONG = Refused(
    f"Card Brand: data value too large: (max length={LENGTH})",
    code="STRING_TOO_LONG",
    field="Card_Brand__c",
    http_status=400,
)


@pytest.fixture
def org(pair: Pair, systems: TwoSystems) -> TwoSystems:
    """Return an org whose card brand takes forty characters, below a live flow."""
    a_deployed_flow(pair, UPSERT)

    def upsert(request: Mapping[str, Any]) -> Any:
        brand = request["values"].get("Card_Brand__c") or ""
        return TOO_LONG if len(brand) > LENGTH else systems._upsert(request)

    systems.answers["upsert"] = upsert
    return systems


def pay(pair: Pair, org: TwoSystems, **fields: Any) -> dict[str, Any]:
    charge = a_charge(**{"brand": LONG} | fields)
    an_event(pair.stripe, charge)
    intent = str(charge["payment_intent"])
    org.objects[intent] = {"id": intent, "object": "payment_intent", "latest_charge": charge}
    return charge


def a_letter(pair: Pair, org: TwoSystems, worker: WorkerLease, **fields: Any) -> DeadLetter:
    pay(pair, org, **fields)
    work_until_quiet(worker)
    return DeadLetter.objects.unresolved().latest("id")


def approve(letter: DeadLetter, **how: Any) -> DeadLetter:
    return mending.approve(letter=letter, approval=Approval(**how), actor="otto", now=timezone.now())


def brands(org: TwoSystems) -> list[str]:
    return [str(record["Card_Brand__c"]) for record in org.records.values()]
