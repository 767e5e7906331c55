"""Runs are done once more, or ended, as a person asks: nothing is doubled, or taken from a worker."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flows import lanes, mended, reruns
from flows.mapping.mending import Fix
from flows.models import AwaitedEvent, DeadLetter, Deployment, FlowVersion, Mending, Pair, Review, Run
from integrator.accounts.models import AuditEntry
from tests.builders import NOON
from tests.integration.flows.given import a_worker, runs
from tests.integration.flows.reading import a_dead_run

BY: dict[str, Any] = {"actor": "otto@acme.test", "now": NOON}


def ended(run: Run, fate: str = "applied") -> Run:
    """Return the run as one that is done."""
    Run.objects.filter(pk=run.pk).update(state="done", fate=fate, finished_at=NOON, next_attempt_at=None)
    return Run.objects.get(pk=run.pk)


def a_second_version(live: Deployment) -> Deployment:
    """Return the deployment of another version, which is live in place of the first."""
    live.end(now=NOON)
    version = FlowVersion.objects.create(
        flow=live.flow,
        number=2,
        document=live.version.document,
        content_hash="two",
        published_at=NOON,
        published_by="ada",
    )
    return Deployment.objects.create(
        flow=live.flow, version=version, pair=live.pair, deployed_at=NOON, deployed_by="ada"
    )


def acts() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


@pytest.fixture
def run(pair: Pair, live: Deployment) -> Run:
    """Return a queued run."""
    return runs(pair, 1)[0]


def test_what_is_done_is_done_once_more_by_a_new_run_that_reads_its_object_first(run: Run) -> None:
    again = reruns.retry(run=ended(run), **BY)

    assert (again.pk != run.pk, again.replay, again.version_id) == (True, 1, run.version_id)
    assert again.fetch_first
    assert again.insisted
    assert Run.objects.get(pk=run.pk).fate == "applied"
    assert acts() == ["run.retried"]


def test_the_live_version_does_it_in_place_of_the_one_that_gave_up(pair: Pair, live: Deployment) -> None:
    dead = a_dead_run(pair)
    newer = a_second_version(live)

    again = reruns.retry(run=dead, version="live", **BY)

    dead.refresh_from_db()
    assert again.version_id == newer.version_id
    assert (dead.fate, dead.reason) == ("superseded", "Done by version 2 instead")
    assert not DeadLetter.objects.unresolved().exists()
    assert dead.event.__class__.objects.get(pk=dead.event_id).fate == "queued"


def test_what_was_mended_for_the_old_run_holds_for_the_new_one(run: Run) -> None:
    mended.attach([run.pk], Fix("leave_out", "map", "Name"), actor="ada", now=NOON)

    again = reruns.retry(run=ended(run), **BY)

    assert [row.paths for row in Mending.objects.filter(run=again)] == [["Name"]]
    assert Run.objects.get(pk=again.pk).mended


def test_a_run_that_gave_up_goes_on_as_itself_by_its_own_version(pair: Pair, live: Deployment) -> None:
    dead = a_dead_run(pair)
    a_second_version(live)

    again = reruns.retry(run=dead, **BY)

    assert (again.pk, again.state, again.version_id) == (dead.pk, "ready", dead.version_id)
    assert acts() == ["deadletter.retried"]


def test_what_waits_for_its_next_try_is_tried_at_once(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(state="retrying", next_attempt_at=NOON + timedelta(hours=5))

    again = reruns.retry(run=run, **BY)

    assert (again.pk, again.state, again.next_attempt_at) == (run.pk, "ready", NOON)
    assert again.lane.__class__.objects.get(pk=again.lane_id).ready_at == NOON


def test_it_is_not_done_twice_at_once(run: Run) -> None:
    done = ended(run)
    again = reruns.retry(run=done, **BY)

    with pytest.raises(reruns.NotPossible, match=again.public_id):
        reruns.retry(run=done, **BY)
    with pytest.raises(reruns.NotPossible, match="queued already"):
        reruns.retry(run=again, **BY)


def test_without_the_content_of_its_event_nothing_is_done_once_more(run: Run) -> None:
    run.event.__class__.objects.filter(pk=run.event_id).update(purged_at=NOON)

    with pytest.raises(reruns.NotPossible, match="deleted"):
        reruns.retry(run=ended(run), **BY)


def test_where_nothing_is_live_that_is_said(run: Run, live: Deployment) -> None:
    live.end(now=NOON)

    with pytest.raises(reruns.NotPossible, match="No version"):
        reruns.retry(run=ended(run), version="live", **BY)


def test_a_cancelled_run_is_never_claimed_and_does_not_wait_any_more(run: Run, pair: Pair) -> None:
    wait = AwaitedEvent.objects.create(
        run=run, step="wait", connection=pair.stripe, types=["x"], path="id", key="k", since=NOON, until=NOON
    )

    reruns.cancel(run=run, reason="Typed in by hand", **BY)

    run.refresh_from_db()
    wait.refresh_from_db()
    assert (run.state, run.fate, run.reason) == ("done", "discarded", "Cancelled: Typed in by hand")
    assert wait.over
    assert lanes.claim(a_worker(), 10, now=NOON).runs == []
    assert acts() == ["run.cancelled"]


def test_cancelling_closes_the_question_that_the_run_asks(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(state="waiting", fate="waiting", next_attempt_at=None)
    asked = Review.objects.create(
        pair=run.pair, run=run, step="x", kind="approval", question="May it?", evidence=b"", created_at=NOON
    )

    found = reruns.cancel(run=Run.objects.get(pk=run.pk), reason="No", **BY)

    asked.refresh_from_db()
    assert (found.fate, asked.resolution) == ("discarded", "discarded")


def test_what_a_worker_is_trying_is_left_to_it(run: Run) -> None:
    assert lanes.claim(a_worker(), 10, now=NOON).runs == [run.pk]

    with pytest.raises(reruns.Busy):
        reruns.cancel(run=run, reason="x", **BY)
    with pytest.raises(reruns.Busy):
        reruns.retry(run=run, **BY)


@pytest.mark.parametrize("state", ["done", "dead"])
def test_what_has_ended_cannot_be_cancelled(run: Run, state: str) -> None:
    Run.objects.filter(pk=run.pk).update(state=state, finished_at=NOON)

    with pytest.raises(reruns.NotPossible):
        reruns.cancel(run=run, reason="x", **BY)
