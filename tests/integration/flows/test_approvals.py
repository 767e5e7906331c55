"""An approval waits in the database for those whom it is asked of, is reminded of, and expires."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from flows import approvals, reviews
from flows.lanes import WorkerLease
from flows.models import Notice, Pair, Review, Run
from integrator.accounts.models import AuditEntry
from tests.builders import a_person
from tests.integration.flows.given import a_charge, an_event
from tests.integration.flows.reading import Reader
from tests.integration.flows.two_systems import (
    UPSERT,
    TwoSystems,
    a_deployed_flow,
    work_until_quiet,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
EVE, FAY, VERA = "eve@acme.test", "fay@acme.test", "vera@acme.test"


def asked(pair: Pair, worker: WorkerLease, systems: TwoSystems, **settings: Any) -> Review:
    """Return the open approval of a payment that Eve has caused, asked of finance and Vera."""
    approval = {
        "question": "Sync {charge.amount}?", "evidence": ["charge.amount"], "role": "finance",
        "people": [VERA], "caused_by": "charge.metadata.owner", **settings,
    }  # fmt: skip
    a_deployed_flow(pair, [{"id": "approve", "kind": "approval", "settings": approval}, *UPSERT])
    charge = a_charge(payment_intent="pi_1", metadata={"owner": EVE})
    systems.objects["pi_1"] = {"id": "pi_1", "object": "payment_intent", "latest_charge": charge}
    an_event(pair.stripe, charge, received_at=timezone.now())
    work_until_quiet(worker)
    assert systems.records == {}
    return Review.objects.open().get(kind="approval")


def test_people_decide_on_the_page_as_the_approval_says(
    pair: Pair, worker: WorkerLease, systems: TwoSystems, client: Client
) -> None:
    path = f"questions/{asked(pair, worker, systems).public_id}/"
    operator = Reader(Client(), a_person("olga@acme.test", "operator"))
    eve, vera = Reader(Client(), a_person(EVE, "finance")), Reader(Client(), a_person(VERA, "viewer"))
    auditor = Reader(Client(), a_person("audrey@acme.test", "auditor"))

    assert "This is asked of the role finance or vera@acme.test." in operator.page(path)
    assert "You have caused this, so somebody else has to approve it." in eve.page(path)
    assert "1999" in vera.page(path), "what is shown is meant for those who are asked"
    assert operator.press(f"{path}answer/", value="approved").status_code == 403
    assert operator.press(f"{path}decide/", value="approved").status_code == 403
    assert auditor.press(f"{path}decide/", value="declined", comment="no").status_code == 403
    assert eve.press(f"{path}decide/", value="approved").status_code == 403
    assert vera.press(f"{path}decide/", value="declined").status_code == 422, "it is not said why"
    assert vera.press(f"{path}decide/", value="approved", comment="Seen").status_code == 204
    assert vera.press(f"{path}decide/", value="declined", comment="No").status_code == 409
    work_until_quiet(worker)

    assert list(systems.records) == ["Payment__c:pi_1"]
    assert "“Seen”" in vera.page(path)
    entry = AuditEntry.objects.get(action="review.answered")
    assert (entry.actor, entry.details["answer"], entry.details["comment"]) == (VERA, "approved", "Seen")


def test_what_is_declined_is_told_and_not_done(pair: Pair, worker: WorkerLease, systems: TwoSystems) -> None:
    review = asked(pair, worker, systems)
    fay = reviews.Who(FAY, frozenset({"finance"}), is_person=True)

    reviews.answer(
        review=review, value="declined", comment="Wrong amount", who=fay, actor=FAY, now=timezone.now()
    )
    work_until_quiet(worker)

    run = Run.objects.get()
    assert (run.state, run.fate, run.reason) == ("done", "ignored", f"Declined by {FAY}: Wrong amount")
    assert systems.records == {}


def test_without_somebody_who_is_asked_nothing_is_decided(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    review = asked(pair, worker, systems)

    with pytest.raises(reviews.NotYours):
        reviews.answer(review=review, value="approved", actor="otto", now=timezone.now())

    assert Review.objects.open().count() == 1


def test_it_is_reminded_of_once_and_expires(pair: Pair, worker: WorkerLease, systems: TwoSystems) -> None:
    review = asked(pair, worker, systems, remind_hours=2, expires_hours=5)
    assert approvals.follow_due(now=timezone.now() + HOUR) == 0

    assert [approvals.follow_due(now=timezone.now() + 3 * HOUR) for _ in range(2)] == [1, 0]
    notice = Notice.objects.get(kind="approval_waits")
    assert notice.title == "An approval waits: Sync 1999?"
    assert notice.text.startswith("It is asked of the role finance or vera@acme.test. It expires at ")

    Review.objects.update(expires_at=F("expires_at") - 6 * HOUR)
    assert [approvals.follow_due(now=timezone.now()) for _ in range(2)] == [1, 0]
    work_until_quiet(worker)

    review.refresh_from_db()
    run = Run.objects.get()
    assert (review.resolution, review.closed_by) == ("expired", "the engine")
    assert (run.fate, run.reason) == ("ignored", "Nobody approved it in time")
    assert AuditEntry.objects.filter(action="review.expired").count() == 1


def test_after_its_time_nobody_approves_however_late_the_sweep_is(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    review = asked(pair, worker, systems, remind_hours=2, expires_hours=5)
    fay = reviews.Who(FAY, frozenset({"finance"}), is_person=True)
    Review.objects.update(expires_at=F("expires_at") - 6 * HOUR)

    with pytest.raises(reviews.AlreadyHandled, match="This expired at"):
        reviews.answer(review=review, value="approved", who=fay, actor=FAY, now=timezone.now())

    assert approvals.follow_due(now=timezone.now()) == 1
    work_until_quiet(worker)
    assert systems.records == {}
    assert Run.objects.get().reason == "Nobody approved it in time"
