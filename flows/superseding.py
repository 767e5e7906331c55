"""
This module ends stopped runs whose work a newer run of the same object has done.

A run that waits for a person, or is dead, does not hold up newer events. Once one of those has saved the
record, what the older would still save is superseded. That closes its question or dead letter only where
nothing but such writes remains of it: what must happen once is never left out because something newer came.
A run that does the same event once more, to its end, leaves nothing of the one before it. And where the older
comes last and fails, nobody has to look at it if the newer state stands already.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from django.db.models import QuerySet

from flows import bulk
from flows.engine.batch import Finished
from flows.engine.definition import FlowDocument, walk
from flows.engine.item import Item
from flows.engine.outcome import AskHuman, Done, End, GiveUp
from flows.models import AppliedVersion, DeadLetter, Fate, FlowVersion, Review, Run
from flows.plans import Unrunnable, compiled
from flows.statements import Given, Select
from flows.steps.upsert import Upsert

REASON = "A newer state of the same object was written meanwhile"
ACTOR = "the engine"
INTERNAL = "internal"


class Newer(msgspec.Struct, frozen=True):
    """A run that was just closed, as far as older ones are concerned."""

    flow_id: int
    lane_id: int
    run_id: int
    object_id: str  # what the event is about; several objects may share a lane
    finished: Finished
    version_id: int


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


def close_outdated(failed: Iterable[Newer], *, now: datetime) -> list[int]:
    """
    End what has just given up over a state older than that of its record, and return the events' ids.

    It is done in the caller's transaction, behind the filing of letters and with the lanes locked. A bug of
    ours is told in any case.
    """
    gave_up = {one.run_id: one for one in failed if _may_be_outdated(one)}
    if not gave_up:
        return []
    found = Run.objects.filter(bulk.among("id", set(gave_up))).select_related("version")
    runs = list(found.defer("version__document"))
    saved = _saved_by({run.version_id for run in runs})
    targets = {run: _own_targets(run, gave_up[run.id].finished, saved[run.version_id]) for run in runs}
    stands = _standing(targets)
    ended = [
        run
        for run, wanted in targets.items()
        if wanted
        and all(_is_newer(stands.get((run.flow_id, run.pair_id, one)), gave_up[run.id]) for one in wanted)
    ]
    if ended:
        _end(ended, now)
    return [run.event_id for run in ended]


def _may_be_outdated(one: Newer) -> bool:
    outcome = one.finished.outcome
    return isinstance(outcome, GiveUp) and outcome.failure.error_class != INTERNAL


def _saved_by(versions: set[int]) -> dict[int, dict[str, str]]:
    """Return the objects whose records versions save by external ids, by version and step."""
    documents = FlowVersion.objects.filter(id__in=versions).values_list("id", "document")
    return {version: _saving(document) for version, document in documents}


def _saving(document: Any) -> dict[str, str]:
    try:
        steps = FlowDocument.model_validate(document).steps
    except ValueError:  # it was published when something else was allowed
        return {}
    return {step.id: str(step.settings.get("object")) for step, _ in walk(steps) if step.kind == Upsert.slug}


def _own_targets(run: Run, finished: Finished, objects: Mapping[str, str]) -> set[str]:
    """Return what `run` would still have saved, if that is the lane's own record and nothing else."""
    try:
        left = compiled(run.version_id, run.version.content_hash).left_from(finished.step.partition("[")[0])
    except Unrunnable:
        return set()
    if left is None or left.creates:
        return set()
    if not left.writes <= set(objects):
        return set()
    return {f"{objects[step]}:{finished.item.root_id}" for step in left.writes}


def _standing(targets: Mapping[Run, set[str]]) -> dict[tuple[int, int, str], tuple[str, datetime]]:
    """Return from which object and when the states are that stand, by flow, pair and target."""
    wanted = {one for found in targets.values() for one in found}
    if not wanted:
        return {}
    flows, pairs = ({getattr(run, name) for run in targets} for name in ("flow_id", "pair_id"))
    rows = AppliedVersion.objects.filter(flow__in=flows, pair__in=pairs, target__in=wanted)
    known = rows.values_list("flow_id", "pair_id", "target", "source", "not_before")
    return {(flow, pair, target): (source, at) for flow, pair, target, source, at in known}


def _is_newer(standing: tuple[str, datetime] | None, failed: Newer) -> bool:
    """Tell whether a state is newer than what failed, and of the same object or of the lane's own."""
    item = failed.finished.item
    if standing is None:
        return False
    source, not_before = standing
    return source in (item.source.id, item.root_id) and not_before > item.source.not_after


def _did_something(one: Newer) -> bool:
    finished = one.finished
    # A run of the same event once more reads its object first.
    repeated = isinstance(finished.outcome, Done | End) and finished.item.read_first
    agrees = "echo" in finished.item.effects
    return bool(finished.writes) or isinstance(finished.outcome, AskHuman) or repeated or agrees


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


def _repeats(newer: Newer, old: _Stopped) -> bool:
    """Tell whether `newer` did the same event once more, to its end and no less of it."""
    item = newer.finished.item
    if item.event_id != old.run.event_id or newer.object_id != (old.run.subject or old.run.event.object_id):
        return False
    as_much = item.insisted or not item.history or not old.run.insisted
    return newer.run_id > old.run.id and isinstance(newer.finished.outcome, Done | End) and as_much


def _covers(newer: Newer, old: _Stopped) -> bool:
    """Tell whether nothing is left to do of `old`, now that `newer` has come this far."""
    if _repeats(newer, old):
        return True
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
    own = [write for write in newer.finished.writes if write.external_id == item.root_id]
    undone = left.writes - {write.step for write in own} - _agreeing(item)
    return not undone or _replaced(undone, {write.object for write in own}, newer, old)


def _replaced(undone: frozenset[str], saved: set[str], newer: Newer, old: _Stopped) -> bool:
    """Tell whether another version saves the same records by other steps, in place of the `undone`."""
    if newer.version_id == old.run.version_id:
        return False
    versions = _saved_by({newer.version_id, old.run.version_id})
    before, after = versions[old.run.version_id], versions[newer.version_id]
    return all(step not in after and before.get(step) in saved for step in undone)


def _agreeing(item: Item) -> set[str]:
    """Return the steps that found the lane's own record to agree with the newest state, and left it alone."""
    return {
        step
        for step, output in item.outputs.items()
        if isinstance(output, dict) and output.get("unchanged") and output.get("external_id") == item.root_id
    }


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
