"""This module tests that flows are held, that waiting events collapse and that newer ones supersede."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from flows import holds, runner
from flows.lanes import WorkerLease
from flows.models import DeadLetter, Event, Pair, Run
from integrator.kernel.errors import Refused
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


def happens(pair: Pair, seconds: int, **charge: Any) -> Event:
    """Return an event about the one payment `pi_1`, so many seconds after the first."""
    found = a_charge(id="ch_1", payment_intent="pi_1", **charge)
    created = int(timezone.now().timestamp()) - 3_000 + seconds
    return an_event(
        pair.stripe,
        found,
        type="charge.failed" if charge.get("status") == "failed" else "charge.updated",
        created=created,
        received_at=timezone.now(),
    )


# Holding


def test_a_field_that_the_org_lacks_holds_the_flow_and_fills_no_dead_letters(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    deployment = a_deployed_flow(pair, UPSERT)
    systems.answers["upsert"] = refusing(NO_FIELD)
    for _ in range(20):
        an_event(pair.stripe)

    work_until_quiet(worker)
    for _ in range(20):
        an_event(pair.stripe)
    work_until_quiet(worker)

    deployment.refresh_from_db()
    assert deployment.held_reason == str(NO_FIELD)
    assert not DeadLetter.objects.exists()
    assert len(systems.made("upsert")) == 20  # those that came later did not even try
    assert set(Run.objects.values_list("state", "attempts")) == {("ready", 0)}


def test_a_few_runs_try_when_the_time_has_come_and_all_go_on_when_they_get_through(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    deployment = a_deployed_flow(pair, UPSERT)
    systems.answers["upsert"] = refusing(NO_FIELD)
    for _ in range(20):
        an_event(pair.stripe)
    work_until_quiet(worker)
    before = len(systems.made("upsert"))

    pass_time(runner.POLICY.hold + timedelta(seconds=5))
    work_until_quiet(worker)
    assert len(systems.made("upsert")) - before == holds.PROBES

    del systems.answers["upsert"]
    pass_time(runner.POLICY.hold + timedelta(seconds=60))
    work_until_quiet(worker)

    deployment.refresh_from_db()
    assert deployment.held_since is None
    assert set(Run.objects.values_list("state", "fate")) == {("done", "applied")}
    assert len(systems.records) == 20


def test_a_person_who_has_mended_it_need_not_wait(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    deployment = a_deployed_flow(pair, UPSERT)
    systems.answers["upsert"] = refusing(NO_FIELD)
    an_event(pair.stripe)
    work_until_quiet(worker)
    del systems.answers["upsert"]

    assert holds.let_go(deployment.flow_id, pair.id, now=timezone.now())
    work_until_quiet(worker)

    assert Run.objects.get().fate == "applied"


def test_one_record_that_lacks_something_holds_no_flow(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    deployment = a_deployed_flow(pair, UPSERT)
    systems.answers["upsert"] = refusing(NO_FIELD, "pi_bad")
    an_event(pair.stripe, a_charge(payment_intent="pi_bad"))
    an_event(pair.stripe)

    work_until_quiet(worker)

    deployment.refresh_from_db()
    assert deployment.held_since is None
    assert sorted(Run.objects.values_list("fate", flat=True)) == ["applied", "dead"]


# Collapsing


def test_of_many_waiting_events_the_newest_does_the_work_of_all(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, UPSERT)
    order = [3, 9, 1, 7, 5]
    for second in order:
        happens(pair, second, status=f"state {second}")

    work_until_quiet(worker)

    assert [request["values"]["Status__c"] for request in systems.made("upsert")] == ["state 9"]
    fates = sorted(Run.objects.values_list("fate", flat=True))
    assert fates == ["applied", "superseded", "superseded", "superseded", "superseded"]
    assert Event.objects.filter(fate="superseded").count() == 4


def test_where_two_may_be_the_newest_the_object_is_read(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, UPSERT)
    happens(pair, 5, status="one")
    happens(pair, 5, status="other")
    charge = a_charge(id="ch_1", payment_intent="pi_1", status="true")
    systems.objects["pi_1"] = {"id": "pi_1", "object": "payment_intent", "latest_charge": charge}

    work_until_quiet(worker)

    assert systems.records["Payment__c:pi_1"]["Status__c"] == "true"
    assert len(systems.made("retrieve")) == 1


def test_nothing_collapses_where_an_effect_would_be_left_out(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    for second in (1, 2, 3):
        happens(pair, second, status="failed")

    work_until_quiet(worker)

    assert len(systems.made("start_flow")) == 3


def test_events_that_wait_with_a_newest_that_fails_go_on_waiting(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, UPSERT)
    systems.answers["upsert"] = refusing(Refused("no", code="FIELD_CUSTOM_VALIDATION_EXCEPTION"))
    for second in (1, 2):
        happens(pair, second, status=f"state {second}")

    work_until_quiet(worker)

    assert set(Run.objects.values_list("fate", flat=True)) == {"dead"}  # each tried, none left out


# Superseding


def test_a_newer_state_closes_an_older_dead_letter(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, UPSERT)
    systems.answers["upsert"] = refusing(Refused("no", code="FIELD_CUSTOM_VALIDATION_EXCEPTION"))
    happens(pair, 1, status="bad")
    work_until_quiet(worker)
    assert DeadLetter.objects.unresolved().count() == 1

    del systems.answers["upsert"]
    happens(pair, 60, status="good")
    work_until_quiet(worker)

    assert DeadLetter.objects.get().resolution == "superseded"
    assert sorted(Run.objects.values_list("fate", flat=True)) == ["applied", "superseded"]
    assert sorted(Event.objects.values_list("fate", flat=True)) == ["applied", "superseded"]


def test_an_older_dead_letter_stays_while_an_effect_of_it_is_not_done(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    systems.answers["upsert"] = refusing(Refused("no", code="FIELD_CUSTOM_VALIDATION_EXCEPTION"))
    happens(pair, 1, status="failed")
    work_until_quiet(worker)

    del systems.answers["upsert"]
    happens(pair, 60, status="succeeded")
    work_until_quiet(worker)

    assert DeadLetter.objects.unresolved().count() == 1


def test_an_older_state_closes_nothing(pair: Pair, worker: WorkerLease, systems: TwoSystems) -> None:
    a_deployed_flow(pair, UPSERT)
    systems.answers["upsert"] = refusing(Refused("no", code="FIELD_CUSTOM_VALIDATION_EXCEPTION"))
    happens(pair, 60, status="newer")
    work_until_quiet(worker)

    del systems.answers["upsert"]
    happens(pair, 1, status="older")
    work_until_quiet(worker)

    assert DeadLetter.objects.unresolved().count() == 1
