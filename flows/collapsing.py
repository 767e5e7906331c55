"""This module lets the newest of several waiting events of one object do the work of all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from flows import bulk
from flows.engine import batch
from flows.engine.outcome import Done, End
from flows.loading import Loaded, load, moment, untried
from flows.models import Run
from flows.statements import Given, Select

MOST_COLLAPSED = 6_000  # runs that are looked at to find those of one object, the claimed among them
COLLAPSED = "A newer event of the same object did the work"


def older_of_the_same(runs: Sequence[Loaded], now: datetime) -> dict[int, list[Loaded]]:
    """
    Return, by claimed run, all runs that wait with it for the same object, the newest event last.

    Where two events of the same second might be the newest, the last one reads the object first. A run
    that stood alone when its worker crashed goes by itself: in another's place the culprit is never found.
    So does one that a person has answered or insists on.
    """
    places = {
        (run.lane_id, run.about): run
        for run in runs
        if run.about and not (run.crashes_alone or run.insisted or run.memory)
    }
    going = {run.id for run in runs}
    waiting = set(_DUE.values(now=now, lanes=[run.lane_id for run in places.values()])) - going
    if not waiting:  # most often: an object has one event at a time
        return {}
    others = Run.objects.due(now).filter(
        bulk.among("id", waiting),
        version__in={run.version_id for run in runs},
        attempts=0,
        fetch_first=False,
        goes_on_from=None,  # a person wants it done
    )
    known = others.order_by("id").values_list("id", "lane", "subject", "event__object_id")
    wanted = [number for number, lane, record, found in known if (lane, record or found) in places]
    by_claimed: dict[int, list[Loaded]] = defaultdict(list)
    for run in load(wanted, now=now) if wanted else ():
        by_claimed[places[run.lane_id, run.about].id].append(run)
    return {run.id: _in_order([run, *by_claimed[run.id]]) for run in runs if by_claimed.get(run.id)}


def _due() -> QuerySet[Run, Any]:
    in_lanes = bulk.among("lane_id", Given("lanes", "bigint"))
    return Run.objects.due(Given("now")).filter(in_lanes).order_by("id").values_list("id")[:MOST_COLLAPSED]


_DUE = Select(_due)


def _in_order(members: Sequence[Loaded]) -> list[Loaded]:
    *older, last = sorted(members, key=lambda run: (moment(run), run.event_id))
    if older and moment(older[-1]) == moment(last):
        last = last._replace(fetch_first=True)
    return [*older, last]


def collapsed(
    going: Sequence[Loaded],
    older: Mapping[int, Sequence[Loaded]],
    ended: Sequence[tuple[Loaded, batch.Finished]],
) -> Iterator[tuple[Loaded, batch.Finished]]:
    """Yield the runs whose work the newest has done; where it has not, they go on waiting."""
    by_id = {run.id: finished for run, finished in ended}
    for run in going:
        members = older.get(run.id, ())
        if not members or not _did_the_work_of_all(members[-1], by_id[members[-1].id]):
            continue
        reason = f"{COLLAPSED}: {members[-1].event__external_id}"
        for member in members[:-1]:
            yield member, untried(member, Done(), "superseded", reason)


def _did_the_work_of_all(newest: Loaded, finished: batch.Finished) -> bool:
    """
    Tell whether older runs would have written the same records: none that only the newest event names.

    What it has left out as history they may have to do.
    """
    own = {newest.about}
    if "skipped" in finished.item.effects:
        return False
    return isinstance(finished.outcome, Done | End) and all(
        write.external_id in own | {write.stripe_id, write.record_id} for write in finished.writes
    )
