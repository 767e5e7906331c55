"""This module tests what a person decides about effects: what was left out is done, a doubt is settled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from flows import effects, reviews
from flows.lanes import WorkerLease
from flows.models import Effect, Event, Pair, Review, Run
from integrator.accounts.models import AuditEntry
from integrator.kernel.errors import Uncertain
from tests.builders import a_person, an_environment
from tests.integration.flows.given import a_charge, an_event
from tests.integration.flows.reading import Reader
from tests.integration.flows.two_systems import (
    DUN,
    UPSERT,
    TwoSystems,
    a_deployed_flow,
    pass_time,
    refusing,
    work_until_quiet,
)

pytestmark = pytest.mark.django_db


def a_payment(systems: TwoSystems, number: int = 1) -> dict[str, Any]:
    """Return a failed charge that Stripe knows too."""
    charge = a_charge(id=f"ch_{number}", payment_intent=f"pi_{number}", status="failed")
    systems.objects[f"pi_{number}"] = {
        "id": f"pi_{number}",
        "object": "payment_intent",
        "latest_charge": charge,
    }
    return charge


def left_out(pair: Pair, worker: WorkerLease, systems: TwoSystems, number: int = 1) -> Effect:
    """Return an effect that was left out, since its event came three days after it happened."""
    now = timezone.now()
    an_event(
        pair.stripe, a_payment(systems, number), type="charge.failed", received_at=now,
        created=int((now - timedelta(days=3)).timestamp()),
    )  # fmt: skip
    work_until_quiet(worker)
    return Effect.objects.latest("id")


def in_doubt(pair: Pair, worker: WorkerLease, systems: TwoSystems) -> Effect:
    """Return an effect whose answer was lost, with the question about it."""
    now = timezone.now()
    systems.answers["start_flow"] = refusing(Uncertain("The answer was lost"))
    an_event(
        pair.stripe, a_payment(systems), type="charge.failed", received_at=now, created=int(now.timestamp())
    )
    work_until_quiet(worker)
    pass_time(timedelta(minutes=5))
    work_until_quiet(worker)
    return Effect.objects.get()


# What was left out


def test_what_was_left_out_is_done_once_when_a_person_insists(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    effect = left_out(pair, worker, systems)
    assert (effect.state, systems.made("start_flow")) == ("skipped", [])

    run = effects.insist(effect=effect, actor="otto", now=timezone.now())
    assert Event.objects.get().fate == "queued"
    work_until_quiet(worker)

    run.refresh_from_db()
    effect.refresh_from_db()
    assert (run.fate, run.replay, run.insisted, effect.state) == ("applied", 1, True, "done")
    assert len(systems.made("start_flow")) == 1
    with pytest.raises(effects.AlreadyHandled, match="Its state is: Done"):
        effects.insist(effect=effect, actor="otto", now=timezone.now())


def test_who_insists_stands_in_the_audit_trail(pair: Pair, worker: WorkerLease, systems: TwoSystems) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    effect = left_out(pair, worker, systems)

    run = effects.insist(effect=effect, actor="otto", now=timezone.now())

    entry = AuditEntry.objects.get(action="effect.decided")
    assert (entry.actor, entry.target) == ("otto", effect.public_id)
    assert entry.details["decision"] == "do it now"
    assert entry.details["run"] == run.public_id


def test_a_second_click_opens_no_second_run(pair: Pair, worker: WorkerLease, systems: TwoSystems) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    effect = left_out(pair, worker, systems)
    effects.insist(effect=effect, actor="otto", now=timezone.now())

    with pytest.raises(effects.AlreadyHandled, match="being done already"):
        effects.insist(effect=effect, actor="olga", now=timezone.now())

    assert Run.objects.count() == 2


def test_an_event_whose_content_is_deleted_cannot_be_done_again(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    effect = left_out(pair, worker, systems)
    Event.objects.update(purged_at=timezone.now(), body=b"")

    with pytest.raises(effects.NotPossible):
        effects.insist(effect=effect, actor="otto", now=timezone.now())

    assert Run.objects.count() == 1


# What is in doubt


def test_a_doubt_that_a_run_asks_about_is_settled_by_its_answer_alone(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    effect = in_doubt(pair, worker, systems)
    assert effects.question_about(effect) == Review.objects.get()

    with pytest.raises(effects.NotPossible):
        effects.settle(effect=effect, happened=True, actor="otto", now=timezone.now())


@pytest.mark.parametrize(("happened", "state"), [(True, "done"), (False, "skipped")])
def test_a_doubt_whose_question_was_discarded_is_settled_by_a_person(
    pair: Pair, worker: WorkerLease, systems: TwoSystems, happened: bool, state: str
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    effect = in_doubt(pair, worker, systems)
    reviews.discard(review=Review.objects.get(), reason="by hand", actor="otto", now=timezone.now())

    effects.settle(effect=effect, happened=happened, actor="otto", now=timezone.now())

    effect.refresh_from_db()
    assert effect.state == state
    assert AuditEntry.objects.filter(action="effect.decided").count() == 1
    with pytest.raises(effects.AlreadyHandled):
        effects.settle(effect=effect, happened=happened, actor="olga", now=timezone.now())


def test_what_did_not_happen_can_then_be_done(pair: Pair, worker: WorkerLease, systems: TwoSystems) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    effect = in_doubt(pair, worker, systems)
    reviews.discard(review=Review.objects.get(), reason="by hand", actor="otto", now=timezone.now())
    effects.settle(effect=effect, happened=False, actor="otto", now=timezone.now())
    del systems.answers["start_flow"]

    effects.insist(effect=effect, actor="otto", now=timezone.now())
    work_until_quiet(worker)
    assert len(systems.made("start_flow")) == 1  # the first may still land
    Effect.objects.update(sent_at=F("sent_at") - timedelta(minutes=11))
    pass_time(timedelta(minutes=11))
    work_until_quiet(worker)

    effect.refresh_from_db()
    assert (effect.state, effect.generation) == ("done", 2)


# The page


def test_the_page_lists_every_effect_and_finds_what_was_left_out(
    reader: Reader, pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    skipped = left_out(pair, worker, systems)
    done = left_out(pair, worker, systems, number=2)
    effects.insist(effect=done, actor="otto", now=timezone.now())
    work_until_quiet(worker)

    assert (reader.page("effects/").count("Do it now<")) == 1
    page = reader.page("effects/", state="skipped")
    assert "pi_1" in page
    assert "pi_2" not in page
    assert "pi_2" in reader.page("effects/", state="done")
    assert f'href="/w/acme/dev/runs/{skipped.run.public_id}/"' in page
    assert "No effect fits" in reader.page("effects/", state="refused")
    assert "No effect fits" in reader.page("effects/", flow="nobody")
    assert "pi_1" in reader.page("effects/", flow=skipped.flow.public_id)


def test_what_is_never_answered_although_its_run_has_ended_is_listed(
    reader: Reader, pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    effect = left_out(pair, worker, systems)
    Effect.objects.update(state=Effect.State.SENT)

    assert "pi_1" in reader.page("effects/", state="unanswered")
    assert "No effect fits" in reader.page("effects/", state="under_way")
    Run.objects.filter(id=effect.run_id).update(state=Run.State.RETRYING, finished_at=None)
    assert "No effect fits" in reader.page("effects/", state="unanswered")
    assert "pi_1" in reader.page("effects/", state="under_way")


def test_the_button_does_it_and_a_second_press_is_told(
    reader: Reader, pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    path = f"effects/{left_out(pair, worker, systems).public_id}/insist/"

    assert "A run does it now" in reader.press(path).headers["HX-Trigger"]
    again = reader.press(path)

    assert again.status_code == 409
    assert "being done already" in again.headers["HX-Trigger"]


def test_a_doubt_leads_to_its_question_and_without_one_to_two_buttons(
    reader: Reader, pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    effect, review = in_doubt(pair, worker, systems), Review.objects.get()
    asked = reader.page("effects/", state="in_doubt")
    reviews.discard(review=review, reason="by hand", actor="otto", now=timezone.now())
    alone = reader.page("effects/", state="in_doubt")

    assert f'href="/w/acme/dev/questions/{review.public_id}/"' in asked
    assert "It happened" not in asked
    assert "It happened" in alone
    assert reader.press(f"effects/{effect.public_id}/settle/").status_code == 422
    assert reader.press(f"effects/{effect.public_id}/settle/", happened="true").status_code == 204
    effect.refresh_from_db()
    assert effect.state == "done"


def test_who_may_not_decide_sees_no_button(
    client: Client, pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    effect = left_out(pair, worker, systems)
    reader = Reader(client, a_person("vera@acme.test", "viewer"))

    assert "Do it now" not in reader.page("effects/")
    assert reader.press(f"effects/{effect.public_id}/insist/").status_code == 403


def test_an_effect_of_another_environment_is_not_there(
    reader: Reader, pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [*UPSERT, DUN])
    effect = left_out(pair, worker, systems)
    an_environment("qa")

    assert reader.press(f"effects/{effect.public_id}/insist/", "qa").status_code == 404
    assert Run.objects.count() == 1
