"""Retention: what is deleted when its time is over, what stays, and that nobody waits for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from flows import confirmation, deadletters, intake, retention
from flows.engine.outcome import Failure
from flows.mapping.mending import Fix
from flows.models import (
    AppliedVersion,
    Attempt,
    Change,
    DeadLetter,
    Effect,
    Event,
    Lane,
    Link,
    Mending,
    Notice,
    Pair,
    Passage,
    Purge,
    Review,
    Run,
    SweptObject,
)
from tests.builders import NOON
from tests.integration.flows.given import a_live_flow, an_event, runs

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LONG_AFTER = NOON + 31 * DAY


@pytest.fixture
def old(pair: Pair) -> Run:
    """Return a run that ended at noon, with everything that may hang on it."""
    a_live_flow(pair)
    (run,) = runs(pair, 1)
    return ended(run)


def ended(run: Run, at: datetime = NOON, fate: str = "applied") -> Run:
    """Let `run` have ended, with a try that left its trace, and its lane given back."""
    state = "dead" if fate == "dead" else "done"
    Run.objects.filter(pk=run.pk).update(state=state, fate=fate, finished_at=at, next_attempt_at=None)
    Event.objects.filter(pk=run.event_id).update(fate=fate)
    Lane.objects.filter(pk=run.lane_id).update(ready_at=None)
    Attempt.objects.create(run=run, started_at=at, finished_at=at, outcome="done", trace=b"sealed")
    return Run.objects.get(pk=run.pk)


def purge(at: datetime) -> int:
    """Do a whole pass."""
    Purge.objects.all().delete()
    return retention.purge_due(now=at, pause=0)


def test_nothing_goes_before_its_time(old):
    assert purge(NOON + 6 * DAY) == 0

    assert (Run.objects.count(), Attempt.objects.count(), Change.objects.count()) == (1, 1, 1)


def test_contents_go_first_and_the_row_of_the_event_stays(old):
    purge(LONG_AFTER)

    event = Event.objects.get()
    assert (bytes(event.body), event.purged_at, event.fate) == (b"", LONG_AFTER, "applied")
    assert not Run.objects.exists()
    assert not Attempt.objects.exists()
    assert not Lane.objects.exists()
    assert not Change.objects.exists()


def test_a_walk_does_not_take_a_deleted_event_for_a_new_one(old):
    purge(LONG_AFTER)
    again = intake.Delivery(external_id=old.event.external_id, body=b"as listed", origin="walk")

    new = intake.receive(connection_id=old.event.connection_id, deliveries=[again], now=LONG_AFTER)

    assert new == 0


def test_the_row_goes_when_stripe_lists_the_event_no_more(old):
    purge(LONG_AFTER)
    purge(NOON + 34 * DAY)
    assert Event.objects.count() == 1

    purge(NOON + 36 * DAY)

    assert Event.objects.count() == 0


def test_what_guards_against_older_states_stays_with_the_event_that_it_names(old):
    AppliedVersion.objects.create(
        flow=old.flow, pair=old.pair, target="Payment__c:pi_1", source="ch_1", event=old.event,
        not_before=NOON, not_after=NOON, applied_at=NOON,
    )  # fmt: skip
    Link.objects.create(
        pair=old.pair, stripe_id="pi_1", salesforce_object="Payment__c", external_id="pi_1",
        record_id="a00000000000001AAA", agreed=b"sealed", first_synced_at=NOON, synced_at=NOON,
    )  # fmt: skip

    purge(NOON + 400 * DAY)

    assert (AppliedVersion.objects.count(), Link.objects.count()) == (1, 1)
    assert bytes(Event.objects.get().body) == b""


def an_effect(run: Run, state: str) -> Effect:
    return Effect.objects.create(
        pair=run.pair, key="k", kind="starting", purpose="Start dunning", flow=run.flow, step="dun", run=run,
        record="ch_1", slot="salesforce", action="start_flow", request=b"sealed", state=state,
        created_at=NOON,
    )  # fmt: skip


@pytest.mark.parametrize("state", ["planned", "sent", "in_doubt"])
def test_an_effect_of_which_nobody_knows_keeps_everything(old, state):
    an_effect(old, state)

    purge(NOON + 400 * DAY)

    assert (Run.objects.count(), Attempt.objects.count()) == (1, 1)
    assert bytes(Event.objects.get().body)


def test_what_lost_its_body_is_not_written_once_more(old):
    """A write that was not answered is confirmed from its record's last event, while that says anything."""
    an_effect(old, "done")  # which keeps the run
    AppliedVersion.objects.create(
        flow=old.flow, pair=old.pair, target="Payment__c:pi_1", source="ch_1", event=old.event,
        not_before=NOON, not_after=NOON, applied_at=NOON,
    )  # fmt: skip
    Lane.objects.filter(pk=old.lane_id).update(confirm_at=NOON)
    assert [run.event_id for run in confirmation._last_applied(old.lane)] == [old.event_id]

    purge(LONG_AFTER)

    assert confirmation.open_due(now=LONG_AFTER) == 0


