"""This module tests that nothing is left out because something newer came, or came at the same time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from flows.lanes import WorkerLease
from flows.models import DeadLetter, Effect, Event, Pair, Review, Run
from integrator.kernel.errors import Refused
from tests.integration.flows.given import a_charge, an_event
from tests.integration.flows.two_systems import (
    UPSERT,
    TwoSystems,
    a_deployed_flow,
    refusing,
    work_until_quiet,
)

pytestmark = pytest.mark.django_db

NO = Refused("no", code="FIELD_CUSTOM_VALIDATION_EXCEPTION")
TASK: list[dict[str, Any]] = [
    {
        "id": "describe_task",
        "kind": "map",
        "settings": {"target": "Task", "lines": [{"field": "Subject", "from": ["charge.status"]}]},
    },
    {
        "id": "task",
        "kind": "salesforce.create",
        "settings": {"object": "Task", "record": "describe_task", "purpose": "Call the customer"},
    },
]
ASK: dict[str, Any] = {
    "id": "ask",
    "kind": "ask",
    "settings": {
        "question": "Save {charge.id}?",
        "options": [{"exit": "save", "label": "Save"}, {"exit": "leave", "label": "Leave"}],
    },
}


def happens(pair: Pair, seconds: int, *, received: timedelta = timedelta(), **charge: Any) -> Event:
    """Return an event about a charge of the payment `pi_1`, received so much later than it happened."""
    found = a_charge(**({"id": "ch_1", "payment_intent": "pi_1"} | charge))
    happened = timezone.now() - timedelta(seconds=3_000) + timedelta(seconds=seconds)
    return an_event(
        pair.stripe,
        found,
        type="charge.updated",
        created=int(happened.timestamp()),
        received_at=happened + received,
    )


def keyed_by(path: str) -> list[dict[str, Any]]:
    """Return the steps that save a record under what stands at `path`."""
    describe, save = UPSERT
    key, *others = describe["settings"]["lines"]
    lines = [{**key, "from": [path]}, *others]
    return [{**describe, "settings": {**describe["settings"], "lines": lines}}, save]


# Collapsing


def test_facts_are_kept_each_although_a_newer_one_of_the_same_object_waits(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, keyed_by("event.id"))
    events = [happens(pair, second) for second in (1, 2, 3)]

    work_until_quiet(worker)

    assert systems.records.keys() == {f"Payment__c:{event.external_id}" for event in events}


def test_what_one_event_has_created_is_created_although_the_newest_is_history(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*UPSERT, *TASK])
    happens(pair, 1)
    happens(pair, 2, received=timedelta(hours=40))

    work_until_quiet(worker)

    assert Effect.objects.get().state == "done"
    assert any(key.startswith("Task:") for key in systems.records)


def test_a_failure_that_the_flow_handles_does_the_work_of_nobody_else(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    handled = {**UPSERT[1], "exits": {"error": [{**UPSERT[0], "id": "again"}]}}
    a_deployed_flow(pair, [{**UPSERT[0]}, handled])

    def upsert(request: Any) -> Any:
        return (
            NO if request["values"]["Status__c"] == "bad" else {"id": "a01000000000001AAA", "created": True}
        )

    systems.answers["upsert"] = upsert
    happens(pair, 1, status="good")
    happens(pair, 2, status="bad")

    work_until_quiet(worker)

    assert sorted(Run.objects.values_list("fate", flat=True)) == ["applied", "ignored"]


def test_an_older_event_goes_its_own_way_where_what_is_found_decides(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    account = {**UPSERT[1], "id": "save_early"}
    look = {
        "id": "look",
        "kind": "stripe.retrieve",
        "settings": {"type": "customer", "id": ["charge.customer"]},
        "exits": {"none": [account]},
    }
    a_deployed_flow(pair, [UPSERT[0], look])
    systems.objects["cus_1"] = {"id": "cus_1", "object": "customer"}
    happens(pair, 1, customer=None)
    happens(pair, 2, customer="cus_1")

    work_until_quiet(worker)

    assert "Payment__c:pi_1" in systems.records


# Superseding


def test_an_older_dead_letter_stays_while_it_has_something_to_create(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    failed = {"path": ["charge.status"], "is": "equal", "value": "failed"}
    only_then = {"id": "failed", "kind": "condition", "settings": {"all": [failed]}, "exits": {"yes": TASK}}
    a_deployed_flow(pair, [*UPSERT, only_then])
    systems.answers["upsert"] = refusing(NO)
    happens(pair, 1, status="failed")
    work_until_quiet(worker)
    del systems.answers["upsert"]

    happens(pair, 60, status="succeeded")
    work_until_quiet(worker)

    assert DeadLetter.objects.unresolved().count() == 1


def test_a_question_about_one_object_does_not_close_that_about_another_of_its_lane(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [ASK, *keyed_by("charge.id")])
    for second, name in ((1, "ch_1"), (60, "ch_2")):
        happens(pair, second, id=name)
        work_until_quiet(worker)

    assert [review.question for review in Review.objects.open().order_by("id")] == [
        "Save ch_1?",
        "Save ch_2?",
    ]
    happens(pair, 120, id="ch_1")
    work_until_quiet(worker)
    assert [review.question for review in Review.objects.open().order_by("id")] == [
        "Save ch_2?",
        "Save ch_1?",
    ]


def test_a_newer_question_closes_the_same_question_although_something_is_created_behind_it(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [ASK, *TASK])
    for second in (1, 60):
        happens(pair, second)
        work_until_quiet(worker)

    assert [review.run_id for review in Review.objects.open()] == [Run.objects.latest("id").id]


def test_what_a_newer_run_has_created_too_is_not_left_of_an_older_dead_letter(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*UPSERT, *TASK])
    systems.answers["upsert"] = refusing(NO, "pi_1")
    happens(pair, 1)
    work_until_quiet(worker)
    del systems.answers["upsert"]

    happens(pair, 60)
    work_until_quiet(worker)

    assert DeadLetter.objects.get().resolution == "superseded"
    assert Effect.objects.get().state == "done"
