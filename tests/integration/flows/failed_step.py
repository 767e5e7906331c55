"""This module lets payments fail at their last step, and has them retried from there."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from flows import reruns, resuming
from flows.lanes import WorkerLease
from flows.models import Attempt, Event, Pair, Run
from flows.resuming import Offer
from integrator import vault
from integrator.kernel.errors import Refused
from tests.integration.flows.given import a_charge, an_event
from tests.integration.flows.two_systems import UPSERT, TwoSystems, refusing, work_until_quiet

ENRICH: dict[str, Any] = {
    "id": "enrich",
    "kind": "stripe.retrieve",
    "settings": {"type": "customer", "id": ["charge.customer"]},
}
LOOK: dict[str, Any] = {
    "id": "look",
    "kind": "salesforce.find",
    "title": "Look up the account",
    "settings": {
        "object": "Account",
        "by": [{"kind": "equal", "field": "Name", "from": ["steps.enrich.name"]}],
        "fields": ["AnnualRevenue"],
    },
}
MAP: dict[str, Any] = {
    "id": "describe",
    "kind": "map",
    "settings": {
        "target": "Payment__c",
        "lines": [
            {"field": "External_ID__c", "from": ["charge.payment_intent"], "empty": "fail"},
            {"field": "Status__c", "from": ["charge.status"]},
            {"field": "Revenue__c", "from": ["steps.look.record.AnnualRevenue"]},
        ],
    },
}
SAVE = UPSERT[1]
STEPS = [ENRICH, LOOK, MAP, SAVE]
RULE = Refused("Rule", code="FIELD_CUSTOM_VALIDATION_EXCEPTION", http_status=400)
REVENUE = Decimal("1200.50")


@pytest.fixture(autouse=True)
def both(systems: TwoSystems) -> None:
    """Let Stripe know the customer and the payment, and the org the account."""
    charge = a_payment("succeeded")
    systems.objects |= {
        "cus_1": {"id": "cus_1", "object": "customer", "name": "Acme"},
        "pi_1": {"id": "pi_1", "object": "payment_intent", "latest_charge": charge},
    }
    systems.answers["find"] = lambda _: {
        "records": [{"Id": "001000000000001AAA", "Name": "Acme", "AnnualRevenue": REVENUE}]
    }


def a_payment(status: str) -> dict[str, Any]:
    return a_charge(id="ch_1", payment_intent="pi_1", customer="cus_1", status=status)


def it_happens(pair: Pair, status: str = "succeeded", *, ago: int = 60, at: datetime | None = None) -> Event:
    """Let a charge be told of, as it was some seconds ago, or at a moment."""
    at = at or timezone.now() - timedelta(seconds=ago)
    return an_event(
        pair.stripe, a_payment(status), type=f"charge.{status}", created=int(at.timestamp()), received_at=at
    )


def it_gives_up(pair: Pair, systems: TwoSystems, worker: WorkerLease, **happens: Any) -> Run:
    """Return the run of a payment whose record the org refused, and let the org take it from now on."""
    systems.answers["upsert"] = refusing(RULE)
    event = it_happens(pair, **happens)
    work_until_quiet(worker)
    del systems.answers["upsert"]
    run = Run.objects.get(event=event)
    assert run.state == "dead"
    return run


def from_failed_step(run: Run, worker: WorkerLease) -> Run:
    """Have the run retried from its failed step, and return it as it came out."""
    again = reruns.retry(run=run, start="failed_step", actor="otto", now=timezone.now())
    work_until_quiet(worker)
    again.refresh_from_db()
    return again


def offered(run: Run) -> Offer:
    return resuming.offer(Run.objects.get(pk=run.pk), timezone.now())


def called(systems: TwoSystems) -> dict[str, int]:
    """Return how many requests were made, by action."""
    actions = [action for action, requests in systems.calls for _ in requests]
    return {action: actions.count(action) for action in actions}


def trace_of(run: Run) -> list[dict[str, Any]]:
    """Return the trace of the newest try."""
    found: list[dict[str, Any]] = json.loads(
        vault.unseal(run.tries.latest("id").trace, owner=f"trace:{run.pk}")
    )
    return found


def saved(systems: TwoSystems) -> dict[str, Any]:
    return systems.records["Payment__c:pi_1"]


def grow_old(run: Run) -> None:
    """Let what the run has found be of eight days ago."""
    event = run.event
    kept = run.tries.get()
    found = vault.unseal(kept.found, owner=f"found:{run.pk}").decode()
    day = (timezone.now() - timedelta(days=8)).isoformat()
    old = found.replace(event.happened_at.isoformat(), day)
    Attempt.objects.update(found=vault.seal(old.encode(), owner=f"found:{run.pk}"))
