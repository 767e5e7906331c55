"""This module tests what becomes of runs that wait for a held version after another one was deployed."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from flows import holds, leftovers
from flows.lanes import WorkerLease, claim
from flows.models import Deployment, Event, Lane, Pair, Run
from integrator.accounts.models import AuditEntry
from tests.builders import NOON, a_person, an_environment
from tests.integration.flows.given import a_charge, a_worker, an_event
from tests.integration.flows.reading import Reader
from tests.integration.flows.test_holding_versions import A_WHILE, lacking, mended
from tests.integration.flows.two_systems import (
    UPSERT,
    TwoSystems,
    a_deployed_flow,
    pass_time,
    work_until_quiet,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(pair: Pair, worker: WorkerLease, systems: TwoSystems) -> Deployment:
    """Return a held version with three runs that wait, in whose place a mended one is live."""
    broken = a_deployed_flow(pair, UPSERT)
    systems.answers["upsert"] = lacking("Card_Brand__c")
    for number in range(3):
        name = f"pi_{number}"
        charge = a_charge(payment_intent=name, brand="visa", status="succeeded")
        systems.objects[name] = {"id": name, "object": "payment_intent", "latest_charge": charge}
        an_event(pair.stripe, charge)
    work_until_quiet(worker)
    mended(broken)
    broken.refresh_from_db()
    assert broken.held_since is not None
    return broken


def fates() -> list[tuple[int, str]]:
    """Return the version and fate of each run."""
    return list(Run.objects.order_by("id").values_list("version__number", "fate"))


def carry_over(held: Deployment) -> int:
    """Have the live version do what waits."""
    return leftovers.carry_over(deployment=held, actor="otto@acme.test", now=timezone.now())


def test_the_live_version_does_what_waits_for_the_held_one(held: Deployment, worker: WorkerLease) -> None:
    assert carry_over(held) == 3
    work_until_quiet(worker)

    assert fates() == [(1, "superseded")] * 3 + [(2, "applied")] * 3
    assert set(Event.objects.values_list("fate", flat=True)) == {"applied"}
    held.refresh_from_db()
    assert held.held_since is None
    entry = AuditEntry.objects.get(action="flow.carried_over")
    assert (entry.actor, entry.details["runs"], entry.details["to"]) == ("otto@acme.test", 3, 2)


def test_what_is_not_worth_it_ends_with_a_reason(held: Deployment, worker: WorkerLease) -> None:
    ended = leftovers.discard(deployment=held, reason="Old tests", actor="otto@acme.test", now=timezone.now())
    work_until_quiet(worker)

    assert ended == 3
    assert fates() == [(1, "discarded")] * 3
    assert set(Run.objects.values_list("reason", "state")) == {("Old tests", "done")}
    assert not Lane.objects.filter(ready_at__isnull=False).exists()
    assert AuditEntry.objects.get(action="flow.runs_discarded").details["reason"] == "Old tests"


def test_an_event_that_was_replayed_meanwhile_is_done_once(held: Deployment, worker: WorkerLease) -> None:
    first = Run.objects.earliest("id")
    first.again(reason="", now=NOON).save()

    assert carry_over(held) == 4
    work_until_quiet(worker)

    assert Run.objects.filter(event=first.event_id, fate="applied").count() == 1
    assert Run.objects.filter(fate="applied").count() == 3


def test_a_run_that_a_worker_tries_at_this_moment_is_left(held: Deployment, worker: WorkerLease) -> None:
    pass_time(A_WHILE)
    claimed = claim(a_worker("another"), 1, now=timezone.now())
    assert len(claimed.runs) == 1

    assert carry_over(held) == 2

    assert Run.objects.get(id=claimed.runs[0]).state == "ready"
    held.refresh_from_db()
    assert held.held_since is not None, "one run waits for it even now"


def test_a_version_that_is_live_or_not_held_has_no_leftovers(
    held: Deployment, pair: Pair, worker: WorkerLease
) -> None:
    live = Deployment.objects.get(ended_at=None)
    with pytest.raises(leftovers.NotHeld, match="not held"):
        carry_over(live)

    holds.hold(live.version_id, pair.id, until=NOON, reason="x", now=NOON)
    with pytest.raises(leftovers.NotReplaced, match="Deploy one first"):
        carry_over(live)
    assert len(fates()) == 3


def test_the_old_version_goes_on_trying_by_itself(
    held: Deployment, worker: WorkerLease, systems: TwoSystems
) -> None:
    del systems.answers["upsert"]

    pass_time(A_WHILE)
    work_until_quiet(worker)

    assert fates() == [(1, "applied")] * 3
    held.refresh_from_db()
    assert held.held_since is None


# Pages and REST


def test_the_banner_offers_both_for_a_version_that_was_replaced(held: Deployment, reader: Reader) -> None:
    page = reader.page("flows/")

    assert "v1 is held" in page
    assert f'hx-post="/w/acme/dev/held/{held.pk}/carry-over/"' in page
    assert f'hx-get="/w/acme/dev/held/{held.pk}/discard/"' in page


def test_an_operator_has_it_done_by_the_live_version(
    held: Deployment, reader: Reader, worker: WorkerLease
) -> None:
    answer = reader.press(f"held/{held.pk}/carry-over/")
    work_until_quiet(worker)

    assert answer.status_code == 204
    assert "3 runs are done by the version that is live" in answer.headers["HX-Trigger"]
    assert fates()[3:] == [(2, "applied")] * 3
    again = reader.press(f"held/{held.pk}/carry-over/")
    assert again.status_code == 409
    assert "is not held" in again.headers["HX-Trigger"]


def test_an_operator_discards_it_with_a_reason(held: Deployment, reader: Reader) -> None:
    page = reader.page(f"held/{held.pk}/discard/")
    assert "3 runs that wait" in page

    assert reader.press(f"held/{held.pk}/discard/", reason="").status_code == 422
    assert set(fates()) == {(1, "queued")}

    assert reader.press(f"held/{held.pk}/discard/", reason="Old tests").status_code == 204
    assert set(fates()) == {(1, "discarded")}


@pytest.mark.parametrize("path", ["carry-over", "discard"])
def test_neither_is_for_a_viewer_or_from_another_environment(
    held: Deployment, client: Client, reader: Reader, path: str
) -> None:
    an_environment("qa")
    assert reader.press(f"held/{held.pk}/{path}/", "qa", reason="x").status_code == 404

    viewer = Reader(client, a_person("vera@acme.test", "viewer"))
    assert "carry-over" not in viewer.page("flows/")
    assert viewer.press(f"held/{held.pk}/{path}/", reason="x").status_code == 403
    assert set(fates()) == {(1, "queued")}


def test_programs_may_do_both(held: Deployment, reader: Reader) -> None:
    def post(act: str, **body: str) -> Any:
        address = f"/api/v1/deployments/{held.pk}/{act}/"
        return reader.client.post(address, body, content_type="application/json")

    assert post("discard").status_code == 400

    answer = post("carry-over")

    assert (answer.status_code, answer.json()) == (200, {"ended": 3})
    assert post("discard", reason="late").status_code == 409
