"""
This module deletes what is older than its time, in small transactions that nobody waits for.

Contents go first: bodies, runs, traces. The row of an event stays for as long as Stripe could list the event
once more, so that a walk does not take it for a new one, and for as long as something refers to it. Links,
applied versions and effects stay: without them a later event could undo or double what was done. Whatever
still waits for a worker or a person stays too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, Max, Model, OuterRef, Q, QuerySet

from flows.models import (
    AppliedVersion,
    Attempt,
    AwaitedEvent,
    Burst,
    Cause,
    Change,
    DeadLetter,
    Directory,
    Effect,
    Event,
    Fate,
    Gate,
    GroupRetry,
    KnownRecord,
    Lane,
    MatchDecision,
    Mending,
    Merge,
    MissingParent,
    Notice,
    Passage,
    Purge,
    Resync,
    Review,
    Run,
    SweptObject,
)
from flows.models.merging import BIN
from flows.passages import KEPT
from flows.queries import first_id
from flows.sweeps import LONG_LIVED

# Above the 30 days for which Stripe lists events, and a walk's own delays. An emptied row takes about 500
# bytes with all its indexes on PostgreSQL, which is cheaper to bear than a second table to keep true.
GUARD = timedelta(days=35)
# How long it can be looked up what a comparison of records or a retry of many letters came to, and how long
# it is known who saw to a cause that is gone.
REPORTED = timedelta(days=90)
FORGOTTEN = timedelta(days=400)  # after which no sweep looks at an object any more
USED_UP = timedelta(hours=1)  # since the last period of a gate ended
CALMED = timedelta(days=90)  # since a burst was over; a run of it may have been held all that time

EVERY = timedelta(hours=6)  # between two passes over a table
TURN = 20.0  # seconds of work at most
PAUSE = 0.05  # seconds between two transactions, for everybody else
# Rows in a transaction. SQLite has one writer, who must be quick.
BATCH = {"sqlite": 50, "postgresql": 500}

_OPEN_EFFECTS = (Effect.State.PLANNED, Effect.State.SENT, Effect.State.IN_DOUBT)
_OPEN_FATES = (Fate.QUEUED, Fate.WAITING, Fate.DEAD)

Rows = QuerySet[Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that is deleted for its age."""

    name: str
    words: str
    model: type[Model]
    aged: str  # the column that tells the age; ids rise with it. Empty: all rows are looked at
    keep: Callable[[], timedelta]
    candidates: Callable[
        [datetime], Rows
    ]  # those that may go, given the moment before which they are too old
    remove: Callable[[list[int], datetime], object]


def purge_due(
    *, now: datetime, turn: float = TURN, pause: float = PAUSE, clock: Callable[[], float] = time.monotonic
) -> int:
    """
    Delete what is too old, for at most `turn` seconds, and return how many rows that were.

    The next turn goes on where this one stopped, in whatever process. Two at a time do no harm.
    """
    ends = clock() + turn
    return sum(_pass(one, now=now, pause=pause, is_over=lambda: clock() >= ends) for one in SUBJECTS)


def purge_all(*, now: datetime, pause: float = PAUSE) -> int:
    """Delete everything that is too old, however long it takes, and return how many rows that were."""
    for subject in SUBJECTS:
        purge, _ = Purge.objects.get_or_create(subject=subject.name)
        purge.begin(now=now)
    return purge_due(now=now, turn=float("inf"), pause=pause)


def counts(*, now: datetime) -> dict[str, int]:
    """Return how many rows of each subject a whole pass would delete now; none is."""
    return {subject.name: subject.candidates(now - subject.keep()).count() for subject in SUBJECTS}


def _pass(subject: Subject, *, now: datetime, pause: float, is_over: Callable[[], bool]) -> int:
    purge, _ = Purge.objects.get_or_create(subject=subject.name)
    if purge.started_at is None or (purge.ended_at is not None and purge.ended_at + EVERY <= now):
        purge.begin(now=now)
    if purge.ended_at is not None:
        return 0
    before = now - subject.keep()
    last = _last_id(subject, before)
    deleted = 0
    while purge.position < last:
        if is_over():
            return deleted
        done = _batch(subject, purge, before=before, last=last, now=now)
        deleted += done
        if done:
            time.sleep(pause)
    purge.end(now=now)
    return deleted


def _last_id(subject: Subject, before: datetime) -> int:
    if subject.aged:
        return first_id(subject.model, subject.aged, before)
    return subject.model._default_manager.aggregate(last=Max("pk"))["last"] or 0


