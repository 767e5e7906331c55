"""
This module joins events with the runs that wait for them, so that none is lost however the two race.

A wait is committed first, and only then the inbox is looked through for what had come by then. An event that
is committed after that look is dispatched after it as well, and its dispatch reads the waits that are there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import QuerySet

from flows import bulk, payloads
from flows.engine.correlation import Awaited, KeptWait, keys_of
from flows.engine.ports import Arrived, AwaitedResult, NothingCame, NotYet, Waiting
from flows.models import AwaitedEvent, Event, Fate, Run
from flows.statements import Given, Select
from integrator.kernel.errors import Missing
from integrator.kernel.paths import Path, compile_path

MOST_OPENED = 5_000  # events of the types that are waited for, the newest first, into which a look back looks
SOON = timedelta(seconds=1)  # after which a run looks again whose event is just being dispatched
OUT_OF_ORDER = timedelta(minutes=1)  # how far apart rows may be committed that were received at once
_PAGE = 1_000
_COLUMNS = (
    "run_id", "step", "connection_id", "types", "path", "key", "since", "until", "looked", "event_id", "over",
)  # fmt: skip
# What dispatch has found meanwhile stays.
_SAME_STEP = """
(run_id, step) DO UPDATE SET
    looked = excluded.looked, over = excluded.over,
    event_id = CASE WHEN flows_awaitedevent.event_id IS NULL OR excluded.over
        THEN excluded.event_id ELSE flows_awaitedevent.event_id END
"""


class Came(NamedTuple):
    """An event that is being dispatched."""

    id: int
    connection_id: int
    type: str
    payload: Mapping[str, Any]


class Met(NamedTuple):
    """A wait, the event that ends it, and the lane of its run."""

    wait: int
    run: int
    event: int
    pair: int
    lane: str


# Dispatch


def met_by(events: Sequence[Came]) -> list[Met]:
    """Return the waits that `events` end, each with the first that does."""
    paths = _paths_of({event.connection_id for event in events})
    if not paths:
        return []
    ends: dict[tuple[int, str, str], list[Came]] = defaultdict(list)
    for event in events:
        for place in paths.get(event.connection_id, ()):
            for key in _keys(event.payload, place):
                ends[event.connection_id, place.text, key].append(event)
    found = AwaitedEvent.objects.unanswered().filter(bulk.among("key", sorted({key for _, _, key in ends})))
    rows = found.order_by("id").values_list(
        "connection_id",
        "path",
        "key",
        "types",
        "run__event_id",
        "id",
        "run_id",
        "run__pair_id",
        "run__lane__key",
    )
    met = []
    for connection, path, key, types, own, wait, run, pair, lane in rows:
        fits = (
            one.id for one in ends.get((connection, path, key), ()) if one.type in types and one.id != own
        )
        if (event_id := min(fits, default=None)) is not None:
            met.append(Met(wait, run, event_id, pair, lane))
    return met


def wake(met: Iterable[Met], *, now: datetime) -> None:
    """Give each wait its event and make its run due, in the caller's transaction, which holds the lanes."""
    for one in sorted(met):
        if AwaitedEvent.objects.unanswered().filter(id=one.wait).update(event=one.event):
            waits = Run.objects.filter(id=one.run, state=Run.State.READY, next_attempt_at__gt=now)
            waits.update(next_attempt_at=now)


def _paths_of(connections: Iterable[int]) -> dict[int, list[Path]]:
    found: dict[int, list[Path]] = defaultdict(list)
    for connection, path in _PATHS.rows(connections=sorted(connections)):
        found[connection].append(compile_path(path))
    return found


def _paths() -> QuerySet[AwaitedEvent, Any]:
    of_these = bulk.among("connection_id", Given("connections", "bigint"))
    return AwaitedEvent.objects.unanswered().filter(of_these).values_list("connection_id", "path").distinct()


_PATHS = Select(_paths)


def _keys(payload: Mapping[str, Any], path: Path) -> set[str]:
    """Return by which keys an event is known under `path`: several, if it is about several records."""
    try:
        objects = payloads.objects_of(payload)
    except payloads.Unreadable:
        return set()
    return {key for one in objects for key in keys_of(path.read(one))}


# The batch


def results(waits: Sequence[Waiting], *, slots: Mapping[str, int], now: datetime) -> list[AwaitedResult]:
    """Return what came of each wait, and note in its item how it stands."""
    rows = _kept({one.item.run_id for one in waits})
    back = _look_back([row for one in waits if (row := rows.get(_name(one))) and not _is_settled(row)])
    return [_result(one, rows.get(_name(one)), slots, back, now) for one in waits]


def _name(waiting: Waiting) -> tuple[int, str]:
    return waiting.item.run_id, waiting.item.key(waiting.step)


def _kept(runs: Iterable[int]) -> dict[tuple[int, str], AwaitedEvent]:
    rows = AwaitedEvent.objects.filter(bulk.among("run_id", sorted(runs)))
    return {(row.run_id, row.step): row for row in rows}


def _is_settled(row: AwaitedEvent) -> bool:
    return row.looked or row.event_id is not None or row.over


@dataclass(frozen=True, slots=True)
class _Found:
    """What a look back found for a wait."""

    event_id: int | None = None
    under_way: bool = False  # such an event is there, but has not been dispatched


