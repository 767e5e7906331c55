"""
This module tells whether a run that gave up can go on at the step that failed, and brings what it takes over.

The outputs of the steps before it are taken as the failed try found them, and nobody is asked for them again.
That is offered only where they are known exactly, by the same version of the flow, and while nothing newer is
known of the object. Whoever asks is told what is taken over and how old it is. Whatever the offer said, a run
whose state has become doubtful reads its object and begins at the top.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db.models.functions import Coalesce

from flows.engine import carrying
from flows.engine.carrying import NotCarried
from flows.engine.item import Carried, Source
from flows.engine.trace import SOURCE
from flows.engine.ways import CARRIED
from flows.models import Attempt, Run
from integrator import vault

LONGEST = timedelta(days=7)  # since it was read; what is older says too little about today

NOTHING_KEPT = (
    "Nothing is kept that it could go on from: it gave up before its first step, by an older version of "
    "Integrator, or so long ago that its steps were deleted."
)
SAID: Mapping[carrying.Refused, str] = {
    "first": "It failed at its first step, so that there is nothing to take over.",
    "edited": "Its object was edited, and the edit is laid over the object as it is now.",
    "gone": "Its object was deleted at Stripe, which has to be looked at again.",
    "handled": "An earlier step failed as well, which only a whole retry tries again.",
    "left_out": "An earlier step left something out, as the event is history. Only a whole retry does it.",
    "unkept": "What the earlier steps found is too large to be kept, or has no exact form.",
}


@dataclass(frozen=True, slots=True)
class Taken:
    """One step whose output is taken over, and the try that found it."""

    step: str
    title: str
    attempt: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """Whether a run can go on at its failed step, or why not."""

    reason: str = ""  # empty where it can
    attempt: int = 0  # the id of the try that it goes on from
    step: str = ""  # the failed one, as people call it
    read_at: datetime | None = None  # when the state of the object was the truth
    takes: Sequence[Taken] = ()

    @property
    def possible(self) -> bool:
        """Tell whether it can."""
        return not self.reason


def offer(run: Run, now: datetime) -> Offer:
    """Return what a retry of `run` from the failed step would take over at `now`, or why there is none."""
    if why := _forbidden(run):
        return Offer(why)
    attempt = run.tries.order_by("-id").first()
    if attempt is None or not attempt.found:
        return Offer(NOTHING_KEPT)
    try:
        found = _opened(attempt)
    except NotCarried as refused:
        return Offer(SAID[refused.why])
    except vault.Unreadable:
        return Offer("What the earlier steps found does not open: its encryption key is missing.")
    if why := _stale(run.pk, found.source, now):
        return Offer(why)
    return Offer("", attempt.pk, found.title, found.source.not_after, _takes(found))


def _forbidden(run: Run) -> str:
    """Return why `run` always begins at the top, whatever it has found; empty if it need not."""
    if run.state != Run.State.DEAD:
        return "Only a run in the dead letters has a failed step to go on from."
    if run.event.purged_at is not None:
        return "The content of its event was deleted when its time was over."
    if run.event.connection_id == run.pair.salesforce_id:
        return "An event of Salesforce only names its record, which is always read anew."
    if _agrees_both_ways(run.version.document):
        return "Both sides may change the record, so that both are always looked at anew."
    return ""


def carried(runs: Iterable[tuple[int, int]], now: datetime) -> dict[int, Carried]:
    """
    Return what runs go on from at `now`, each given with the id of the try.

    One is missing where that is not there any more, does not open, has become too old while the run
    waited for its turn, or something newer is known by now.
    """
    found: dict[int, Carried] = {}
    for run, attempt_id in runs:
        attempt = Attempt.objects.filter(pk=attempt_id, run=run).first()
        if attempt is None or not attempt.found:
            continue
        try:
            known = _opened(attempt)
        except (NotCarried, vault.Unreadable):
            continue
        if not _stale(run, known.source, now):
            found[run] = known
    return found


def _opened(attempt: Attempt) -> Carried:
    """
    Return what `attempt` had found.

    :raises NotCarried: if nothing can go on from there
    :raises vault.Unreadable: if its key is lost
    """
    kept = vault.unseal(attempt.found, owner=f"found:{attempt.run_id}")
    entries = msgspec.json.decode(vault.unseal(attempt.trace, owner=f"trace:{attempt.run_id}"))
    number = Attempt.objects.filter(run=attempt.run_id, pk__lte=attempt.pk).count()
    return carrying.unpacked(kept, entries, attempt=number, at=attempt.finished_at)


def _agrees_both_ways(steps: Any) -> bool:
    """Tell whether a document has a step by which both sides agree, however deep it stands."""
    if isinstance(steps, dict):
        return steps.get("two_way") is not None or any(map(_agrees_both_ways, steps.values()))
    return isinstance(steps, list) and any(map(_agrees_both_ways, steps))


def _stale(run: int, source: Source, now: datetime) -> str:
    if now - source.not_after > LONGEST:
        return f"What it found is older than {LONGEST.days} days."
    if _is_newer_known(run, source):
        return "A newer event of the same object has come since, which only a whole retry takes into account."
    return ""


def _is_newer_known(run: int, source: Source) -> bool:
    """Tell whether an event that surely came behind the state from `source` has come into the run's lane."""
    known = Run.objects.get(pk=run)
    others = Run.objects.filter(lane=known.lane_id, flow=known.flow_id, pair=known.pair_id)
    happened = Coalesce("event__happened_at", "event__received_at")
    return others.exclude(event=known.event_id).alias(at=happened).filter(at__gt=source.not_after).exists()


def _takes(found: Carried) -> list[Taken]:
    return [
        Taken(
            str(entry["step"]),
            str(entry.get("title") or entry["step"]),
            entry[CARRIED]["attempt"],
            datetime.fromisoformat(entry[CARRIED]["at"]),
        )
        for entry in found.trace
        if entry["step"] != SOURCE
    ]