def _batch(subject: Subject, purge: Purge, *, before: datetime, last: int, now: datetime) -> int:
    size = BATCH[connection.vendor]
    with transaction.atomic():
        ahead = subject.candidates(before).filter(id__gt=purge.position, id__lte=last).order_by("id")
        locked = ahead.select_for_update(skip_locked=True, of=("self",))
        ids = list(locked.values_list("id", flat=True)[:size])
        # Once more, now that nobody can change them: they may have been changed before the lock was had.
        still = list(subject.candidates(before).filter(id__in=ids).values_list("id", flat=True))
        if still:
            subject.remove(still, now)
        purge.reach(ids[-1] if len(ids) == size else last)
    return len(still)


# What may go


def _old_contents(before: datetime) -> Rows:
    """Return events that ended, with everything that was done for them, before that moment."""
    run = Run.objects.filter(event=OuterRef("pk"))
    letter = DeadLetter.objects.filter(event=OuterRef("pk"))
    review = Review.objects.filter(run__event=OuterRef("pk"))
    effect = Effect.objects.filter(run__event=OuterRef("pk"), state__in=_OPEN_EFFECTS)
    # A run that is still on its way reads again what it waited for.
    needed = AwaitedEvent.objects.filter(event=OuterRef("pk")).exclude(run__state=Run.State.DONE)
    ended = Event.objects.filter(purged_at=None, received_at__lt=before, dispatched_at__isnull=False)
    return ended.exclude(fate__in=_OPEN_FATES).filter(
        ~Exists(run.filter(~Q(state=Run.State.DONE) | Q(finished_at__gte=before))),
        ~Exists(letter.filter(Q(resolved_at__isnull=True) | Q(resolved_at__gte=before))),
        ~Exists(review.filter(Q(closed_at__isnull=True) | Q(closed_at__gte=before))),
        ~Exists(effect),
        ~Exists(needed),
    )


def _old_rows(before: datetime) -> Rows:
    """Return emptied events that nothing refers to any more."""
    return Event.objects.filter(
        ~Exists(Run.objects.filter(event=OuterRef("pk"))),
        ~Exists(DeadLetter.objects.filter(event=OuterRef("pk"))),
        ~Exists(AppliedVersion.objects.filter(event=OuterRef("pk"))),
        ~Exists(AwaitedEvent.objects.filter(event=OuterRef("pk"))),
        purged_at__isnull=False,
        received_at__lt=before,
    )


def _old_traces(before: datetime) -> Rows:
    effect = Effect.objects.filter(run=OuterRef("run"), state__in=_OPEN_EFFECTS)
    return Attempt.objects.filter(~Exists(effect), finished_at__lt=before, run__state=Run.State.DONE)


def _old_changes(before: datetime) -> Rows:
    return Change.objects.filter(at__lt=before)


def _old_passages(before: datetime) -> Rows:
    return Passage.objects.filter(hour__lt=before)


def _idle_lanes(before: datetime) -> Rows:
    """Return lanes that hold nothing: the next event of their object makes a new one."""
    run = Run.objects.filter(lane=OuterRef("pk"))
    return Lane.objects.filter(~Exists(run), ready_at=None, worker=None, confirm_at=None)


def _old_reports(before: datetime) -> Rows:
    return Resync.objects.filter(ended_at__lt=before)


def _old_retries(before: datetime) -> Rows:
    """Return retries of groups that ended; letters that are still there forget with which they were."""
    return GroupRetry.objects.filter(ended_at__lt=before)


def _old_merges(before: datetime) -> Rows:
    """Return merges that ended, with the records as they were, and those that were only looked at."""
    looked = Q(state=Merge.State.CHECKED, created_at__lt=before)
    return Merge.objects.filter(Q(ended_at__lt=before) | looked)


def _old_parents(before: datetime) -> Rows:
    """Return parents that nobody has asked for lately."""
    return MissingParent.objects.filter(asked_at__lt=before)


def _forgotten_causes(before: datetime) -> Rows:
    """Return causes that have no letters any more, nor had anything arranged about them lately."""
    letter = DeadLetter.objects.filter(fingerprint=OuterRef("fingerprint"))
    return Cause.objects.filter(~Exists(letter), changed_at__lt=before)


