"""This module tests that a write which lands late, on a record that several lanes write, does not stay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from flows import confirmation
from flows.lanes import WorkerLease, expire
from flows.models import Lane, LateTarget, Pair, Run, TargetLease
from integrator.kernel.errors import Uncertain
from tests.integration.flows.given import a_charge, a_worker, an_event, die
from tests.integration.flows.two_systems import (
    ACCOUNT,
    STATUS,
    TELL,
    TwoSystems,
    a_deployed_flow,
    pass_time,
    work_until_quiet,
)

pytestmark = pytest.mark.django_db

BY_CHARGE: dict[str, Any] = {**TELL, "settings": {**TELL["settings"], "newest_by": ["charge.created"]}}
IN_A_LIST: dict[str, Any] = {
    "id": "once",
    "kind": "for_each",
    "settings": {"list": ["charge.refunds"]},
    "exits": {"each": [STATUS, BY_CHARGE]},
}


def pays(pair: Pair, systems: TwoSystems, number: int) -> None:
    """Let payment `number` of the one account happen, later than those before it."""
    charge = a_charge(
        id=f"ch_{number}",
        payment_intent=f"pi_{number}",
        status=f"of {number}",
        created=number,
        refunds=[{"id": "re_1"}],
        metadata={"salesforce_account_id": ACCOUNT},
    )
    systems.objects[f"pi_{number}"] = {
        "id": f"pi_{number}", "object": "payment_intent", "latest_charge": charge,
    }  # fmt: skip
    an_event(pair.stripe, charge, created=int(timezone.now().timestamp()) - 60 + number)


def the_time_comes() -> None:
    """Let the longest time be over for which anything can land."""
    over = timezone.now() - timedelta(seconds=1)
    Lane.objects.filter(confirm_at__isnull=False).update(confirm_at=over)
    LateTarget.objects.update(confirm_at=over)


@pytest.mark.parametrize("steps", [[STATUS, BY_CHARGE], [IN_A_LIST]], ids=["alone", "in a list"])
def test_a_late_write_of_an_older_payment_does_not_stay_on_the_account(
    pair: Pair, worker: WorkerLease, systems: TwoSystems, steps: list[dict[str, Any]]
) -> None:
    a_deployed_flow(pair, steps)
    landing: list[Mapping[str, Any]] = []

    def unanswered(request: Mapping[str, Any]) -> Any:
        landing.append(request)
        return Uncertain("The answer was lost", code="timeout")

    systems.answers["update"] = unanswered
    pays(pair, systems, 1)
    work_until_quiet(worker)
    del systems.answers["update"]
    pays(pair, systems, 2)
    work_until_quiet(worker)
    pass_time(timedelta(minutes=5))
    work_until_quiet(worker)
    assert [run.fate for run in Run.objects.order_by("id")] == ["superseded", "applied"]
    systems._update(landing[0])  # only now
    assert systems.records[f"Account:{ACCOUNT}"]["Stripe_Payment_Status__c"] == "of 1"

    the_time_comes()
    assert confirmation.open_due(now=timezone.now()) == 1
    work_until_quiet(worker)

    assert systems.records[f"Account:{ACCOUNT}"]["Stripe_Payment_Status__c"] == "of 2"
    assert not Lane.objects.filter(confirm_at__isnull=False).exists()
    assert confirmation.open_due(now=timezone.now()) == 0


class Killed(BaseException):
    """The process is gone; nothing of it goes on."""


def killed_at_its_call(worker: WorkerLease, systems: TwoSystems) -> Mapping[str, Any]:
    """Let `worker` die with a call under way, and return what that call will write."""
    landing: list[Mapping[str, Any]] = []

    def dies(request: Mapping[str, Any]) -> Any:
        landing.append(request)
        raise Killed

    systems.answers["update"] = dies
    with pytest.raises(Killed):
        work_until_quiet(worker)
    del systems.answers["update"]
    return landing[0]


def test_the_last_call_of_a_killed_worker_does_not_stay_on_the_account(
    pair: Pair, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [STATUS, BY_CHARGE])
    first, second = a_worker("first"), a_worker("second")
    pays(pair, systems, 1)
    landing = killed_at_its_call(first, systems)
    die(first)
    assert expire() == 1
    pays(pair, systems, 2)
    work_until_quiet(second)
    assert not TargetLease.objects.exists()
    systems._update(landing)  # only now
    assert systems.records[f"Account:{ACCOUNT}"]["Stripe_Payment_Status__c"] == "of 1"

    assert LateTarget.objects.get().confirm_at > timezone.now() + timedelta(minutes=10)
    the_time_comes()
    confirmation.open_due(now=timezone.now())
    work_until_quiet(second)

    assert systems.records[f"Account:{ACCOUNT}"]["Stripe_Payment_Status__c"] == "of 2"
    assert not LateTarget.objects.exists()
    assert confirmation.open_due(now=timezone.now()) == 0


def test_a_pass_that_broke_off_at_its_end_leaves_a_note_of_what_it_wrote_to(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [STATUS, BY_CHARGE])
    pays(pair, systems, 1)
    killed_at_its_call(worker, systems)
    worker.shaken = True  # by the database, which is no fault of the run

    worker.recover()

    assert LateTarget.objects.get().target == f"Account:{ACCOUNT}"
    assert Lane.objects.get().confirm_at is not None


def test_what_is_closed_in_order_leaves_no_note(pair: Pair, worker: WorkerLease, systems: TwoSystems) -> None:
    a_deployed_flow(pair, [STATUS, BY_CHARGE])
    pays(pair, systems, 1)
    work_until_quiet(worker)

    worker.recover()
    worker.stop()

    assert systems.records[f"Account:{ACCOUNT}"]["Stripe_Payment_Status__c"] == "of 1"
    assert not LateTarget.objects.exists()
    assert not Lane.objects.filter(confirm_at__isnull=False).exists()
