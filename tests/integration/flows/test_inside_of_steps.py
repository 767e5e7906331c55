"""Branches, and steps that are done together, on the database: what is kept, and what a crash does to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from flows import runner
from flows.lanes import WorkerLease
from flows.models import DeadLetter, Effect, Pair, Run
from integrator.kernel.errors import Refused, Transient
from tests.integration.flows.given import a_charge, a_worker, an_event
from tests.integration.flows.two_systems import (
    STATUS,
    TELL,
    UPSERT,
    TwoSystems,
    a_deployed_flow,
    pass_time,
    work_until_quiet,
)

pytestmark = pytest.mark.django_db(transaction=True)

ACCOUNT = {"salesforce_account_id": "001000000000001AAA"}
LINES = [{"field": "Subject", "from": ["charge.id"]}]


def a_task(step: str) -> list[dict[str, Any]]:
    """Return the steps that make one task in the org, once, whatever becomes of the answer."""
    record = {"id": f"{step}_is", "kind": "map", "settings": {"target": "Task", "lines": LINES}}
    settings = {"object": "Task", "record": f"{step}_is", "purpose": step}
    return [record, {"id": step, "kind": "salesforce.create", "settings": settings}]


TOGETHER: list[dict[str, Any]] = [
    {
        "id": "all",
        "kind": "scope",
        "settings": {"undo": [{"step": "enrol", "exit": "back"}]},
        "exits": {"try": [*a_task("enrol"), STATUS, TELL], "back": a_task("put_back")},
    }
]


@pytest.fixture
def worker(db: None) -> Iterator[WorkerLease]:
    found = a_worker("inside")
    yield found
    found.stop()


def a_payment(pair: Pair, systems: TwoSystems) -> None:
    charge = a_charge(id="ch_1", payment_intent="pi_1", metadata=ACCOUNT)
    systems.objects["pi_1"] = {"id": "pi_1", "object": "payment_intent", "latest_charge": charge}
    now = timezone.now()
    an_event(pair.stripe, charge, created=int(now.timestamp()), received_at=now)


def tasks(systems: TwoSystems) -> int:
    return sum(target.startswith("Task:") for target in systems.records)


def refuse(_request: Any) -> Refused:
    return Refused("The account is locked", code="FIELD_CUSTOM_VALIDATION_EXCEPTION")


def test_what_was_done_is_undone_once_and_the_run_ends_in_order(pair, worker, systems):
    a_deployed_flow(pair, TOGETHER)
    systems.answers["update"] = refuse
    a_payment(pair, systems)

    work_until_quiet(worker)

    run = Run.objects.get()
    assert [request["object"] for request in systems.made("upsert")] == ["Task", "Task"]
    assert tasks(systems) == 2
    assert (run.state, bytes(run.kept)) == ("done", b"")
    assert not DeadLetter.objects.exists()
    assert set(Effect.objects.values_list("state", flat=True)) == {"done"}


@pytest.mark.parametrize("number", [1, 2])
def test_a_worker_that_is_lost_before_it_closes_undoes_nothing_twice_and_does_nothing_twice(
    pair,
    worker,
    systems,
    monkeypatch,
    number,
):
    """First it is lost when it has failed, then when it has undone: what was sent by then is known."""
    a_deployed_flow(pair, TOGETHER)
    systems.answers["update"] = refuse
    a_payment(pair, systems)
    close, closed = runner.close, []

    def lost(*args: Any, **kwargs: Any) -> int:
        closed.append(1)
        if len(closed) == number:
            raise RuntimeError("the machine went away")
        return close(*args, **kwargs)

    monkeypatch.setattr(runner, "close", lost)
    with pytest.raises(RuntimeError, match="went away"):
        work_until_quiet(worker)

    work_until_quiet(worker)

    assert len(closed) == 3
    assert tasks(systems) == 2
    assert list(Effect.objects.order_by("id").values_list("purpose", "state")) == [
        ("enrol", "done"),
        ("put_back", "done"),
    ]
    assert Run.objects.get().state == "done"


def test_a_branch_that_is_done_is_not_done_again_and_what_it_kept_is_sealed(pair, worker, systems):
    branches = {"branches": [{"exit": "payment"}, {"exit": "account"}]}
    exits = {"payment": UPSERT, "account": [STATUS, TELL]}
    a_deployed_flow(pair, [{"id": "fork", "kind": "parallel", "settings": branches, "exits": exits}])
    systems.answers["update"] = lambda _request: Transient("The org is busy", code="busy")
    a_payment(pair, systems)
    work_until_quiet(worker)
    waiting = Run.objects.get()
    del systems.answers["update"]

    pass_time(timedelta(hours=1))
    work_until_quiet(worker)

    run = Run.objects.get()
    assert (waiting.state, run.state, run.fate) == ("retrying", "done", "applied")
    assert waiting.kept
    assert b"External_ID__c" not in bytes(waiting.kept)
    assert len(systems.made("upsert")) == 1
    assert len(systems.made("update")) == 2
    assert bytes(run.kept) == b""