def test_an_effect_that_happened_stays_so_that_it_never_happens_again(old):
    effect = an_effect(old, "done")
    Mending.of(old.pk, Fix("leave_out", "map", "Description"), actor="otto", now=NOON).save()

    purge(NOON + 400 * DAY)

    assert (Effect.objects.get(), Run.objects.get()) == (effect, old)
    assert not Attempt.objects.exists()
    assert not Mending.objects.exists()  # what was changed in the event goes with the event
    assert bytes(Event.objects.get().body) == b""


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"state": "ready", "finished_at": None}, id="a run is due"),
        pytest.param({"state": "waiting", "finished_at": None}, id="a run waits"),
        pytest.param({"finished_at": NOON + 300 * DAY}, id="a run ended lately"),
    ],
)
def test_an_event_that_is_still_being_handled_stays(old, fields: Any):
    Run.objects.filter(pk=old.pk).update(**fields)

    purge(NOON + 301 * DAY)

    assert bytes(Event.objects.get().body)
    assert Run.objects.count() == 1


@pytest.mark.parametrize("fate", ["queued", "waiting", "dead"])
def test_an_event_that_waits_stays(old, fate):
    Event.objects.filter(pk=old.event_id).update(fate=fate)

    purge(NOON + 301 * DAY)

    assert bytes(Event.objects.get().body)


def a_letter(run: Run) -> DeadLetter:
    failure = Failure("data", "No value", code="required_empty")
    deadletters.file(
        [deadletters.Obituary(run.event_id, failure, run_id=run.pk, flow_id=run.flow_id)], now=NOON
    )
    return DeadLetter.objects.get()


def test_dead_letters_stay_until_they_are_resolved_and_their_time_is_over(old):
    letter = a_letter(old)
    purge(NOON + 301 * DAY)
    assert (DeadLetter.objects.count(), Run.objects.count(), Attempt.objects.count()) == (1, 1, 0)

    letter.resolve("discarded", actor="ada", now=NOON + 302 * DAY)
    purge(NOON + 331 * DAY)
    assert DeadLetter.objects.count() == 1

    purge(NOON + 333 * DAY)

    assert (DeadLetter.objects.count(), Run.objects.count()) == (0, 0)


def test_the_trace_of_what_lies_in_the_dead_letters_stays(old):
    Run.objects.filter(pk=old.pk).update(state="dead", fate="dead")

    purge(NOON + 301 * DAY)

    assert Attempt.objects.count() == 1


def test_questions_stay_until_they_are_answered_and_their_time_is_over(old):
    review = Review.objects.create(
        pair=old.pair, run=old, step="ask", kind="question", question="Which?", created_at=NOON
    )
    purge(NOON + 301 * DAY)
    assert Review.objects.count() == 1

    review.close("answered", actor="ada", now=NOON + 302 * DAY)
    purge(NOON + 333 * DAY)

    assert (Review.objects.count(), Run.objects.count()) == (0, 0)


def test_a_notice_outlives_its_run(old):
    Notice.objects.create(environment=old.pair.environment, key="k", kind="flow_alert", run=old, at=NOON)

    purge(LONG_AFTER)

    assert Notice.objects.get().run is None