def _pointless_decisions(before: datetime) -> Rows:
    """Return what people said long ago of records that are gone, in orgs that have been read whole."""
    place = {"connection": OuterRef("connection"), "object": OuterRef("object")}
    whole = Directory.objects.filter(complete_at__isnull=False, **place)
    there = KnownRecord.objects.filter(
        directory__connection=OuterRef("connection"),
        directory__object=OuterRef("object"),
        record_id=OuterRef("record_id"),
    )
    return MatchDecision.objects.filter(Exists(whole), ~Exists(there), decided_at__lt=before)


def _used_gates(before: datetime) -> Rows:
    """Return gates whose periods are over: who comes next begins anew, with a row or without."""
    return Gate.objects.filter(ends__lt=int(before.timestamp() * 1000))


def _old_bursts(before: datetime) -> Rows:
    """Return bursts of which no run can still want to know whether it was the last."""
    return Burst.objects.filter(due__lt=int(before.timestamp() * 1000))


def _forgotten_objects(before: datetime) -> Rows:
    return SweptObject.objects.filter(seen_at__lt=before).exclude(object_type__in=LONG_LIVED)


# How it goes


def _empty(events: list[int], now: datetime) -> None:
    """Delete the contents of events. What their effects were recorded with stays, and so do those runs."""
    runs = list(Run.objects.filter(event__in=events).values_list("id", flat=True))
    Attempt.objects.filter(run__in=runs).delete()
    DeadLetter.objects.filter(event__in=events).delete()
    Mending.objects.filter(run__in=runs).delete()
    Review.objects.filter(run__in=runs).delete()
    Notice.objects.filter(run__in=runs).update(run=None)
    recorded = Effect.objects.filter(run=OuterRef("pk"))
    Run.objects.filter(~Exists(recorded), id__in=runs).delete()
    Event.objects.filter(id__in=events).update(body=b"", purged_at=now)


def _delete(model: type[Model]) -> Callable[[list[int], datetime], object]:
    return lambda ids, _now: model._default_manager.filter(pk__in=ids).delete()


def _days(name: str) -> Callable[[], timedelta]:
    return lambda: timedelta(days=getattr(settings, name))


SUBJECTS: tuple[Subject, ...] = (
    Subject(
        "changes", "changes for live pages", Change, "at", _days("KEEP_CHANGES_DAYS"), _old_changes,
        _delete(Change),
    ),
    Subject(
        "traces", "traces of runs", Attempt, "finished_at", _days("KEEP_TRACES_DAYS"), _old_traces,
        _delete(Attempt),
    ),
    Subject(
        "contents", "events with their bodies and runs", Event, "received_at", _days("KEEP_EVENTS_DAYS"),
        _old_contents, _empty,
    ),
    Subject(
        "rows", "rows of emptied events", Event, "received_at",
        lambda: max(GUARD, timedelta(days=settings.KEEP_EVENTS_DAYS)), _old_rows, _delete(Event),
    ),
    Subject("lanes", "lanes without runs", Lane, "", timedelta, _idle_lanes, _delete(Lane)),
    Subject(
        "objects", "objects that sweeps remember", SweptObject, "", lambda: FORGOTTEN, _forgotten_objects,
        _delete(SweptObject),
    ),
    Subject(
        "comparisons", "comparisons of records", Resync, "", lambda: REPORTED, _old_reports, _delete(Resync)
    ),
    Subject(
        "group retries", "retries of many dead letters", GroupRetry, "", lambda: REPORTED, _old_retries,
        _delete(GroupRetry),
    ),
    Subject(
        "causes", "causes of dead letters that are gone", Cause, "", lambda: REPORTED, _forgotten_causes,
        _delete(Cause),
    ),
    Subject(
        "parents", "parents that were fetched", MissingParent, "", lambda: REPORTED, _old_parents,
        _delete(MissingParent),
    ),
    Subject(
        "merges", "merges of records", Merge, "",
        lambda: max(BIN, timedelta(days=settings.KEEP_EVENTS_DAYS)), _old_merges, _delete(Merge),
    ),
    Subject(
        "match decisions", "what was said of records that are gone", MatchDecision, "", lambda: REPORTED,
        _pointless_decisions, _delete(MatchDecision),
    ),
    Subject("gates", "turns that were taken", Gate, "", lambda: USED_UP, _used_gates, _delete(Gate)),
    Subject("bursts", "bursts that are over", Burst, "", lambda: CALMED, _old_bursts, _delete(Burst)),
    Subject(
        "passages", "counts of the ways that runs took", Passage, "hour", lambda: KEPT, _old_passages,
        _delete(Passage),
    ),
)  # fmt: skip
