"""This module tests effects that several runs or workers ask for, one after the other or at the same time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from flows import confirmation, deadletters, effects
from flows.engine.item import EffectEnd
from flows.engine.once import KEY_SPENT
from flows.engine.ports import Intent
from flows.lanes import WorkerLease
from flows.models import DeadLetter, Effect, Event, Lane, Pair, Review, Run
from flows.reviews import answer
from integrator.kernel.errors import Ambiguous, Missing, Refused, Transient, Uncertain
from tests.fakes import an_item
from tests.integration.flows.given import a_charge, an_event
from tests.integration.flows.two_systems import (
    DUN,
    UPSERT,
    TwoSystems,
    a_deployed_flow,
    pass_time,
    work_until_quiet,
)

pytestmark = pytest.mark.django_db

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

INVOICE: list[dict[str, Any]] = [
    {
        "id": "invoice",
        "kind": "stripe.create",
        "settings": {
            "object": "invoice",
            "purpose": "Fee",
            "parameters": {"customer": "charge.customer"},
        },
    }
]


def happens(pair: Pair, seconds: int, *, customer: str | None = None, **fields: Any) -> Event:
    """Return an event about the payment `pi_1`, so many seconds after the first."""
    return an_event(
        pair.stripe,
        a_charge(id="ch_1", payment_intent="pi_1", customer=customer),
        type="charge.updated",
        created=int(timezone.now().timestamp()) - 3_000 + seconds,
        **({"received_at": timezone.now()} | fields),
    )


def stripe_has_it(systems: TwoSystems) -> None:
    """Let the payment be there to be read."""
    charge = a_charge(id="ch_1", payment_intent="pi_1")
    systems.objects["pi_1"] = {"id": "pi_1", "object": "payment_intent", "latest_charge": charge}


def test_what_history_left_out_is_made_when_it_happens_live(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, TASK)
    happens(pair, 1, origin="import")
    work_until_quiet(worker)
    assert Effect.objects.get().state == "skipped"

    happens(pair, 2)
    work_until_quiet(worker)

    assert Effect.objects.get().state == "done"
    assert len(systems.records) == 1


def test_history_does_not_leave_out_what_a_live_run_is_about_to_try_again(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, TASK)
    stripe_has_it(systems)
    systems.answers["upsert"] = lambda _: Transient("locked", code="UNABLE_TO_LOCK_ROW")
    happens(pair, 1)
    work_until_quiet(worker)
    del systems.answers["upsert"]
    happens(pair, 2, origin="import")
    work_until_quiet(worker)

    pass_time(timedelta(minutes=5))
    work_until_quiet(worker)

    assert Effect.objects.get().state == "done"


def test_what_a_person_left_out_stays_so_for_every_run(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, TASK)
    happens(pair, 1, origin="import")
    work_until_quiet(worker)
    Effect.objects.update(reason="A person decided to leave it out")

    happens(pair, 2)
    work_until_quiet(worker)

    assert Effect.objects.get().state == "skipped"


@pytest.mark.parametrize("late", ["in_doubt", "planned", "refused", "skipped"])
def test_nothing_that_another_run_says_later_undoes_what_was_done(
    pair: Pair, worker: WorkerLease, systems: TwoSystems, late: Any
) -> None:
    a_deployed_flow(pair, TASK)
    happens(pair, 1)
    work_until_quiet(worker)
    effect = Effect.objects.get()

    effects.keep(
        [(pair.id, EffectEnd(effect.pk, late, reason="by a worker that closes late"))], now=timezone.now()
    )

    after = Effect.objects.get()
    assert (after.state, after.reason, after.ended_at) == ("done", "", effect.ended_at)


def test_a_question_is_not_asked_again_when_a_late_write_is_confirmed(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    ask = {
        "id": "ask",
        "kind": "ask",
        "settings": {
            "question": "Save it?",
            "options": [{"exit": "save", "label": "Save"}, {"exit": "leave", "label": "Leave"}],
        },
    }
    a_deployed_flow(pair, [ask, *UPSERT])
    stripe_has_it(systems)
    happens(pair, 1)
    work_until_quiet(worker)
    answer(review=Review.objects.get(), value="save", actor="otto", now=timezone.now())
    work_until_quiet(worker)
    Lane.objects.update(confirm_at=timezone.now() - timedelta(seconds=1))

    assert confirmation.open_due(now=timezone.now()) == 1
    work_until_quiet(worker)

    assert Review.objects.count() == 1
    assert list(Run.objects.values_list("fate", flat=True)) == ["applied", "applied"]
    assert len(systems.made("upsert")) == 2


def test_what_was_emptied_for_its_age_is_not_confirmed(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    happens(pair, 1)
    work_until_quiet(worker)
    Event.objects.update(body=b"", purged_at=timezone.now())
    Lane.objects.update(confirm_at=timezone.now() - timedelta(seconds=1))

    assert confirmation.open_due(now=timezone.now()) == 0


def test_an_effect_in_front_of_a_state_in_doubt_is_made_once_and_without_a_pause(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [DUN, *UPSERT])
    stripe_has_it(systems)
    happens(pair, 1)
    work_until_quiet(worker)
    happens(pair, 1)
    work_until_quiet(worker)

    assert len(systems.made("start_flow")) == 2
    assert list(Run.objects.values_list("fate", flat=True)) == ["applied", "applied"]


def test_an_effect_that_was_refused_is_tried_with_what_the_flow_says_now(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, TASK)
    systems.answers["upsert"] = lambda _: Refused("no", code="FIELD_CUSTOM_VALIDATION_EXCEPTION")
    happens(pair, 1)
    work_until_quiet(worker)
    del systems.answers["upsert"]

    happens(pair, 2)
    work_until_quiet(worker)

    effect = Effect.objects.get()
    assert (effect.state, effect.generation) == ("done", 2)


def test_what_another_worker_made_while_it_was_looked_for_is_not_made_again(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, INVOICE)
    systems.answers["create"] = lambda _: Uncertain("a failure was kept", code=KEY_SPENT)
    happens(pair, 1, customer="cus_1")
    work_until_quiet(worker)

    def absent_until_another_worker_has_sent_it(_: Mapping[str, Any]) -> Any:
        Effect.objects.update(generation=2, sent_at=timezone.now(), reason="")
        return Missing("none")

    systems.answers["find_marked"] = absent_until_another_worker_has_sent_it
    systems.answers["create"] = lambda _: {"id": "in_1", "object": "invoice"}
    pass_time(timedelta(minutes=5))
    work_until_quiet(worker)

    effect = Effect.objects.get()
    assert (effect.state, effect.generation) == ("done", 2)


def test_what_may_have_been_made_is_looked_for_where_it_was_sent_to(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, INVOICE)
    systems.answers["create"] = lambda _: Uncertain("a failure was kept", code=KEY_SPENT)
    happens(pair, 1, customer="cus_1")
    work_until_quiet(worker)
    effect = Effect.objects.get()
    now_of_another = Intent(
        item=an_item(run_id=effect.run_id),
        step="invoice",
        kind="creating",
        purpose="Fee",
        record="pi_1",
        slot="stripe",
        action="create",
        request={"params": {"customer": "cus_2"}},
        created="stripe.invoice",
        keyed=True,
        look_up=("find_marked", {"params": {"customer": "cus_2"}}),
    )

    (prepared,) = effects.prepare(
        [now_of_another], flow_id=effect.flow_id, pair_id=pair.pk, now=timezone.now()
    )

    assert prepared.effect_id == effect.pk
    assert prepared.look_up is not None
    assert prepared.look_up[1]["params"]["customer"] == "cus_1"


def test_an_element_of_a_list_keeps_its_effect_when_the_list_has_changed(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    dun = {**DUN, "settings": {**DUN["settings"], "inputs": {"refund": {"from": ["each.id"]}}}}
    settings = {"list": ["charge.refunds"]}
    a_deployed_flow(
        pair, [{"id": "refunds", "kind": "for_each", "settings": settings, "exits": {"each": [dun]}}]
    )
    started: list[str] = []

    def start(request: Mapping[str, Any]) -> Any:
        refund = request["inputs"]["refund"]
        if refund == "re_b" and "re_b" not in refused:
            refused.append(refund)
            return Refused("no", code="FIELD_CUSTOM_VALIDATION_EXCEPTION")
        started.append(refund)
        return {"outputs": {}}

    refused: list[str] = []
    systems.answers["start_flow"] = start
    an_event(
        pair.stripe,
        a_charge(id="ch_1", payment_intent="pi_1", refunds=[{"id": "re_a"}, {"id": "re_b"}]),
        created=int(timezone.now().timestamp()),
        received_at=timezone.now(),
    )
    work_until_quiet(worker)
    charge = a_charge(
        id="ch_1", payment_intent="pi_1", refunds=[{"id": "re_c"}, {"id": "re_a"}, {"id": "re_b"}]
    )
    systems.objects["pi_1"] = {"id": "pi_1", "object": "payment_intent", "latest_charge": charge}

    deadletters.retry(letter=DeadLetter.objects.get(), actor="otto", now=timezone.now())
    work_until_quiet(worker)

    assert sorted(started) == ["re_a", "re_b", "re_c"]


CALL = "00T000000000001EAA"


def a_duplicate() -> Ambiguous:
    refusal = Ambiguous("Use one of these records?", code="DUPLICATES_DETECTED")
    refusal.records = (("Task", CALL),)
    return refusal


def test_what_a_person_chose_is_sent_again_by_whoever_asks_for_the_same(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    for slug in ("first", "second"):
        a_deployed_flow(pair, TASK, slug=slug)
    systems.answers["upsert"] = lambda _: a_duplicate()
    systems.answers["find"] = lambda _: {"records": [{"Id": CALL}]}
    systems.answers["update"] = lambda _: Transient("no answer", code="timeout")
    happens(pair, 1)
    work_until_quiet(worker)
    first, second = Review.objects.order_by("run__flow__slug")
    answer(review=first, value=CALL, actor="otto", now=timezone.now())
    work_until_quiet(worker)
    effect = Effect.objects.get()
    assert effect.state == "sent"
    before = len(systems.made("upsert"))

    del systems.answers["update"]
    answer(review=second, value="again", actor="otto", now=timezone.now())
    work_until_quiet(worker)

    effect.refresh_from_db()
    assert (effect.state, effect.action) == ("done", "update")
    assert len(systems.made("upsert")) == before
    assert systems.records[f"Task:{CALL}"] == {"Integration_Key__c": effect.public_id}
