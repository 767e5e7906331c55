"""
This module ends stopped runs whose work a newer run of the same object has done.

A run that waits for a person, or is dead, does not hold up newer events. Once one of those has saved the
record, what the older would still save is superseded. That closes its question or dead letter only where
nothing but such writes remains of it: what must happen once is never left out because something newer came.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from flows import bulk
from flows.engine.batch import Finished
from flows.engine.item import Item
from flows.engine.outcome import AskHuman
from flows.models import DeadLetter, Fate, Review, Run
from flows.plans import Unrunnable, compiled
from flows.statements import Given, Select

REASON = "A newer state of the same object was written meanwhile"
ACTOR = "the engine"


@dataclass(frozen=True, slots=True)
class Newer:
    """A run that was just closed, as far as older ones are concerned."""

    flow_id: int
    lane_id: int
    run_id: int
    object_id: str  # what the event is about; several objects may share a lane
    finished: Finished


@dataclass(frozen=True, slots=True)
class _Stopped:
    """An older run that needs a person."""

    run: Run
    step: str
    happened_at: datetime


def close_older(newer: Iterable[Newer], *, now: datetime) -> list[int]:
    """
    End what `newer` runs have superseded, in the caller's transaction, and return their events' ids.

    The lanes are locked by the caller, who also settles the events.
    """
    telling = [one for one in newer if _did_something(one)]
    if not telling:
        return []
    by_place: dict[tuple[int, int], list[Newer]] = defaultdict(list)
    for one in telling:
        by_place[one.flow_id, one.lane_id].append(one)
    ended = [
        old.run
        for old in _stopped({one.lane_id for one in telling}, {one.run_id for one in telling})
        if any(_covers(one, old) for one in by_place.get((old.run.flow_id, old.run.lane_id), ()))
    ]
    if ended:
        _end(ended, now)
    return [run.event_id for run in ended]


def _did_something(one: Newer) -> bool:
    return bool(one.finished.writes) or isinstance(one.finished.outcome, AskHuman)


def _stopped(lanes: set[int], besides: set[int]) -> list[_Stopped]:
    known = set(_STOPPED_IN_LANES.values(lanes=list(lanes))) - besides
    if not known:
        return []
    stopped = Run.objects.filter(bulk.among("id", known)).select_related("event", "version")
    runs = list(stopped.defer("event__body", "version__document"))
    letters = DeadLetter.objects.unresolved().filter(run__in=runs).values_list("run", "step")
    reviews = Review.objects.open().filter(run__in=runs).values_list("run", "step")
    steps = {**dict(letters), **{run: step.partition("[")[0] for run, step in reviews}}
    return [
        _Stopped(run, steps[run.id], run.event.happened_at or run.event.received_at)
        for run in runs
        if run.id in steps
    ]


def _stopped_in_lanes() -> QuerySet[Run, Any]:
    in_lanes = Run.objects.filter(bulk.among("lane_id", Given("lanes", "bigint")))
    return in_lanes.filter(state__in=(Run.State.WAITING, Run.State.DEAD)).order_by().values_list("id")


_STOPPED_IN_LANES = Select(_stopped_in_lanes)


def _covers(newer: Newer, old: _Stopped) -> bool:
    """Tell whether nothing is left to do of `old`, now that `newer` has come this far."""
    try:
        left = compiled(old.run.version_id, old.run.version.content_hash).left_from(old.step)
    except Unrunnable:
        return False
    item = newer.finished.item
    same_object = newer.object_id == (old.run.subject or old.run.event.object_id)
    if left is None or (left.creates and not same_object):
        return False
    if isinstance(newer.finished.outcome, AskHuman):  # it asks the same anew, about something newer
        asks_the_same = same_object and item.asks.partition("[")[0] == old.step
        will_create = not left.creates or not item.history or item.insisted
        is_newer = item.source.not_before >= old.happened_at and newer.run_id > old.run.id
        return asks_the_same and will_create and is_newer
    if item.source.not_before <= old.happened_at or not left.creates <= _created(item):
        return False
    # The lane's own record: what the older run would have written is then surely the same.
    own = {write.step for write in newer.finished.writes if write.external_id == item.root_id}
    return left.writes <= own


def _created(item: Item) -> set[str]:
    """Return the steps that left nothing out, as one that creates does with history."""
    return {
        step for step, output in item.outputs.items() if isinstance(output, dict) and "skipped" not in output
    }


def _end(runs: Sequence[Run], now: datetime) -> None:
    ids = [run.id for run in runs]
    Run.objects.filter(id__in=ids).update(
        state=Run.State.DONE, fate=Fate.SUPERSEDED, reason=REASON, finished_at=now, next_attempt_at=None
    )
    for letter in DeadLetter.objects.unresolved().filter(run__in=ids):
        letter.resolve(DeadLetter.Resolution.SUPERSEDED, actor=ACTOR, now=now)
    for review in Review.objects.open().filter(run__in=ids):
        review.close(Review.Resolution.SUPERSEDED, actor=ACTOR, now=now)
