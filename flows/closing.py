"""This module closes a batch: whatever its runs came to is written in one transaction, or not at all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db import transaction

from flows import (
    agreements,
    awaiting,
    bulk,
    deadletters,
    effects,
    lanes,
    own_writes,
    passages,
    reviews,
    saved_fixes,
)
from flows.deadletters import Obituary
from flows.engine import carrying, ways
from flows.engine.batch import Finished
from flows.engine.item import Write
from flows.engine.outcome import AskHuman, Done, End, GiveUp, Pause, RetryAt
from flows.models import AppliedVersion, Attempt, Change, Event, Lane, Link, Notice, Pair, Run
from flows.models.runs import REASON_LENGTH, check_move
from flows.reviews import Question
from flows.superseding import Newer, close_older, close_outdated
from integrator import vault
from integrator.kernel import canonical

_RUN = (
    "id", "state", "fate", "reason", "attempts", "crashes_alone", "fetch_first", "steps", "next_attempt_at",
    "first_failed_at", "finished_at",
)  # fmt: skip
_ATTEMPT = ("run_id", "started_at", "finished_at", "outcome", "trace", "found")
_LINK = (
    "pair_id", "stripe_id", "salesforce_object", "external_id", "record_id", "agreed", "amount", "currency",
    "first_synced_at", "synced_at",
)  # fmt: skip
_APPLIED = (
    "flow_id", "pair_id", "target", "source", "event_id", "not_before", "not_after", "rank", "applied_at",
)  # fmt: skip

# Money counts for the day on which it was first seen as money, not for that of a failed first try.
_SAME_RECORD = """
(pair_id, salesforce_object, external_id) DO UPDATE SET
    stripe_id = excluded.stripe_id, record_id = excluded.record_id, agreed = excluded.agreed,
    amount = excluded.amount, currency = excluded.currency, synced_at = excluded.synced_at,
    first_synced_at = CASE WHEN flows_link.amount IS NULL AND excluded.amount IS NOT NULL
        THEN excluded.synced_at ELSE flows_link.first_synced_at END
"""
_SAME_TARGET = """
(flow_id, pair_id, target) DO UPDATE SET
    source = excluded.source, event_id = excluded.event_id, not_before = excluded.not_before,
    not_after = excluded.not_after, rank = excluded.rank, applied_at = excluded.applied_at
"""
_MOST_STEPS = 200
FRESH = timedelta(minutes=1)  # a run that waits longer reads its object before it goes on


class Claimed(msgspec.Struct, frozen=True):
    """What the closing transaction has to know of a run that was claimed."""

    id: int
    public_id: str
    flow_id: int
    version_id: int
    pair_id: int
    lane_id: int
    event_id: int
    object_id: str
    environment_id: int
    state: str
    attempts: int
    fetch_first: bool
    first_failed_at: datetime | None


class Ended(msgspec.Struct, frozen=True):
    """How the try of one run ended."""

    run: Claimed
    finished: Finished
    started_at: datetime


class _Rows(msgspec.Struct, frozen=True):
    """What one run's end writes, made ready before the transaction so that that one stays short."""

    ended: Ended
    run: tuple[Any, ...]
    attempt: tuple[Any, ...] | None  # of a run that had to wait without a try there is none
    links: list[tuple[Any, ...]]
    applied: list[tuple[Any, ...]]
    letters: list[Obituary]
    questions: list[Question]