def test_traces_may_go_earlier_than_the_rest(old, settings):
    settings.KEEP_TRACES_DAYS = 3

    purge(NOON + 4 * DAY)

    assert (Attempt.objects.count(), Run.objects.count()) == (0, 1)


def test_a_lane_that_is_needed_stays(pair, old):
    busy = Lane.objects.create(pair=pair, key="stripe:busy", ready_at=NOON)
    unsettled = Lane.objects.create(pair=pair, key="stripe:unsettled", confirm_at=NOON)
    Lane.objects.create(pair=pair, key="stripe:empty")

    purge(NOON + DAY)

    assert set(Lane.objects.all()) == {busy, unsettled, old.lane}


def test_counts_of_the_ways_that_runs_took_go_after_two_days(old):
    for age in (47, 49):
        hour = NOON - age * timedelta(hours=1)
        Passage.objects.create(version=old.version, pair=old.pair, step="save", hour=hour, times=age)

    purge(NOON)

    assert Passage.objects.get().times == 47


def test_objects_that_no_sweep_looks_at_are_forgotten(pair):
    for kind in ("charge", "subscription"):
        SweptObject.objects.create(
            connection=pair.stripe, object_type=kind, object_id=kind, fingerprint="f", seen_at=NOON
        )

    purge(NOON + 401 * DAY)

    assert SweptObject.objects.get().object_type == "subscription"


def test_a_pass_is_made_of_small_transactions_and_goes_on_where_it_stopped(old, settings, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", {"sqlite": 2, "postgresql": 2})
    for number in range(5):
        an_event(old.pair.stripe, external_id=f"evt_old_{number}", dispatched_at=NOON, fate="ignored")
    turns = []

    for _ in range(20):
        clock = iter([0.0, 0.0, *[9.0] * 100])
        turns.append(retention.purge_due(now=LONG_AFTER, turn=1.0, pause=0, clock=clock.__next__))

    assert max(turns) <= 2
    assert Event.objects.filter(purged_at=None).count() == 0
    assert not Purge.objects.filter(ended_at=None).exists()


def test_the_next_pass_comes_after_a_while(old):
    purge(LONG_AFTER)
    an_event(old.pair.stripe, dispatched_at=NOON, fate="ignored")

    assert retention.purge_due(now=LONG_AFTER + timedelta(hours=1), pause=0) == 0
    assert retention.purge_due(now=LONG_AFTER + retention.EVERY, pause=0) == 1


def test_what_would_go_can_be_counted_before(old):
    counted = retention.counts(now=LONG_AFTER)

    assert counted == {
        "changes": 1, "traces": 1, "contents": 1, "rows": 0, "lanes": 0, "objects": 0, "comparisons": 0,
        "gates": 0, "bursts": 0, "passages": 0, "group retries": 0, "causes": 0, "parents": 0,
        "merges": 0,
        "match decisions": 0,
    }  # fmt: skip
    assert Run.objects.count() == 1


def test_a_transaction_has_as_many_statements_however_many_rows_it_has(old):
    costs = []

    for rows in (5, 50):
        for number in range(rows):
            an_event(old.pair.stripe, external_id=f"evt_{rows}_{number}", dispatched_at=NOON, fate="ignored")
        with CaptureQueriesContext(connection) as queries:
            purge(LONG_AFTER)
        costs.append(len(queries))

    assert costs[1] <= costs[0]


def test_everything_that_refers_to_what_is_deleted_is_known():
    """A new model that refers to a run or an event keeps it, or goes with it: decide, and say it here."""
    known = {
        Event: {"Run.event", "DeadLetter.event", "AppliedVersion.event", "AwaitedEvent.event"},
        Run: {
            "AwaitedEvent.run",
            "Attempt.run",
            "DeadLetter.run",
            "Effect.run",
            "Mending.run",
            "Review.run",
            "Notice.run",
        },
        Lane: {"Run.lane"},
        Attempt: set(),
        DeadLetter: set(),
        Review: set(),
        Change: set(),
        SweptObject: set(),
        Passage: set(),
    }

    found: dict[type[models.Model], set[str]] = {model: set() for model in known}
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if field.related_model in found:
                found[field.related_model].add(f"{model.__name__}.{field.name}")

    assert found == known
