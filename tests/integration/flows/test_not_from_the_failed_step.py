"""Where nothing can be taken over, a person is told why, and the run is done whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from flows import mended, reruns, resuming
from flows.engine import carrying
from flows.engine.edits import Change, Edit
from flows.lanes import WorkerLease
from flows.models import Attempt, DeadLetter, Deployment, Event, Pair, Run
from tests.integration.flows.failed_step import (
    RULE,
    STEPS,
    a_payment,
    both,
    grow_old,
    it_gives_up,
    it_happens,
    offered,
)
from tests.integration.flows.given import an_event
from tests.integration.flows.two_systems import (
    DUN,
    TwoSystems,
    a_deployed_flow,
    refusing,
    work_until_quiet,
)

__all__ = ["both"]  # which pytest takes from here

pytestmark = pytest.mark.django_db


def _purge(run: Run, _: Deployment) -> None:
    Attempt.objects.filter(run=run).delete()


def _lose_what_was_found(run: Run, _: Deployment) -> None:
    Attempt.objects.filter(run=run).update(found=b"")


def _grow_old(run: Run, _: Deployment) -> None:
    grow_old(run)


def _empty_the_event(run: Run, _: Deployment) -> None:
    Event.objects.filter(pk=run.event_id).update(purged_at=timezone.now())


def _close(run: Run, _: Deployment) -> None:
    Run.objects.filter(pk=run.pk).update(state="done")


@pytest.mark.parametrize(
    ("befalls", "why"),
    [
        pytest.param(_purge, "Nothing is kept", id="its tries were deleted for their age"),
        pytest.param(_lose_what_was_found, "Nothing is kept", id="an older process tried it"),
        pytest.param(_grow_old, "older than 7 days", id="it was found long ago"),
        pytest.param(_empty_the_event, "was deleted", id="its event was emptied"),
        pytest.param(_close, "Only a run in the dead letters", id="it has ended"),
    ],
)
def test_the_reason_is_told_where_nothing_can_be_taken_over(
    pair: Pair, worker: WorkerLease, systems: TwoSystems, befalls: Callable[..., None], why: str
) -> None:
    live = a_deployed_flow(pair, STEPS)
    run = it_gives_up(pair, systems, worker)
    assert offered(run).possible

    befalls(run, live)

    assert why in offered(run).reason
    with pytest.raises(reruns.NotPossible):
        reruns.retry(run=run, start="failed_step", actor="otto", now=timezone.now())


def test_another_version_does_it_whole_or_not_at_all(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, STEPS)
    run = it_gives_up(pair, systems, worker)

    with pytest.raises(reruns.NotPossible, match="the version that the run had"):
        reruns.retry(run=run, version="live", start="failed_step", actor="otto", now=timezone.now())

    assert DeadLetter.objects.unresolved().exists()


def test_what_failed_at_its_first_step_has_nothing_to_take_over(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, STEPS)
    systems.answers["retrieve"] = lambda _: RULE
    it_happens(pair)
    work_until_quiet(worker)

    assert offered(Run.objects.get()).reason == resuming.SAID["first"]


def test_what_history_left_out_is_done_by_a_whole_retry_only(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [DUN, *STEPS])
    systems.answers["upsert"] = refusing(RULE)
    an_event(
        pair.stripe, a_payment("succeeded"), received_at=timezone.now(),
        created=int((timezone.now() - timedelta(days=3)).timestamp()),
    )  # fmt: skip
    work_until_quiet(worker)

    assert offered(Run.objects.get()).reason == resuming.SAID["left_out"]


def test_what_has_no_exact_form_is_not_taken_over(
    pair: Pair, worker: WorkerLease, systems: TwoSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "LARGEST", 100)
    a_deployed_flow(pair, STEPS)

    run = it_gives_up(pair, systems, worker)

    assert offered(run).reason == resuming.SAID["unkept"]


def test_an_edited_object_is_read_anew(pair: Pair, worker: WorkerLease, systems: TwoSystems) -> None:
    a_deployed_flow(pair, STEPS)
    run = it_gives_up(pair, systems, worker)
    systems.answers["upsert"] = refusing(RULE)
    reruns.retry(run=run, actor="otto", now=timezone.now())
    mended.attach(
        [run.pk],
        Edit("charge", "ch_1", (Change(("status",), "x", "y"),), "otto"),
        actor="otto",
        now=timezone.now(),
    )
    work_until_quiet(worker)

    assert offered(run).reason == resuming.SAID["edited"]
