"""This module tests that a hold ends, and that it holds nothing but the version that lacks something."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from flows import holds, runner
from flows.lanes import WorkerLease
from flows.models import Attempt, Deployment, Pair, Run
from flows.publishing import deploy, publish
from flows.routes import ROUTES
from integrator.kernel.errors import Forbidden, Refused
from tests.integration.flows.given import a_charge, an_event
from tests.integration.flows.two_systems import (
    DUN,
    UPSERT,
    TwoSystems,
    a_deployed_flow,
    pass_time,
    refusing,
    work_until_quiet,
)

pytestmark = pytest.mark.django_db

NO_FIELD = Refused("No such column 'Card_Brand__c'", code="INVALID_FIELD", field="Card_Brand__c")
A_WHILE = runner.POLICY.hold + timedelta(seconds=65)


def lacking(field: str) -> Any:
    """Return an org that refuses every record with `field` in it."""

    def upsert(request: Mapping[str, Any]) -> Any:
        if field in request["values"]:
            return NO_FIELD
        return {"id": "a01000000000001AAA", "created": True}

    return upsert


def mended(deployment: Deployment) -> Deployment:
    """Return the deployment of a version that does without the field that the org lacks."""
    describe = {
        **UPSERT[0],
        "settings": {**UPSERT[0]["settings"], "lines": UPSERT[0]["settings"]["lines"][:2]},
    }
    document = {**deployment.version.document, "steps": [describe, UPSERT[1]]}
    version = publish(flow=deployment.flow, document=document, note="", actor="ada", now=timezone.now())
    live = deploy(version=version, pair=deployment.pair, actor="ada", now=timezone.now())
    ROUTES.forget()
    return live


def test_runs_of_a_version_that_lacks_something_do_not_hold_the_version_that_mends_it(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    broken = a_deployed_flow(pair, UPSERT)
    systems.answers["upsert"] = lacking("Card_Brand__c")
    for _ in range(5):
        an_event(pair.stripe, a_charge(brand="visa"))
    work_until_quiet(worker)
    live = mended(broken)

    for _ in range(3):
        an_event(pair.stripe, a_charge(brand="visa"))
        work_until_quiet(worker)
        pass_time(A_WHILE)
        work_until_quiet(worker)

    live.refresh_from_db()
    broken.refresh_from_db()
    assert live.held_since is None
    assert broken.held_since is not None
    fates = Run.objects.order_by("id").values_list("version__number", "fate")
    assert list(fates) == [(1, "queued")] * 5 + [(2, "applied")] * 3


def test_whoever_has_mended_the_org_lets_the_runs_of_all_versions_go(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    broken = a_deployed_flow(pair, UPSERT)
    systems.answers["upsert"] = lacking("Status__c")
    an_event(pair.stripe)
    work_until_quiet(worker)
    mended(broken)
    an_event(pair.stripe)
    work_until_quiet(worker)
    del systems.answers["upsert"]

    assert holds.let_go(broken.flow_id, pair.id, now=timezone.now())
    work_until_quiet(worker)

    assert set(Run.objects.values_list("fate", flat=True)) == {"applied"}
    assert not Deployment.objects.filter(held_since__isnull=False).exists()


def test_records_that_are_at_fault_themselves_do_not_hold_the_flow_for_ever(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    deployment = a_deployed_flow(pair, UPSERT)
    culprits = [f"pi_bad_{number}" for number in range(holds.PROBES + 2)]
    systems.answers["upsert"] = refusing(
        Forbidden("insufficient access", code="INSUFFICIENT_ACCESS"), *culprits
    )
    for name in culprits:
        an_event(pair.stripe, a_charge(payment_intent=name))
    work_until_quiet(worker)
    for _ in range(20):
        an_event(pair.stripe)

    for _ in range(30):
        pass_time(A_WHILE)
        work_until_quiet(worker)

    deployment.refresh_from_db()
    assert deployment.held_since is None
    assert Run.objects.filter(fate="applied").count() == 20


def test_a_flow_that_saves_nothing_is_let_go_when_its_effect_gets_through(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    deployment = a_deployed_flow(pair, [DUN])
    systems.answers["start_flow"] = lambda _: Forbidden("no access to the Flow", code="INSUFFICIENT_ACCESS")
    for _ in range(8):
        an_event(pair.stripe)
    work_until_quiet(worker)
    del systems.answers["start_flow"]

    pass_time(A_WHILE)
    work_until_quiet(worker)

    deployment.refresh_from_db()
    assert deployment.held_since is None
    assert set(Run.objects.values_list("fate", flat=True)) == {"applied"}


def test_runs_that_did_not_even_try_leave_no_attempt(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, UPSERT)
    systems.answers["upsert"] = refusing(NO_FIELD)
    for _ in range(20):
        an_event(pair.stripe)
    work_until_quiet(worker)
    tried = Attempt.objects.count()

    pass_time(A_WHILE)
    work_until_quiet(worker)

    assert (tried, Attempt.objects.count()) == (20, 20 + holds.PROBES)


LOOK_UP: list[dict[str, Any]] = [
    {
        "id": "customer",
        "kind": "salesforce.query",
        "settings": {
            "soql": "SELECT Id, Name FROM Account WHERE Stripe_Id__c = {id}",
            "values": {"id": ["charge.customer"]},
        },
    },
]


def finding(*records: dict[str, Any]) -> Any:
    """Return an org in which every query finds `records`."""
    return lambda _: {"records": list(records)}


def test_a_flow_that_only_reads_is_let_go_when_its_reading_gets_through(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    deployment = a_deployed_flow(pair, LOOK_UP)
    systems.answers["query"] = lambda _: Refused("No such column", code="INVALID_FIELD", field="Stripe_Id__c")
    for _ in range(holds.PROBES + 5):
        an_event(pair.stripe, a_charge(customer="cus_1"))
    work_until_quiet(worker)
    deployment.refresh_from_db()
    assert (deployment.held_since is None, deployment.held_step) == (False, "customer")
    systems.answers["query"] = finding({"Id": "001000000000001AAA"})

    pass_time(A_WHILE)
    work_until_quiet(worker)

    deployment.refresh_from_db()
    assert (deployment.held_since, deployment.held_step) == (None, "")
    assert set(Run.objects.values_list("state", flat=True)) == {"done"}


def test_that_nothing_was_looked_for_does_not_let_a_flow_go(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    deployment = a_deployed_flow(pair, LOOK_UP)
    systems.answers["query"] = lambda _: Refused("No such column", code="INVALID_FIELD", field="Stripe_Id__c")
    an_event(pair.stripe, a_charge(customer="cus_1"))
    work_until_quiet(worker)
    Run.objects.update(next_attempt_at=timezone.now() + timedelta(hours=1))
    an_event(pair.stripe, a_charge(customer=None))

    pass_time(A_WHILE)
    work_until_quiet(worker)

    deployment.refresh_from_db()
    assert deployment.held_since is not None