def close(
    worker: lanes.WorkerLease,
    batch: Sequence[Ended],
    *,
    now: datetime,
    unfinished: Collection[int] = (),
) -> int:
    """
    Write how the runs of `batch` ended and give their lanes back; return how many were still ours.

    Lanes that are `unfinished` are kept: other runs of theirs are still to be closed.
    A run whose lane is no longer ours is left alone: whoever has it now does it again, which is harmless.
    """
    usable = _usable_pairs(batch, now)
    sealed = _sealed(batch)
    ready = [_rows_of(ended, usable, now, sealed) for ended in batch]
    with transaction.atomic():
        ours = set(lanes.lock(worker, [ended.run.lane_id for ended in batch]))
        kept = _gone_on([rows for rows in ready if rows.ended.run.lane_id in ours], now)
        _write(kept, now)
        _tell_administrators(kept, now)
        closed = [_newer(rows.ended) for rows in kept]
        older = [*close_older(closed, now=now), *close_outdated(closed, now=now)]
        given_up = [rows.ended.run.id for rows in kept if rows.letters]
        mended = saved_fixes.apply(given_up, now=now) if given_up else []
        Event.objects.settle([*(rows.ended.run.event_id for rows in kept), *older, *mended])
        _tell(kept, now)
        Lane.objects.release(ours.difference(unfinished))
        late = [rows.ended.run.lane_id for rows in kept if rows.ended.finished.item.unsettled]
        if late:
            Lane.objects.unsettled(late)
        passages.add(_ways_of(kept), now=now)
    return len(kept)


def _usable_pairs(batch: Sequence[Ended], now: datetime) -> set[int]:
    """Return the pairs of paused runs whose connections do not rest after all."""
    paused = {ended.run.pair_id for ended in batch if isinstance(ended.finished.outcome, Pause)}
    if not paused:
        return set()
    return set(Pair.objects.usable(now).filter(id__in=paused).values_list("id", flat=True))


def _gone_on(batch: Sequence[_Rows], now: datetime) -> list[_Rows]:
    """Keep what runs wait for; one whose event came while it was in the batch is due at once."""
    waits = [(rows.ended.run.id, one) for rows in batch for one in rows.ended.finished.item.waits]
    came = awaiting.keep(waits)
    return [_due_at(rows, now) if rows.ended.run.id in came else rows for rows in batch]


def _due_at(rows: _Rows, now: datetime) -> _Rows:
    if not isinstance(rows.ended.finished.outcome, Pause):
        return rows
    due = _RUN.index("next_attempt_at")
    return msgspec.structs.replace(rows, run=(*rows.run[:due], now, *rows.run[due + 1 :]))


def _write(batch: Sequence[_Rows], now: datetime) -> None:
    bulk.update(Run, _RUN, [rows.run for rows in batch])
    bulk.insert(Attempt, _ATTEMPT, [rows.attempt for rows in batch if rows.attempt is not None])
    # The last word about a record counts, and one statement may not touch a row twice.
    links = {row[:1] + row[2:4]: row for rows in batch for row in rows.links}
    bulk.insert(Link, _LINK, list(links.values()), conflict=_SAME_RECORD)
    applied = {row[:3]: row for rows in batch for row in rows.applied}
    bulk.insert(AppliedVersion, _APPLIED, list(applied.values()), conflict=_SAME_TARGET)
    own_writes.keep(
        (rows.ended.run.flow_id, rows.ended.run.pair_id, target, past)
        for rows in batch
        for target, past in rows.ended.finished.item.own_writes.items()
    )
    agreements.keep([one for rows in batch for one in _agreed(rows.ended)], now=now)
    deadletters.file([letter for rows in batch for letter in rows.letters], now=now)
    reviews.file([question for rows in batch for question in rows.questions], now=now)
    bulk.update(Run, ("id", "memory"), [row for rows in batch if (row := _memory(rows.ended))])
    bulk.update(Run, ("id", "kept"), [kept for rows in batch if (kept := _kept(rows.ended))])
    ends = [(rows.ended.run.pair_id, end) for rows in batch for end in rows.ended.finished.item.effect_ends]
    effects.keep(ends, now=now)


def _agreed(ended: Ended) -> list[agreements.Kept]:
    run = ended.run
    return [
        agreements.Kept(run.pair_id, run.flow_id, run.id, run.public_id, run.lane_id, agreement)
        for agreement in ended.finished.item.agreements
    ]


def _memory(ended: Ended) -> tuple[int, dict[str, Any]] | None:
    memory = ended.finished.item.memory
    return (ended.run.id, memory) if memory else None


