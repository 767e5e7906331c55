"""This module plants bugs that worlds of the real worker have to find, one line each."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta
from itertools import count
from typing import Any
from unittest.mock import PropertyMock, patch

from flows import closing, comparing, effects, intake, lanes, loading, runner, walk
from flows.engine import batch, once
from flows.engine.outcome import GiveUp, Pause
from flows.engine.plan import Left, Plan
from flows.engine.policy import failure_of
from flows.models import Lane, Run
from flows.models.inbox import EventQuerySet
from flows.models.lanes import LaneQuerySet
from flows.steps import saving, upsert
from integrator.kernel.errors import IntegrationError
from tests.simulation.bugs import Bug, newest_wins_always, nothing
from tests.simulation.hub import START


def _whoever_holds_them(lease: Any, ids: Any) -> list[int]:
    return list(Lane.objects.filter(id__in=list(ids)).locked().values_list("id", flat=True))


def _from_its_payload(run: Any, **given: Any) -> Run:
    again = _again(run, **given)
    again.fetch_first = False
    return again


_again = Run.again


def _none_due(*_: Any) -> dict[int, Any]:
    return {}


def _nothing_kept(arrivals: Any) -> intake.Kept:
    return intake.Kept(new=0)


def _only_writes_left(plan: Plan, step: str) -> Left:
    return Left(frozenset({"save"}), frozenset())


def _all_or_none(saving_: Any, jobs: Any) -> list[Any]:
    results = list(_send(saving_, jobs))
    failed = [result for result in results if isinstance(result, IntegrationError)]
    return failed[:1] * len(results) if failed else results


_send = upsert._Upserting._send


def _given_up(error: Any, **known: Any) -> Any:
    outcome = _decide(error, **known)
    lacking = isinstance(outcome, Pause) and outcome.holds == "flow"
    return GiveUp(outcome.reason, failure_of(error)) if lacking else outcome


_decide = batch.decide


def _none_missed(*_: Any) -> list[Any]:
    return []


def _long_ago(run: Any, write: Any, now: Any) -> tuple[Any, ...]:
    row = list(_applied(run, write, now))
    row[5] = row[6] = START - timedelta(days=365)
    return tuple(row)


def _new_each_time() -> AbstractContextManager[Any]:
    numbers = count(1)

    def row(arrival: Any) -> list[Any]:
        values = honest(arrival)
        values[1] = f"{values[1]}#{next(numbers)}"
        return values

    honest = intake._row
    return patch.object(intake, "_row", row)


def no(*_: Any) -> bool:
    return False


_applied = closing._applied


REAL: tuple[Bug, ...] = (
    Bug(
        "any state may overwrite any other",
        lambda: patch.object(saving, "judge", newest_wins_always),
        40,
        way="",
    ),
    Bug("what was applied is not kept", lambda: patch.object(closing, "_applied", _long_ago), 60, way=""),
    Bug(
        "a write that was not answered is not confirmed",
        lambda: patch.object(LaneQuerySet, "unsettled", nothing),
        80,
        way="shared",
    ),
    Bug(
        "a confirming run trusts its event",
        lambda: patch.object(Run, "again", _from_its_payload),
        80,
        way="record",
    ),
    Bug(
        "a batch is closed whoever holds the lanes",
        lambda: patch.object(lanes, "lock", _whoever_holds_them),
        150,
        way="",
    ),
    Bug(
        "the culprit of crashes is never given up",
        lambda: patch.object(lanes, "CRASHES_ALONE", 10**6),
        30,
        way="",
    ),
    Bug(
        "a lane that is given back forgets what waits",
        lambda: patch.object(LaneQuerySet, "_due", _none_due),
        20,
        way="",
    ),
    Bug(
        "an event does not get the fate of its runs",
        lambda: patch.object(EventQuerySet, "settle", nothing),
        10,
        way="",
    ),
    Bug("an event that came before comes in anew", _new_each_time, 10, way=""),
    Bug(
        "a walk keeps nothing of its pages",
        lambda: patch.object(walk.intake, "keep", _nothing_kept),
        10,
        way="",
    ),
    Bug(
        "a newer event does the work where something must happen once",
        lambda: patch.object(Plan, "collapses", PropertyMock(return_value=True)),
        150,
        way="record",
    ),
    Bug(
        "a newer state ends what an effect still has to do",
        lambda: patch.object(Plan, "left_from", _only_writes_left),
        150,
        way="direct",
    ),
    Bug(
        "an effect is not recorded before its call",
        lambda: patch.object(effects, "_mark_sent", nothing),
        150,
        way="direct",
    ),
    Bug(
        "a lost answer counts as a refusal",
        lambda: patch.multiple(once, Uncertain=(), UNSETTLED=frozenset()),
        60,
        way="record",
    ),
    Bug("history sends letters", lambda: patch.object(loading, "_is_history", no), 40, way="record"),
    Bug(
        "one element that is refused fails the others",
        lambda: patch.object(upsert._Upserting, "_send", _all_or_none),
        20,
        way="lines",
    ),
    Bug(
        "what the org lacks ends as dead letters",
        lambda: patch.object(batch, "decide", _given_up),
        10,
        way="held",
    ),
    Bug(
        "a hold does not end when a run gets through",
        lambda: patch.multiple(runner, got_through=no, has_found=no),
        10,
        way="held",
    ),
    Bug("a sweep lets nothing in", lambda: patch.object(comparing, "missed", _none_missed), 20, way=""),
)
