"""This module tests that a run which is done once more has no effect a second time, by whichever version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from flows import effects, reruns, reviews
from flows.lanes import WorkerLease
from flows.models import Deployment, Effect, Pair, Review, Run
from flows.publishing import publish
from integrator.kernel.errors import Refused, Uncertain
from tests.builders import NOON
from tests.integration.flows.given import a_charge, an_event
from tests.integration.flows.two_systems import (
    DUN,
    UPSERT,
    TwoSystems,
    a_deployed_flow,
    refusing,
    work_until_quiet,
)

pytestmark = pytest.mark.django_db

REFUND: dict[str, Any] = {
    "id": "refund",
    "kind": "stripe.create",
    "settings": {
        "object": "refund",
        "parameters": {"charge": {"from": ["charge.id"]}},
        "purpose": "Give the money back",
        "about": ["charge.id"],
    },
}
STEPS = [*UPSERT, REFUND, DUN]


@pytest.fixture(autouse=True)
def stripe(systems: TwoSystems) -> None:
    """Let Stripe know the payment, and carry out what it is asked."""
    charge = a_charge(id="ch_1", payment_intent="pi_1", status="failed")
    systems.objects["pi_1"] = {"id": "pi_1", "object": "payment_intent", "latest_charge": charge}
    systems.answers["create"] = lambda _: {"id": "re_1"}


def it_fails(pair: Pair) -> None:
    """Let a payment fail now."""
    an_event(
        pair.stripe, a_charge(id="ch_1", payment_intent="pi_1", status="failed"), type="charge.failed",
        created=int(timezone.now().timestamp()), received_at=timezone.now(),
    )  # fmt: skip


def go_live(live: Deployment, steps: Sequence[Mapping[str, Any]]) -> Deployment:
    """Publish another version of `steps`, and put it in place of the one that is live."""
    document = {**live.version.document, "steps": list(steps)}
    version = publish(flow=live.flow, document=document, note="", actor="ada", now=NOON)
    live.end(now=NOON)
    return Deployment.objects.create(
        flow=live.flow, version=version, pair=live.pair, deployed_at=NOON, deployed_by="ada"
    )


def once_more(worker: WorkerLease, **how: Any) -> Run:
    """Have the last run done once more, and return the one that did it."""
    again = reruns.retry(run=Run.objects.latest("pk"), actor="otto", now=timezone.now(), **how)
    work_until_quiet(worker)
    again.refresh_from_db()
    return again


def made(systems: TwoSystems) -> list[int]:
    """Return how many refunds were asked for, and how many Flows started."""
    return [len(systems.made("create")), len(systems.made("start_flow"))]


def test_money_goes_back_once_however_often_and_by_whichever_version_it_is_run_again(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    live = a_deployed_flow(pair, STEPS)
    it_fails(pair)
    work_until_quiet(worker)
    assert made(systems) == [1, 1]

    own = once_more(worker)
    newer = go_live(live, [DUN, REFUND, *UPSERT])
    other = once_more(worker, version="live")

    assert (own.fate, other.fate, other.version_id) == ("applied", "applied", newer.version_id)
    assert made(systems) == [1, 1]
    assert len(systems.made("upsert")) == 3


def test_what_gave_up_behind_an_effect_is_retried_by_the_live_version_without_it(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    live = a_deployed_flow(pair, [REFUND, DUN, *UPSERT])
    systems.answers["upsert"] = refusing(
        Refused("No such value", code="INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
    )
    it_fails(pair)
    work_until_quiet(worker)
    assert (Run.objects.get().state, made(systems)) == ("dead", [1, 1])
    del systems.answers["upsert"]

    go_live(live, STEPS)
    again = once_more(worker, version="live")

    assert (again.fate, made(systems)) == ("applied", [1, 1])


def test_what_a_person_left_out_in_doubt_is_done_by_no_retry_but_when_they_insist(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    systems.answers["start_flow"] = refusing(Uncertain("The answer was lost", code="unanswered"))
    it_fails(pair)
    work_until_quiet(worker)
    del systems.answers["start_flow"]
    reviews.answer(review=Review.objects.get(), value="skip", actor="otto", now=timezone.now())
    work_until_quiet(worker)

    again = once_more(worker)
    assert (again.fate, made(systems)) == ("applied", [0, 1])

    Effect.objects.update(sent_at=timezone.now() - timedelta(minutes=11))  # it can land no more
    effects.insist(effect=Effect.objects.get(), actor="otto", now=timezone.now())
    work_until_quiet(worker)
    assert (Effect.objects.get().state, made(systems)) == ("done", [0, 2])
