"""This module tests what becomes of runs when something breaks that is no fault of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from flows import context, deadletters, payloads, runner
from flows.lanes import WorkerLease
from flows.models import DeadLetter, Deployment, Event, FlowVersion, Lane, Pair, Run
from flows.plans import compiled
from flows.routes import ROUTES
from tests.integration.flows.given import a_charge, an_event
from tests.integration.flows.two_systems import (
    UPSERT,
    TwoSystems,
    a_deployed_flow,
    pass_time,
    work_until_quiet,
)

pytestmark = pytest.mark.django_db

GONE = "salesforce.of_a_package_that_was_removed"


def test_a_database_that_breaks_off_a_step_is_no_fault_of_its_runs(
    pair: Pair, worker: WorkerLease, systems: TwoSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_deployed_flow(pair, UPSERT)
    for _ in range(3):
        an_event(pair.stripe)
    look = context.taken_by_others

    def broken(*_: Any) -> frozenset[str]:
        raise OperationalError("terminating connection due to administrator command")

    monkeypatch.setattr(context, "taken_by_others", broken)
    with pytest.raises(OperationalError):
        runner.work(worker, lambda: True)
    assert set(Run.objects.values_list("state", flat=True)) == {"ready"}

    monkeypatch.setattr(context, "taken_by_others", look)
    work_until_quiet(worker)

    assert not DeadLetter.objects.exists()
    assert set(Run.objects.values_list("fate", "attempts")) == {("applied", 0)}
    assert set(Lane.objects.values_list("crashes", "worker")) == {(0, None)}


def test_a_version_that_cannot_be_run_any_more_waits_and_keeps_nobody_else(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    broken = a_deployed_flow(pair, UPSERT, slug="broken")
    a_deployed_flow(pair, UPSERT, slug="sound")
    remove_the_kind_of_its_last_step(broken)
    an_event(pair.stripe)

    work_until_quiet(worker)

    assert dict(Run.objects.values_list("flow__slug", "fate")) == {"broken": "queued", "sound": "applied"}
    broken.refresh_from_db()
    assert GONE in broken.held_reason

    put_it_back(broken)
    pass_time(runner.POLICY.hold + timedelta(seconds=5))
    work_until_quiet(worker)

    assert set(Run.objects.values_list("fate", flat=True)) == {"applied"}


def test_a_dead_letter_of_a_version_that_cannot_be_run_any_more_harms_no_newer_run(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    broken = a_deployed_flow(pair, UPSERT)
    an_event(pair.stripe, a_charge(payment_intent="pi_1"))
    work_until_quiet(worker)
    old = Run.objects.get()
    Run.objects.filter(id=old.id).update(state="dead", fate="dead")
    DeadLetter.objects.create(
        event_id=old.event_id,
        run=old,
        error_class="data",
        message="no",
        step="save",
        created_at=timezone.now(),
    )
    remove_the_kind_of_its_last_step(broken)
    broken.end(now=timezone.now())
    sound = FlowVersion.objects.create(
        flow=broken.flow, number=2, document=broken.version.document, content_hash="sound",
        published_at=timezone.now(), published_by="ada",
    )  # fmt: skip
    Deployment.objects.create(
        flow=broken.flow, version=sound, pair=pair, deployed_at=timezone.now(), deployed_by="ada"
    )
    ROUTES.forget()
    an_event(pair.stripe, a_charge(payment_intent="pi_1"), created=int(timezone.now().timestamp()))

    work_until_quiet(worker)

    newer = Run.objects.exclude(id=old.id).get()
    assert (newer.fate, newer.reason) == ("applied", "")
    assert DeadLetter.objects.unresolved().count() == 1


def remove_the_kind_of_its_last_step(deployment: Deployment) -> None:
    """Let the version name a kind of step that is not installed."""
    rewrite(deployment, [UPSERT[0], {**UPSERT[1], "kind": GONE}])


def put_it_back(deployment: Deployment) -> None:
    rewrite(deployment, UPSERT)


def rewrite(deployment: Deployment, steps: Sequence[Any]) -> None:
    document = {**deployment.version.document, "steps": list(steps)}
    FlowVersion.objects.filter(id=deployment.version_id).update(document=document)
    compiled.cache_clear()


def test_what_one_object_waited_for_is_closed_in_one_go_however_small_the_transactions(
    pair: Pair, worker: WorkerLease, systems: TwoSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(runner.AT_ONCE, connection.vendor, 2)
    a_deployed_flow(pair, UPSERT)
    now = int(timezone.now().timestamp())
    for second in range(7):
        an_event(pair.stripe, a_charge(id="ch_1", payment_intent="pi_1"), created=now - 100 + second)

    runner.work(worker, lambda: True)

    assert sorted(Run.objects.values_list("fate", flat=True)) == ["applied", *["superseded"] * 6]
    assert Lane.objects.get().worker_id is None
    assert len(systems.made("upsert")) == 1


@pytest.mark.parametrize("kind", [["charge"], {"id": "charge"}], ids=["a list", "an object"])
def test_an_event_whose_object_has_no_type_that_is_one_stops_nobody_else(
    pair: Pair, worker: WorkerLease, systems: TwoSystems, kind: Any
) -> None:
    a_deployed_flow(pair, UPSERT)
    strange = an_event(pair.stripe, a_charge(object=kind), api_version="2014-01-31")
    an_event(pair.stripe)

    work_until_quiet(worker)

    assert sorted(Event.objects.values_list("fate", flat=True)) == ["applied", "dead"]
    assert DeadLetter.objects.get().event_id == strange.id


def test_an_event_on_which_dispatch_breaks_is_shown_to_a_person_and_stops_nobody_else(
    pair: Pair, worker: WorkerLease, systems: TwoSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_deployed_flow(pair, UPSERT)
    strange = an_event(pair.stripe, a_charge(id="ch_strange"))
    an_event(pair.stripe)
    worth_of = payloads.worth_of

    def choke(found: Any) -> Any:
        return 1 / 0 if found["id"] == "ch_strange" else worth_of(found)

    monkeypatch.setattr(payloads, "worth_of", choke)
    work_until_quiet(worker)

    letter = DeadLetter.objects.get()
    assert (letter.event_id, letter.code, letter.run) == (strange.id, "undispatchable", None)
    assert Run.objects.get().fate == "applied"

    monkeypatch.setattr(payloads, "worth_of", worth_of)
    deadletters.retry(letter=letter, actor="otto", now=timezone.now())
    work_until_quiet(worker)
    assert set(Event.objects.values_list("fate", flat=True)) == {"applied"}