def _result(
    waiting: Waiting,
    row: AwaitedEvent | None,
    slots: Mapping[str, int],
    back: Mapping[int, _Found],
    now: datetime,
) -> AwaitedResult:
    found = back.get(row.pk, _Found()) if row is not None else _Found()
    event_id = waiting.came or (row.event_id if row is not None else None) or found.event_id
    looked = row is not None and not found.under_way
    over = event_id is not None or (looked and now >= waiting.awaited.until)
    kept = KeptWait(
        waiting.item.key(waiting.step),
        row.connection_id if row is not None else slots[waiting.awaited.slot],
        waiting.awaited,
        looked=looked,
        event_id=event_id,
        over=over,
    )
    waiting.item.waits.append(kept)
    if event_id is not None:
        return arrived(event_id)
    if over:
        return NothingCame()
    if row is None:
        return NotYet(now)  # once more as soon as the wait is committed
    return NotYet(waiting.awaited.until if looked else now + SOON)


def arrived(event_id: int) -> Arrived | Missing:
    """Return the event with its object; a failure if its content was deleted for its age."""
    event = Event.objects.filter(id=event_id).first()
    try:
        if event is None:
            raise payloads.Unreadable("The event that was waited for was deleted because of its age.")
        payload = payloads.open_body(event.body, connection_id=event.connection_id)
        return Arrived(event.pk, event.external_id, event.type, payloads.object_of(payload))
    except payloads.Unreadable as gone:
        return Missing(str(gone), code="event_gone")


def _look_back(rows: Sequence[AwaitedEvent]) -> dict[int, _Found]:
    """Return for each of `rows`, by its id, what the inbox has already: the newest events come first."""
    by_connection: dict[int, list[AwaitedEvent]] = defaultdict(list)
    for row in rows:
        by_connection[row.connection_id].append(row)
    own = dict(
        Run.objects.filter(bulk.among("id", [row.run_id for row in rows])).values_list("id", "event_id")
    )
    found: dict[int, _Found] = {}
    for connection, mine in by_connection.items():
        awaited = {row.pk: (_of_row(row), own[row.run_id]) for row in mine}
        found |= _search(connection, awaited)
    return found


def _of_row(row: AwaitedEvent) -> Awaited:
    return Awaited("", tuple(row.types), row.path, row.key, row.since, row.until)


def _search(connection: int, wanted: Mapping[int, tuple[Awaited, int]]) -> dict[int, _Found]:
    """Return by number what came for each of the `wanted`: the first event behind the run's own that fits."""
    since = min(awaited.since for awaited, _ in wanted.values())
    after = min(own for _, own in wanted.values())
    types = {kind for awaited, _ in wanted.values() for kind in awaited.types}
    paths = {awaited.path: compile_path(awaited.path) for awaited, _ in wanted.values()}
    found: dict[int, _Found] = {}
    for event in _newest(connection, types, since=since, after=after):
        keys = {text: _keys(event.payload, path) for text, path in paths.items()}
        for number, (awaited, own) in wanted.items():
            fits = event.type in awaited.types and awaited.key in keys[awaited.path]
            if fits and event.id > own and event.received_at >= awaited.since:
                found[number] = _Found(event.id) if event.dispatched else _Found(under_way=True)
    return found


def newest_for(awaited: Awaited, *, connection: int, after: int) -> Arrived | None:
    """Return the first event behind the one in row `after` that ends such a wait, if the inbox has one."""
    found = _search(connection, {0: (awaited, after)}).get(0)
    came = arrived(found.event_id) if found and found.event_id else None
    return came if isinstance(came, Arrived) else None


class _Recorded(NamedTuple):
    id: int
    type: str
    received_at: datetime
    dispatched: bool
    payload: Mapping[str, Any]


def _newest(connection: int, types: set[str], *, since: datetime, after: int) -> Iterator[_Recorded]:
    """Yield events of `types` that can be read and were not refused, the newest first, up to a bound."""
    opened, below = 0, None
    rows = (
        Event.objects.filter(connection=connection, id__gt=after).exclude(fate=Fate.REFUSED).order_by("-id")
    )
    while opened < MOST_OPENED:
        page = (rows if below is None else rows.filter(id__lt=below)).values_list(
            "id", "type", "received_at", "dispatched_at"
        )
        known = list(page[:_PAGE])
        wanted = {row[0]: row for row in known if row[1] in types and row[2] >= since}
        bodies = (
            Event.objects.filter(bulk.among("id", sorted(wanted))).order_by("-id").values_list("id", "body")
        )
        for number, body in bodies if wanted else ():
            opened += 1
            try:
                payload = payloads.open_body(body, connection_id=connection)
            except payloads.Unreadable:
                continue
            _, kind, received, dispatched = wanted[number]
            yield _Recorded(number, kind, received, dispatched is not None, payload)
        if len(known) < _PAGE or known[-1][2] < since - OUT_OF_ORDER:
            return
        below = known[-1][0]


# The closing transaction


def keep(waits: Sequence[tuple[int, KeptWait]]) -> set[int]:
    """
    Keep how the waits of runs stand, and return the runs whose event has come while they were in a batch.

    The lanes of the runs are locked, and the rows are until the end of the transaction.
    """
    last = {(run, one.step): one for run, one in waits}  # of a run that started over, the second word counts
    rows = [
        (
            run, step, one.connection_id, list(one.awaited.types), one.awaited.path, one.awaited.key,
            one.awaited.since, one.awaited.until, one.looked, one.event_id, one.over,
        )
        for (run, step), one in last.items()
    ]  # fmt: skip
    if not rows:
        return set()
    bulk.insert(AwaitedEvent, _COLUMNS, rows, conflict=_SAME_STEP, order_by=("run_id", "step"))
    runs = sorted({run for run, _ in waits})
    came = AwaitedEvent.objects.filter(bulk.among("run_id", runs), over=False, event__isnull=False)
    return set(came.values_list("run_id", flat=True))
