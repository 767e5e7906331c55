"""A run waits for an event that belongs to it: in the inbox already, on its way, or still to come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from connectors.models import Connection, Topic
from flows import retention, runner, startable
from flows.dispatch import dispatch
from flows.engine import definition
from flows.lanes import WorkerLease, database_now
from flows.models import AwaitedEvent, Event, Fate, Lane, Pair, Run
from flows.steps import registry
from tests.builders import NOON
from tests.integration.flows.bus import list_objects
from tests.integration.flows.given import a_charge, a_worker, an_event
from tests.integration.flows.two_systems import (
    TwoSystems,
    a_deployed_flow,
)

pytestmark = pytest.mark.django_db(transaction=True)

YEAR = timedelta(days=365)


@pytest.fixture(autouse=True)
def _stripe(systems: TwoSystems) -> None:
    """Let Stripe know the payment: a run that waited long reads it anew."""
    charge = a_charge(id="ch_1", payment_intent="pi_1")
    systems.objects["pi_1"] = {"id": "pi_1", "object": "payment_intent", "latest_charge": charge}


@pytest.fixture
def worker(db: None) -> Iterator[WorkerLease]:
    found = a_worker("waits")
    yield found
    found.stop()


def a_waiting_flow(pair: Pair, **settings: Any) -> None:
    """Let a flow be live whose runs wait for the invoice of their payment to be paid."""
    wait = {
        "types": ["invoice.paid"],
        "key": "payment_intent",
        "equals": ["charge.payment_intent"],
        "hours": 2,
    }
    came = [{"id": "told", "kind": "stop", "settings": {"reason": "It came"}}]
    late = [{"id": "late", "kind": "stop", "settings": {"reason": "It did not come"}}]
    exits = {"came": came, "timeout": late}
    a_deployed_flow(
        pair, [{"id": "wait", "kind": "wait_for_event", "settings": wait | settings, "exits": exits}]
    )


def a_payment(pair: Pair) -> None:
    """Let the event come that starts the flow."""
    an_event(pair.stripe, a_charge(id="ch_1", payment_intent="pi_1"), received_at=timezone.now())


def an_invoice(connection: Connection, *, of: str = "pi_1", **fields: Any) -> Event:
    """Let an invoice be paid that belongs to a payment."""
    invoice = {"id": f"in_{of}", "object": "invoice", "payment_intent": of}
    values = {"type": "invoice.paid", "received_at": timezone.now()} | fields
    return an_event(connection, invoice, **values)


def drain(worker: WorkerLease, passes: int = 6) -> None:
    for _ in range(passes):
        if not runner.work(worker, lambda: True):
            return


def the_end() -> tuple[str, str]:
    run = Run.objects.order_by("id").first()
    assert run is not None
    return run.state, run.reason


def passing_on(monkeypatch: pytest.MonkeyPatch, number: int, what: Callable[[], Any]) -> list[int]:
    """Do something between what the run saw in its try of that number, and the transaction that closes it."""
    closed: list[int] = []
    close = runner.close

    def closing(*args: Any, **kwargs: Any) -> int:
        closed.append(len(closed) + 1)
        if closed[-1] == number:
            what()
        return close(*args, **kwargs)

    monkeypatch.setattr(runner, "close", closing)
    return closed


def test_an_event_wakes_the_run_that_waits_for_it_and_no_other(pair, worker):
    a_waiting_flow(pair)
    a_payment(pair)
    drain(worker)
    waiting = the_end()
    other = an_invoice(pair.stripe, of="pi_2")
    drain(worker)
    still = the_end()

    own = an_invoice(pair.stripe)
    drain(worker)

    assert waiting[0] == still[0] == "ready"
    assert waiting[1].startswith("It waits for invoice.paid, until ")
    assert the_end() == ("done", "It came")
    other.refresh_from_db()
    own.refresh_from_db()
    assert (other.fate, own.fate) == (Fate.IGNORED, Fate.IGNORED)
    assert own.fate_reason == "no flow handles invoice.paid; a run that waited for it goes on"
    assert "waited" not in other.fate_reason
    assert AwaitedEvent.objects.get().over


@pytest.mark.parametrize("try_", [1, 2])
def test_an_event_is_not_lost_that_is_dispatched_while_the_run_settles_down_to_wait(
    pair, worker, monkeypatch, try_
):
    """First the wait is committed, then what came is looked through: the event comes behind either look."""
    a_waiting_flow(pair)
    a_payment(pair)
    dispatched: list[int] = []

    def come() -> None:
        an_invoice(pair.stripe)
        dispatched.append(dispatch(now=database_now()))

    closed = passing_on(monkeypatch, try_, come)

    drain(worker)

    assert (dispatched, len(closed)) == ([1], try_ + 1)
    assert the_end() == ("done", "It came")


def test_an_event_that_another_worker_is_dispatching_is_looked_for_again(pair, worker, monkeypatch):
    """Its dispatch may have read the waits before this one was there, and has not been committed."""
    a_waiting_flow(pair)
    a_payment(pair)
    passing_on(monkeypatch, 1, lambda: an_invoice(pair.stripe, dispatched_at=None))
    monkeypatch.setattr(
        runner, "dispatch", lambda *, now: dispatch(now=now) if not Run.objects.exists() else 0
    )
    drain(worker)
    run = Run.objects.get()
    soon = run.next_attempt_at - timezone.now()
    Event.objects.filter(type="invoice.paid").update(dispatched_at=timezone.now(), fate="ignored")
    Run.objects.update(next_attempt_at=NOON)
    Lane.objects.update(ready_at=NOON)

    drain(worker)

    assert soon < timedelta(seconds=5)
    assert the_end() == ("done", "It came")


def test_what_came_within_the_minutes_before_counts_if_it_is_younger_than_the_event_of_the_run(pair, worker):
    a_waiting_flow(pair, look_back_minutes=10)
    early = an_invoice(pair.stripe, dispatched_at=NOON, fate="ignored")
    a_payment(pair)
    drain(worker)
    after_the_early_one = the_end()[0]
    a_payment(pair)
    dispatch(now=database_now())
    ago = timezone.now() - timedelta(minutes=30)
    an_invoice(pair.stripe, dispatched_at=NOON, fate="ignored", received_at=ago)
    refused = an_invoice(pair.stripe, dispatched_at=NOON, fate="refused")
    counts = an_invoice(pair.stripe, dispatched_at=NOON, fate="ignored")

    drain(worker)

    assert after_the_early_one == "ready"
    assert early.pk < refused.pk < counts.pk
    assert AwaitedEvent.objects.get(over=True).event_id == counts.pk
    assert sorted(Run.objects.values_list("state", flat=True)) == ["done", "ready"]


def test_an_event_of_the_org_wakes_a_run_that_an_event_of_stripe_began(pair, worker):
    a_waiting_flow(pair, system="salesforce", types=["Order.updated"], key="Id")
    a_payment(pair)
    drain(worker)
    body = (
        b'{"id": "u-1", "type": "Order.updated", "entity": "Order", "record_ids": ["801A", "pi_1"],'
        b' "data": {"object": {"Id": "801A", "Status": "Activated"}}}'
    )

    an_event(pair.salesforce, body=body, type="Order.updated", livemode=None, received_at=timezone.now())
    drain(worker)

    assert the_end() == ("done", "It came")


def test_a_run_whose_event_does_not_come_goes_on_when_time_is_up(pair, worker):
    a_waiting_flow(pair)
    a_payment(pair)
    drain(worker)
    run = Run.objects.get()
    since, until, key = run.memory["wait"]["wait"]
    over = timezone.now() - timedelta(minutes=1)
    memory = {"wait": {"wait": [since, over.isoformat(), key]}}
    Run.objects.update(memory=memory, next_attempt_at=over)
    Lane.objects.update(ready_at=over)

    drain(worker)
    an_invoice(pair.stripe)
    drain(worker)

    assert timezone.now() + timedelta(hours=1, minutes=50) < datetime.fromisoformat(until)
    assert the_end() == ("done", "It did not come")
    assert Event.objects.get(type="invoice.paid").fate_reason == "no flow handles invoice.paid"


def test_the_content_of_what_came_is_kept_for_as_long_as_the_run_may_need_it(pair, worker):
    a_waiting_flow(pair)
    a_payment(pair)
    drain(worker)
    event = an_invoice(pair.stripe)
    dispatch(now=database_now())

    during = retention.counts(now=timezone.now() + YEAR)["contents"]
    drain(worker)
    after = retention.counts(now=timezone.now() + YEAR)["contents"]
    purged = retention.purge_all(now=timezone.now() + YEAR, pause=0)

    assert (during, after) == (0, 2)
    assert purged
    assert not Event.objects.filter(pk=event.pk).exists()
    assert not AwaitedEvent.objects.exists()


def that_waits_for(*types: str) -> Any:
    settings = {"system": "salesforce", "key": "Id", "equals": ["charge.id"], "days": 1, "types": [*types]}
    wait = {"id": "wait", "kind": "wait_for_event", "settings": settings}
    trigger = {"kind": "stripe.event", "types": ["charge.succeeded"]}
    return definition.load(
        {"format": 1, "name": "Wait", "trigger": trigger, "steps": [wait]}, kinds=registry.load()
    )


def test_a_wait_for_what_the_org_names_in_other_letters_is_refused(pair):
    list_objects(pair.salesforce, "Order", "Paid__e")
    Topic.objects.create(connection=pair.salesforce, name="/data/ChangeEvents", created_at=NOON)
    Topic.objects.create(connection=pair.salesforce, name="/event/Paid__e", created_at=NOON)

    found = list(startable.of_waits(that_waits_for("order.updated", "paid__e"), pair.salesforce))

    assert [(issue.level, issue.code, issue.fix) for issue in found] == [
        ("error", "other_letters", "Write Order.updated."),
        ("error", "other_letters", "Write Paid__e."),
    ]
    assert not list(startable.of_waits(that_waits_for("Order.updated", "Paid__e"), pair.salesforce))


def test_a_wait_for_what_nobody_listens_to_is_told_before_it_is_published(pair):
    document = that_waits_for("Order.updated", "Paid__e")
    Topic.objects.create(connection=pair.salesforce, name="/data/OrderChangeEvent", created_at=NOON)

    (issue,) = startable.of_waits(document, pair.salesforce)

    assert (issue.level, issue.code, issue.step) == ("warning", "not_listened", "wait")
    assert "/event/Paid__e" in issue.message
