"""
This module writes a record once more after a write of it was not answered.

A call that we gave up may be carried out later, over a newer state, and nobody tells us. So the
event whose state was applied last runs again after the longest time for which the other side works
on a call: it reads the object anew and saves what is true then. So it is with what a worker was writing
to when it was lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from flows.engine.item import LATE
from flows.models import AppliedVersion, Event, Flow, Lane, LateTarget, Pair, Run

BATCH = 200
REASON = "Writes the record once more: an earlier write of it was not answered."


def open_due(*, now: datetime) -> int:
    """Open confirming runs for each lane and record whose time has come; return how many were opened."""
    return _of_lanes(now) + _of_records(now)


def _of_lanes(now: datetime) -> int:
    due = Lane.objects.filter(confirm_at__lte=now)
    if not due.exists():
        return 0
    with transaction.atomic():
        # The same lock as dispatch takes: a closing worker waits and then sees the new runs.
        lanes = list(due.order_by("pair_id", "key").select_for_update(skip_locked=True)[:BATCH])
        repeated = {lane.id: _last_applied(lane) for lane in lanes}
        opened, ready = _open(repeated, locked=repeated.keys(), now=now)
        Lane.objects.filter(id__in=ready).update(confirm_at=None)
    return opened


def _of_records(now: datetime) -> int:
    due = LateTarget.objects.filter(confirm_at__lte=now)
    if not due.exists():
        return 0
    with transaction.atomic():
        late = due.order_by("connection_id", "target").select_for_update(skip_locked=True)[:BATCH]
        repeated = {one.id: _last_saved(one) for one in late}
        opened, ready = _open(repeated, locked=(), now=now)
        LateTarget.objects.filter(id__in=ready).delete()
    return opened


def _open(
    repeated: Mapping[int, Sequence[Run]], *, locked: Collection[int], now: datetime
) -> tuple[int, list[int]]:
    """
    Do the runs of `repeated` again; return how many, and for which keys of it.

    The lanes `locked` are locked already. A lane that somebody else has locked at this moment makes the
    others of its key wait for the next time.
    """
    ours = _locked({run.lane_id for runs in repeated.values() for run in runs}.difference(locked))
    ours.update(locked)
    ready = [key for key, runs in repeated.items() if all(run.lane_id in ours for run in runs)]
    opened = {run.id: run.again(reason=REASON, now=now) for key in ready for run in repeated[key]}
    Run.objects.bulk_create(opened.values(), ignore_conflicts=True)
    Lane.objects.set_ready({run.lane_id for run in opened.values()})
    Event.objects.settle([run.event_id for run in opened.values()])
    return len(opened), ready


def _locked(lanes: set[int]) -> set[int]:
    others = Lane.objects.filter(id__in=lanes).order_by("pair_id", "key")
    return set(others.select_for_update(skip_locked=True).values_list("id", flat=True)) if lanes else set()


def _last_applied(lane: Lane) -> list[Run]:
    """
    Return the last run of each event whose state was applied last to what may be written late.

    That is what events of this lane have written, and records that other lanes write as well: of those the
    event may be another lane's.
    """
    applied = _repeatable().filter(pair=lane.pair_id)
    events = set(applied.filter(event__runs__lane=lane).values_list("flow_id", "pair_id", "event_id"))
    late = Run.objects.filter(lane=lane, memory__has_key=LATE).values_list("flow_id", "memory")
    for flow, memory in late:
        shared = applied.filter(flow=flow, target__in=list((memory or {}).get(LATE, ())))
        events.update(shared.values_list("flow_id", "pair_id", "event_id"))
    return _last_runs(events)


def _last_saved(late: LateTarget) -> list[Run]:
    """Return the last run of each event whose state stands in a record, whichever flow saved it."""
    pairs = Pair.objects.filter(Q(salesforce=late.connection_id) | Q(stripe=late.connection_id))
    # Named one by one: with its flow, pair and target an applied version is found in an index.
    flows = list(Flow.objects.filter(integration__pairs__in=pairs).values_list("id", flat=True).distinct())
    saved = _repeatable().filter(flow__in=flows, pair__in=list(pairs), target=late.target)
    return _last_runs(set(saved.values_list("flow_id", "pair_id", "event_id")))


def _repeatable() -> QuerySet[AppliedVersion]:
    """Return what was applied from events that can be done again: one without its body says nothing."""
    return AppliedVersion.objects.filter(event__purged_at=None)


def _last_runs(events: set[tuple[int, int, int]]) -> list[Run]:
    """Return the last run of each event, given with its flow and pair, for each record that it names."""
    last: dict[tuple[int, int, int, str], Run] = {}
    for flow, pair, event in sorted(events):
        for run in Run.objects.filter(flow=flow, pair=pair, event=event).order_by("replay"):
            last[flow, pair, event, run.subject] = run
    return list(last.values())