def _kept(ended: Ended) -> tuple[int, bytes] | None:
    """Return what was done for good inside of steps; of a run that has come to its end nothing is kept."""
    kept = ended.finished.item.kept
    if not kept:
        return None
    if isinstance(ended.finished.outcome, Done | End):
        return (ended.run.id, b"")
    return (ended.run.id, vault.seal(_as_json(kept), owner=f"kept:{ended.run.id}"))


def _ways_of(batch: Sequence[_Rows]) -> Counter[passages.Key]:
    """Return which ways were taken by the runs that have ended, each by its last try."""
    by_place: dict[tuple[int, int], Counter[ways.Way]] = defaultdict(Counter)
    for rows in batch:
        run, finished = rows.ended.run, rows.ended.finished
        if isinstance(finished.outcome, Done | End | GiveUp):
            taken = by_place[run.version_id, run.pair_id]
            taken.update(ways.taken(finished.trace))
            taken.update(finished.item.elements)
    counted: Counter[passages.Key] = Counter()
    for place, taken in by_place.items():
        for (step, exit_name), times in taken.items():
            counted[*place, step, exit_name[: passages.LONGEST_EXIT]] += times
    return counted


def _newer(ended: Ended) -> Newer:
    run = ended.run
    return Newer(run.flow_id, run.lane_id, run.id, run.object_id, ended.finished, run.version_id)


def _tell_administrators(batch: Sequence[_Rows], now: datetime) -> None:
    notices = []
    for rows in batch:
        run = rows.ended.run
        for note in rows.ended.finished.item.notes:
            notice = Notice.of(
                environment_id=run.environment_id,
                key=bulk.storable(f"{run.flow_id}:{note.key}" if note.kind == "flow_alert" else note.key),
                kind=note.kind,
                severity=note.severity,
                title=bulk.storable(note.title),
                text=bulk.storable(note.text),
                now=now,
            )
            notice.flow_id, notice.run_id = run.flow_id, run.id
            notices.append(notice)
    if notices:
        Notice.objects.give(notices)


def _tell(batch: Sequence[_Rows], now: datetime) -> None:
    """Write one Change row for each environment concerned."""
    by_environment: dict[int, list[_Rows]] = defaultdict(list)
    for rows in batch:
        by_environment[rows.ended.run.environment_id].append(rows)
    for environment, mine in by_environment.items():
        summary = {
            "fates": dict(Counter(rows.ended.finished.fate for rows in mine)),
            "runs": [rows.ended.run.public_id for rows in mine[: Change.MOST_RUNS]],
        }
        Change.objects.record(environment_id=environment, kind="closed", summary=summary, now=now)


def _sealed(batch: Sequence[Ended]) -> Iterator[bytes]:
    """Seal all traces and values in one go; yield those of each run in order, its trace before its links."""
    plain: list[tuple[bytes, str]] = []
    for ended in batch:
        run, finished = ended.run, ended.finished
        if _was_tried(finished):
            plain.append((msgspec.json.encode(finished.trace), f"trace:{run.id}"))
        plain += [(_as_json(write.values), f"link:{run.pair_id}") for write in _linking(finished)]
    return iter(vault.seal_many(plain))


def _was_tried(finished: Finished) -> bool:
    """Tell whether there is an attempt to keep: a run that had to wait without a try has none."""
    return bool(finished.trace) or not isinstance(finished.outcome, Pause)


def _linking(finished: Finished) -> list[Write]:
    """Return what is linked: where several sources feed one record, it is linked with none of them."""
    return [write for write in finished.writes if write.linked and write.rank is None]


