"""Turns and bursts are counted in the database, so that workers agree, and none is lost with one of them."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flows import lanes, pacing, runner
from flows.engine.pacing import Calm, Member, Pace
from flows.lanes import WorkerLease
from flows.models import Burst, Event, Gate, Lane, Pair, Run
from tests.builders import NOON, a_flow
from tests.integration.flows.given import a_charge, a_worker, an_event, die
from tests.integration.flows.two_systems import (
    UPSERT,
    TwoSystems,
    a_deployed_flow,
    pass_time,
    work_until_quiet,
)

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


@pytest.fixture
def place(pair: Pair) -> pacing.Place:
    return pacing.Place(a_flow(pair.integration).id, pair.id, "here")


def after(*spans: timedelta | None) -> list[datetime | None]:
    return [None if span is None else NOON + span for span in spans]


# Turns


def test_turns_follow_one_another_period_by_period_for_each_key(place):
    pace = Pace(limit=2, period=HOUR, ahead=2)
    now = timedelta()

    assert pacing.turns(place, ["a", "b", "a", "a"], pace, now=NOON) == after(now, now, now, HOUR)
    assert pacing.turns(place, ["a"] * 4, pace, now=NOON + MINUTE) == after(HOUR, 2 * HOUR, 2 * HOUR, None)
    assert pacing.turns(place, ["a", "b"], pace, now=NOON + HOUR) == after(3 * HOUR, HOUR)


def test_when_all_periods_are_over_the_next_begins_with_who_comes(place):
    pace = Pace(limit=1, period=HOUR)
    pacing.turns(place, ["a"], pace, now=NOON)

    assert pacing.turns(place, ["a"], pace, now=NOON + 59 * MINUTE) == [None]
    assert pacing.turns(place, ["a", "a"], pace, now=NOON + 70 * MINUTE) == after(70 * MINUTE, None)
    assert pacing.turns(place, ["a"], pace, now=NOON + 129 * MINUTE) == [None]
    assert pacing.turns(place, ["a"], pace, now=NOON + 130 * MINUTE) == after(130 * MINUTE)


def test_who_is_turned_away_takes_no_turn_from_those_who_come_later(place):
    pace = Pace(limit=3, period=HOUR)

    first = pacing.turns(place, ["a"] * 50, pace, now=NOON)
    second = pacing.turns(place, ["a"] * 50, pace, now=NOON + HOUR)

    assert (first[:4], second[:4]) == (after(*[timedelta()] * 3, None), after(*[HOUR] * 3, None))


def test_a_batch_costs_one_statement_whatever_it_consists_of(place):
    keys = [f"customer {number % 40}" for number in range(200)]

    with CaptureQueriesContext(
        connection,
    ) as queries:
        pacing.turns(place, keys, Pace(1, HOUR, 9), now=NOON)

    assert len(queries) == 1


@pytest.mark.django_db(transaction=True)
def test_workers_that_come_at_the_same_moment_never_give_a_turn_twice(place):
    pace, given = Pace(limit=5, period=HOUR, ahead=100), []
    start = threading.Barrier(4)

    def work() -> None:
        try:
            start.wait(timeout=30)
            for _ in range(5):
                given.extend(pacing.turns(place, ["a", "b"], pace, now=NOON))
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert len(given) == 40
    assert Counter(Counter(given).values()) == {10: 4}, "five of each key in each of four hours"


# Bursts

CALM = Calm(quiet=10 * SECOND, longest=30 * SECOND)


def come(place: pacing.Place, *ranks: str, at: timedelta, joined: bool = False) -> list[tuple[bool, bool]]:
    members = [Member("a", rank, joined) for rank in ranks]
    return [(one.is_last, one.goes) for one in pacing.bursts(place, members, CALM, now=NOON + at)]


LAST, GOES, REPLACED = (True, False), (True, True), (False, False)


def test_only_the_last_goes_on_once_it_was_quiet(place):
    assert come(place, "1", at=0 * SECOND) == [LAST]
    assert come(place, "2", at=8 * SECOND) == [LAST]
    assert come(place, "1", at=10 * SECOND, joined=True) == [REPLACED]
    assert come(place, "2", at=10 * SECOND, joined=True) == [LAST]
    assert come(place, "2", at=18 * SECOND, joined=True) == [GOES]
    assert Burst.objects.get().members == 2


def test_an_older_event_that_comes_later_is_not_the_last(place):
    assert come(place, "2", at=0 * SECOND) == [LAST]
    assert come(place, "1", at=1 * SECOND) == [REPLACED]
    assert come(place, "2", at=10 * SECOND, joined=True) == [GOES]
    assert come(place, "1", at=11 * SECOND) == [LAST], "the burst is over: it begins one of its own"


def test_however_many_come_one_goes_on_after_the_longest_wait(place):
    for second in range(0, 30, 5):
        assert come(place, f"{second:02d}", at=second * SECOND) == [LAST]

    assert come(place, "30", at=30 * SECOND) == [GOES]
    assert come(place, "25", at=30 * SECOND, joined=True) == [REPLACED]
    assert come(place, "31", at=31 * SECOND) == [LAST]


def test_of_a_batch_the_last_is_the_last_in_whatever_order_it_came(place):
    assert come(place, "2", "3", "1", at=0 * SECOND) == [REPLACED, LAST, REPLACED]


def test_who_forgot_that_it_went_on_goes_on_again_and_who_forgot_that_it_waited_waits(place):
    come(place, "1", at=0 * SECOND)
    assert come(place, "1", at=5 * SECOND) == [LAST]
    assert come(place, "1", at=10 * SECOND) == [GOES]
    assert come(place, "1", at=11 * SECOND) == [GOES]
    assert come(place, "1", at=11 * SECOND, joined=True) == [GOES]


# Whole runs


def happens(pair: Pair, second: int, **charge: Any) -> Event:
    created = int(timezone.now().timestamp()) - 1_000 + second
    found = a_charge(id="ch_1", payment_intent="pi_1", **charge)
    return an_event(pair.stripe, found, type="charge.updated", created=created, received_at=timezone.now())


def it_is_quiet() -> None:
    """Let so much time pass that nobody came in it."""
    by = 600_000
    Burst.objects.update(due=F("due") - by, since=F("since") - by)
    pass_time(timedelta(milliseconds=by))


def test_the_last_run_goes_on_though_the_worker_that_had_it_died(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    quiet = {"id": "quiet", "kind": "debounce", "settings": {"quiet": 30, "longest": 5}}
    a_deployed_flow(pair, [quiet, *UPSERT])
    newest = a_charge(payment_intent="pi_1", status="third")
    systems.objects["pi_1"] = {"id": "pi_1", "object": "payment_intent", "latest_charge": newest}
    first, second, third = (happens(pair, n, status=f"number {n}") for n in range(3))
    work_until_quiet(worker)
    assert systems.records == {}
    it_is_quiet()

    lost = a_worker("lost")
    lost.moved()
    run = Run.objects.get(event=third)
    claimed = lanes.claim(lost, 10, now=timezone.now())
    assert claimed.runs, "the fault fires: somebody holds the lane and is heard of no more"
    die(lost)
    lanes.expire()
    assert Lane.objects.get(id=run.lane_id).worker is None
    work_until_quiet(worker)

    fates = [Event.objects.get(id=event.id).fate for event in (first, second, third)]
    assert fates == ["superseded", "superseded", "applied"]
    assert systems.records["Payment__c:pi_1"]["Status__c"] == "third"
    assert len(systems.made("upsert")) == 1


def test_one_that_dies_after_it_was_let_through_is_let_through_again(
    pair: Pair, worker: WorkerLease, systems: TwoSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = {"id": "quiet", "kind": "debounce", "settings": {"quiet": 30, "longest": 5}}
    a_deployed_flow(pair, [quiet, *UPSERT])
    event = happens(pair, 1)
    work_until_quiet(worker)
    it_is_quiet()

    with monkeypatch.context() as dying:
        dying.setattr(runner, "close", lambda *_args, **_more: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            runner.work(worker, lambda: True)
    assert Burst.objects.get().passed, "the fault fires: it went on, and that was not written down"
    assert Run.objects.get().fate == "queued"
    work_until_quiet(worker)

    event.refresh_from_db()
    assert event.fate == "applied"


def test_runs_beyond_the_pace_wait_in_order_and_pass_in_their_turn(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    throttle = {"id": "slow", "kind": "throttle", "settings": {"limit": 2, "unit": "hour"}}
    a_deployed_flow(pair, [throttle, *UPSERT])
    for _ in range(5):
        an_event(pair.stripe, a_charge(), received_at=timezone.now())
    work_until_quiet(worker)

    runs = list(Run.objects.order_by("id"))
    assert [run.fate for run in runs] == ["applied", "applied", "queued", "queued", "queued"]
    turns = [run.next_attempt_at for run in runs[2:]]
    assert turns[0] == turns[1] == turns[2] - HOUR
    assert runs[2].reason.startswith("At most 2 in an hour: its turn is at ")
    assert len(systems.records) == 2
    assert Gate.objects.get().taken == 5


def test_a_run_that_waited_for_a_date_survives_its_worker_and_reads_its_object_anew(
    pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    tomorrow = (timezone.now() + timedelta(days=1)).date().isoformat()
    wait = {"id": "wait", "kind": "wait", "settings": {"until": "charge.metadata.due", "at": "09:00"}}
    a_deployed_flow(pair, [wait, *UPSERT])
    happens(pair, 1, metadata={"due": tomorrow}, status="pending")
    work_until_quiet(worker)
    run = Run.objects.get()
    assert (run.fate, run.next_attempt_at.isoformat()) == ("queued", f"{tomorrow}T09:00:00+00:00")
    worker.stop()

    newest = a_charge(payment_intent="pi_1", status="succeeded", metadata={})
    systems.objects["pi_1"] = {"id": "pi_1", "object": "payment_intent", "latest_charge": newest}
    pass_time(timedelta(days=2))
    run.refresh_from_db()
    run.memory["wait"]["until"] = (timezone.now() - HOUR).isoformat()  # as if that time had come
    run.save(update_fields=["memory"])
    work_until_quiet(a_worker("another"))

    run.refresh_from_db()
    assert run.fate == "applied"
    assert systems.records["Payment__c:pi_1"]["Status__c"] == "succeeded"
