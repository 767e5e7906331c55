"""This module tests that nobody has to look at a dead letter of which nothing is left to do."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from django.utils import timezone

from flows import lanes
from flows.closing import close
from flows.dispatch import dispatch
from flows.engine.item import Event as EventView
from flows.engine.item import Item, Source
from flows.lanes import WorkerLease
from flows.models import DeadLetter, Event, Lane, Pair, Run
from flows.publishing import publish
from flows.routes import ROUTES
from integrator.kernel.errors import Refused
from tests.builders import NOON
from tests.integration.flows.given import a_charge
from tests.integration.flows.test_closing import an_end
from tests.integration.flows.test_holding import happens
from tests.integration.flows.two_systems import (
    DUN,
    UPSERT,
    TwoSystems,
    a_deployed_flow,
    refusing,
    work_until_quiet,
)

pytestmark = pytest.mark.django_db

NO = Refused("no", code="FIELD_CUSTOM_VALIDATION_EXCEPTION")


def needing_a_status() -> list[dict[str, Any]]:
    """Return the upsert of a payment whose status must be there."""
    steps = copy.deepcopy(UPSERT)
    steps[0]["settings"]["lines"][1]["empty"] = "fail"
    return steps


def test_an_older_state_that_fails_when_the_newer_stands_is_no_letter(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, needing_a_status())
    happens(pair, 60, status="newer")
    work_until_quiet(worker)

    happens(pair, 1, status=None)
    work_until_quiet(worker)

    assert DeadLetter.objects.get().resolution == "superseded"
    assert list(Run.objects.order_by("id").values_list("fate", flat=True)) == ["applied", "superseded"]
    assert set(Event.objects.values_list("fate", flat=True)) == {"applied", "superseded"}


@pytest.mark.parametrize(
    ("seconds", "behind"),
    [pytest.param(1, [DUN], id="an effect is left"), pytest.param(90, [], id="it is newer than what stands")],
)
def test_it_is_one_where_something_is_left_to_do(
    pair: Pair, worker: WorkerLease, systems: TwoSystems, seconds: int, behind: list[dict[str, Any]]
) -> None:
    a_deployed_flow(pair, [*needing_a_status(), *behind])
    happens(pair, 60, status="stands")
    work_until_quiet(worker)

    happens(pair, seconds, status=None)
    work_until_quiet(worker)

    assert DeadLetter.objects.unresolved().count() == 1


def test_the_same_event_done_once_more_leaves_nothing_of_a_letter(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    systems.answers["upsert"] = refusing(NO)
    event = happens(pair, 1, status="failed")
    work_until_quiet(worker)
    again = Run.objects.get(event=event).again(reason="once more", now=timezone.now())
    again.save()
    Lane.objects.set_ready({again.lane_id})
    charge = a_charge(id="ch_1", payment_intent="pi_1", status="failed")
    systems.objects["pi_1"] = {"id": "pi_1", "object": "payment_intent", "latest_charge": charge}
    del systems.answers["upsert"]

    work_until_quiet(worker)

    assert DeadLetter.objects.get().resolution == "superseded"
    assert [run.fate for run in Run.objects.order_by("replay")] == ["superseded", "applied"]
    assert len(systems.made("start_flow")) == 1


def test_a_newer_state_with_which_the_record_agrees_closes_an_older_letter(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, UPSERT)
    systems.answers["upsert"] = refusing(NO)
    happens(pair, 1)
    work_until_quiet(worker)
    event, now = happens(pair, 60), lanes.database_now()
    dispatch(now=now)
    (run,) = Run.objects.filter(event=event).select_related("event", "pair")
    lanes.claim(worker, 1, now=now)
    view, source = (
        EventView("evt_1", "charge.updated", 0),
        Source("ch_1", event.happened_at, event.happened_at),
    )
    item = Item(run.pk, event.pk, view, "pi_1", {}, source)
    item.outputs["save"] = {"unchanged": "Nothing differs", "external_id": "pi_1"}
    item.effects.append("echo")

    close(worker, [an_end(run, fate="echo", item=item)], now=now)

    assert DeadLetter.objects.get().resolution == "superseded"


def test_a_version_that_saves_the_record_by_another_step_closes_what_the_old_step_left(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    live = a_deployed_flow(pair, UPSERT)
    systems.answers["upsert"] = refusing(NO)
    happens(pair, 1)
    work_until_quiet(worker)
    del systems.answers["upsert"]
    document = copy.deepcopy(live.version.document)
    document["steps"][1]["id"] = "save_anew"
    live.version = publish(flow=live.flow, document=document, note="", actor="ada", now=NOON)
    live.save()
    ROUTES.forget()

    happens(pair, 60)
    work_until_quiet(worker)

    assert DeadLetter.objects.get().resolution == "superseded"
