"""This module tests the figures that health and the dashboard stand on."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors.models import Connection
from flows.dispatch import dispatch
from flows.lanes import LEASE, claim
from flows.models import Lane, Pair, Worker
from flows.queries import events_by_fate, progress, runs_by_state
from tests.builders import NOON, a_connection, a_workspace, an_environment
from tests.integration.flows.given import a_live_flow, a_worker, an_event, die, runs


def test_at_rest_nothing_waits(pair: Pair) -> None:
    state = progress()

    assert (state.ready, state.oldest_ready_at, state.last_claim_at, state.workers) == (False, None, None, 0)


def test_what_waits_longest_is_named(pair: Pair) -> None:
    a_live_flow(pair)
    runs(pair, 1)
    an_event(pair.stripe, received_at=NOON - timedelta(hours=1))

    state = progress()

    assert state.ready
    assert state.oldest_ready_lane == NOON
    assert state.oldest_undispatched == state.oldest_ready_at == NOON - timedelta(hours=1)


def test_what_is_held_or_rests_waits_for_no_worker(pair: Pair) -> None:
    a_live_flow(pair)
    runs(pair, 1)
    Connection.objects.filter(id=pair.salesforce_id).update(state="resting", paused_until=None)
    assert progress().oldest_ready_lane is None

    Connection.objects.filter(id=pair.salesforce_id).update(state="active")
    claim(a_worker(), 9, now=NOON)

    assert progress().oldest_ready_lane is None


def test_what_is_due_later_does_not_wait_yet(pair: Pair) -> None:
    a_live_flow(pair)
    runs(pair, 1)
    Lane.objects.update(ready_at=timezone.now() + timedelta(hours=1))

    assert progress().oldest_ready_lane is None


def test_workers_count_while_they_are_heard_of(pair: Pair) -> None:
    a_live_flow(pair)
    runs(pair, 1)
    worker = a_worker("one")
    claim(worker, 9, now=NOON)
    assert (progress().workers, progress().last_claim_at is None) == (1, False)
    assert progress().moved_at is not None

    die(worker)

    assert progress().workers == 0


def test_who_goes_on_for_long_with_what_it_holds_moves_as_long_as_its_heart_beats(pair: Pair) -> None:
    a_live_flow(pair)
    runs(pair, 1)
    worker = a_worker("one")
    assert progress().moved_at is None, "it beats, and does nothing"
    claim(worker, 9, now=NOON)
    long_ago = timezone.now() - timedelta(minutes=1)
    Worker.objects.update(last_claim_at=long_ago, expires_at=long_ago + LEASE)
    assert progress().moved_at == long_ago

    worker.renew()

    assert timezone.now() - (progress().moved_at or NOON) < timedelta(minutes=1)


def test_looking_costs_the_same_however_much_waits(pair: Pair) -> None:
    a_live_flow(pair)
    with CaptureQueriesContext(
        connection,
    ) as few:
        progress()
    runs(pair, 30)

    with CaptureQueriesContext(connection) as many:
        progress()

    assert len(many) == len(few)


def test_fates_add_up_to_what_was_received(pair: Pair) -> None:
    a_live_flow(pair)
    for kind in ("charge.succeeded", "charge.succeeded", "invoice.created"):
        an_event(pair.stripe, type=kind)
    stranger = a_connection("stripe", an_environment("dev", a_workspace("stranger")))
    an_event(stranger)
    dispatch(now=NOON)

    counted = events_by_fate([pair.environment])

    assert counted["queued"] == 2
    assert counted["ignored"] == 1
    assert sum(counted.values()) == 3
    assert runs_by_state([pair.environment])["ready"] == 2