def _rows_of(ended: Ended, usable: set[int], now: datetime, sealed: Iterator[bytes]) -> _Rows:
    run, finished = ended.run, ended.finished
    move = _move_of(ended, usable, now)
    check_move(run.state, move.state)
    reason = bulk.storable(finished.reason)[:REASON_LENGTH]
    return _Rows(
        ended=ended,
        run=(
            run.id, move.state, finished.fate, reason, move.attempts, 0,
            move.finished_at is None and (run.fetch_first or move.stale), finished.letters[:_MOST_STEPS],
            move.due, move.first_failed_at, move.finished_at,
        ),
        attempt=_attempt(ended, move.outcome, now, sealed),
        links=[_link(run.pair_id, write, now, next(sealed)) for write in _linking(finished)],
        applied=[_applied(run, write, now) for write in finished.writes],
        letters=_letters(ended),
        questions=_questions(ended),
    )  # fmt: skip


class _Move(msgspec.Struct, frozen=True):
    """Where a run goes from here."""

    outcome: str
    state: str
    attempts: int
    due: datetime | None = None
    first_failed_at: datetime | None = None
    finished_at: datetime | None = None
    stale: bool = False  # by the time it goes on, what it knows may be old


def _move_of(ended: Ended, usable: set[int], now: datetime) -> _Move:
    run = ended.run
    failed = run.first_failed_at
    match ended.finished.outcome:
        case RetryAt(when=when):
            return _Move("retry", Run.State.RETRYING.value, run.attempts + 1, when, failed or now)
        case Pause(until=until, holds=holds):
            # While a connection rests the claim passes its pairs over, so that the run is due as soon as it
            # is resumed, by whomever. A flow that is held, or a rest that is over, waits for its own time.
            due = max(until, now) if run.pair_id in usable or holds != "connection" else now
            stale = holds == "run" and due - now > FRESH
            return _Move("pause", run.state, run.attempts, due, failed, stale=stale)
        case AskHuman():
            return _Move("ask", Run.State.WAITING.value, run.attempts, None, failed)
        case GiveUp():
            return _Move("gave up", Run.State.DEAD.value, run.attempts + 1, None, failed or now, now)
        case _:
            return _Move("done", Run.State.DONE.value, run.attempts, None, failed, now)


def _attempt(ended: Ended, outcome: str, now: datetime, sealed: Iterator[bytes]) -> tuple[Any, ...] | None:
    if not _was_tried(ended.finished):
        return None
    return (ended.run.id, ended.started_at, now, outcome, next(sealed), _found(ended))


def _found(ended: Ended) -> bytes:
    """Return what a try that gave up had found, for whoever retries from the failed step."""
    found = carrying.packed(ended.finished)
    return vault.seal(found, owner=f"found:{ended.run.id}") if found else b""


def _link(pair_id: int, write: Write, now: datetime, agreed: bytes) -> tuple[Any, ...]:
    return (
        pair_id, write.stripe_id, write.object, write.external_id, write.record_id, agreed, write.amount,
        write.currency, now, now,
    )  # fmt: skip


def _as_json(values: dict[str, Any]) -> bytes:
    """Return what was written as JSON, with its numbers exact."""
    try:
        return _EXACT.encode(values)
    except (TypeError, ValueError):
        # Lone surrogates and the longest numbers; only this one writes them, at thirty times the price.
        return canonical.dumps(values)


_EXACT = msgspec.json.Encoder(decimal_format="number", order="deterministic")


def _applied(run: Claimed, write: Write, now: datetime) -> tuple[Any, ...]:
    source = write.source
    return (
        run.flow_id, run.pair_id, write.target, source.id, write.event_id, source.not_before,
        source.not_after, write.rank, now,
    )  # fmt: skip


def _letters(ended: Ended) -> list[Obituary]:
    """Return the dead letter of a run that gave up."""
    outcome = ended.finished.outcome
    if not isinstance(outcome, GiveUp):
        return []
    run = ended.run
    return [
        Obituary(run.event_id, outcome.failure, run_id=run.id, flow_id=run.flow_id, step=ended.finished.step)
    ]


def _questions(ended: Ended) -> list[Question]:
    """Return the question of a run that asks what only a person can answer."""
    outcome = ended.finished.outcome
    if not isinstance(outcome, AskHuman):
        return []
    step = ended.finished.item.asks or ended.finished.step
    return [Question(ended.run.id, ended.run.pair_id, step, outcome)]
