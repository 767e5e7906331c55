"""This module tests what becomes of an event that leaves the inbox."""

from __future__ import annotations

from typing import Any

import pytest

from flows import dispatch as dispatching
from flows.dispatch import dispatch
from flows.models import Change, DeadLetter, Event, Fate, Lane, Pair, Run
from tests.builders import NOON, a_connection
from tests.integration.flows.given import a_charge, a_live_flow, an_event


def test_an_event_opens_a_run_in_the_lane_of_its_root(pair: Pair) -> None:
    live = a_live_flow(pair)
    event = an_event(pair.stripe, a_charge(payment_intent="pi_7"))

    assert dispatch(now=NOON) == 1

    run = Run.objects.get()
    assert (run.flow_id, run.version_id, run.event_id) == (live.flow_id, live.version_id, event.id)
    assert (run.lane.key, run.lane.ready_at) == ("stripe:pi_7", NOON)
    assert (run.amount, run.currency, run.state, run.fate) == (1999, "EUR", "ready", "queued")


def test_events_of_one_root_share_a_lane_that_is_due_for_the_first(pair: Pair) -> None:
    a_live_flow(pair, "charge.succeeded", "charge.updated")
    an_event(pair.stripe, a_charge(payment_intent="pi_7"))
    dispatch(now=NOON)
    later = NOON.replace(hour=13)

    an_event(pair.stripe, a_charge(payment_intent="pi_7"), type="charge.updated")
    dispatch(now=later)

    lane = Lane.objects.get()
    assert lane.ready_at == NOON
    assert lane.runs.count() == 2


def test_an_event_is_dispatched_once(pair: Pair) -> None:
    a_live_flow(pair)
    event = an_event(pair.stripe)
    dispatch(now=NOON)

    assert dispatch(now=NOON) == 0
    Event.objects.filter(id=event.id).update(dispatched_at=None)  # as if its mark had been lost
    dispatch(now=NOON)

    assert Run.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "fate", "reason"),
    [
        pytest.param({"type": "invoice.created"}, "ignored", "no flow handles invoice.created", id="no flow"),
        pytest.param({"type": "charge.failed"}, "ignored", "the flow is switched off", id="switched off"),
        pytest.param({"livemode": True}, "refused", "the event is of live mode", id="wrong mode"),
        pytest.param(
            {"account": "acct_other"}, "refused", "the event is of account acct_other", id="wrong account"
        ),
        pytest.param(
            {"body": b'{"object": "v2.core.event", "type": "x"}'},
            "ignored",
            "the thin event names no object",
            id="thin event about nothing",
        ),
    ],
)
def test_an_event_that_opens_no_run_has_its_fate_and_the_reason(
    pair: Pair, fields: dict[str, Any], fate: str, reason: str
) -> None:
    a_live_flow(pair)
    a_live_flow(pair, "charge.failed", slug="declines", enabled=False)
    event = an_event(pair.stripe, **fields)

    dispatch(now=NOON)

    event.refresh_from_db()
    assert event.fate == fate
    assert event.fate_reason.startswith(reason)
    assert event.dispatched_at == NOON
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"unreadable": "Invalid UTF-8"}, id="intake could not read it"),
        pytest.param({"body": b"[1, 2]"}, id="no object"),
        pytest.param({"body": b"{"}, id="no JSON"),
        pytest.param({"body": b'{"data": {"object": "ch_1"}}'}, id="no object in it"),
    ],
)
def test_what_cannot_be_read_is_shown_to_a_person(pair: Pair, fields: dict[str, Any]) -> None:
    a_live_flow(pair)
    event = an_event(pair.stripe, **fields)

    dispatch(now=NOON)

    letter = DeadLetter.objects.get()
    event.refresh_from_db()
    assert (letter.event_id, letter.run_id, letter.code) == (event.id, None, "unreadable")
    assert letter.suggestion
    assert event.fate == Fate.DEAD


def test_a_body_whose_key_is_lost_names_the_remedy(pair: Pair) -> None:
    a_live_flow(pair)
    event = an_event(pair.stripe)
    Event.objects.filter(id=event.id).update(body=b"sealed with another key")

    dispatch(now=NOON)

    assert "INTEGRATOR_ENCRYPTION_KEYS" in DeadLetter.objects.get().suggestion


def test_one_event_opens_a_run_for_each_flow_and_pair(pair: Pair) -> None:
    a_live_flow(pair)
    a_live_flow(pair, slug="ledger")
    an_event(pair.stripe)

    dispatch(now=NOON)

    assert Run.objects.count() == 2
    assert Lane.objects.count() == 1


def test_a_failing_row_harms_no_other_and_becomes_a_dead_letter_in_the_end(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_live_flow(pair)
    bad, good = an_event(pair.stripe), an_event(pair.stripe)
    honest = dispatching._open_runs

    def choke(verdicts: Any, now: Any) -> Any:
        if any(verdict.event.id == bad.id for verdict in verdicts if verdict.routes):
            raise ValueError("a value that no column takes")
        return honest(verdicts, now)

    monkeypatch.setattr(dispatching, "_open_runs", choke)
    dispatch(now=NOON)
    assert Run.objects.get().event_id == good.id
    assert Event.objects.get(id=bad.id).dispatch_crashes == 1

    dispatch(now=NOON)
    dispatch(now=NOON)

    bad.refresh_from_db()
    assert (bad.fate, bad.dispatched_at) == (Fate.DEAD, NOON)
    assert DeadLetter.objects.get().event_id == bad.id


def test_fates_add_up_and_the_change_feed_hears_of_them(pair: Pair) -> None:
    a_live_flow(pair)
    an_event(pair.stripe)
    an_event(pair.stripe, type="invoice.created")
    other = a_connection("stripe", pair.environment, name="Unbound")
    an_event(other)

    dispatch(now=NOON)

    change = Change.objects.get()
    assert change.kind == "dispatched"
    assert change.summary["fates"] == {"queued": 1, "ignored": 2}
    assert change.summary["runs"] == [Run.objects.get().public_id]
