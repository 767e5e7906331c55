"""
This module follows merges that people make in Salesforce: links go on with the record that was kept.

An event says that a record was deleted, the org says into which one it was merged, and links, their runs and
open questions follow. A record may be merged into one that was itself merged since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog
from django.db import transaction

from connectors.models import Connection
from connectors.salesforce.merges import MOST_IDS
from flows import leading, moves, reviews, signals, streams
from flows.models import Event, Lane, Link, Merge, Review, Run
from flows.resyncs import PASSING
from integrator import vault
from integrator.kernel import errors

log = structlog.get_logger(__name__)

ACTOR = "the engine"
_LONGEST_CHAIN = 5  # merges of merges


def follow_due(*, now: datetime) -> int:
    """
    Ask for what became of records that are gone, and return how many links have moved.

    What cannot be asked now is asked at the next turn; of a record that cannot be asked about at all is
    believed what was told: it was deleted. Of one that is being merged from here whoever does that asks.
    """
    moved = 0
    for connection in streams.readable(now, system=Connection.System.SALESFORCE):
        for name, told in moves.unknown(connection).items():
            mine = Merge.objects.holding(connection, name)
            ids = [one for one in told if one not in mine]
            for start in range(0, len(ids), MOST_IDS):
                moved += _follow(connection, name, ids[start : start + MOST_IDS], now)
    return moved


def _follow(connection: Connection, name: str, ids: Sequence[str], now: datetime) -> int:
    try:
        survivors = _survivors(connection, name, ids)
    except errors.IntegrationError as failure:
        log.warning("merges.not_asked", connection=connection.public_id, object=name, code=failure.code)
        if isinstance(failure, PASSING) or failure.code in Connection.State.values:
            return 0
        survivors = {}
    rows = Link.objects.filter(
        pair__salesforce=connection, salesforce_object=name, record_id__in=ids, gone_at__isnull=False
    )
    links = list(rows.filter(merged_from="").order_by("id"))
    return sum(_settle(link, survivors.get(link.record_id, ""), now) for link in links)


def lead(connection: Connection, name: str, survivors: Mapping[str, str], *, now: datetime) -> int:
    """
    Lead the links of records to those into which they were merged, and return how many have moved.

    For whoever knows it already, and need not wait until Salesforce tells that the records are gone.
    """
    moves.gone(connection, name, list(survivors), now=now)
    rows = Link.objects.filter(
        pair__salesforce=connection, salesforce_object=name, record_id__in=list(survivors), merged_from=""
    )
    links = list(rows.filter(gone_at__isnull=False).order_by("id"))
    return sum(_settle(link, survivors[link.record_id], now) for link in links)


def _survivors(connection: Connection, name: str, ids: Sequence[str]) -> dict[str, str]:
    """Return into which record each of `ids` was merged in the end, of those that were."""
    found: dict[str, str] = {}
    asked = list(ids)
    for _ in range(_LONGEST_CHAIN):
        told = streams.ask(connection, "merged", {"object": name, "ids": asked})["merged"]
        found.update(told)
        asked = [one for one in dict.fromkeys(told.values()) if one not in found]
        if not asked:
            break
    return {one: _end(one, found) for one in ids if one in found}


def _end(record: str, merged: dict[str, str]) -> str:
    passed = {record}
    while (after := merged.get(record, "")) and after not in passed:
        passed.add(after)
        record = after
    return record


def _settle(link: Link, survivor: str, now: datetime) -> bool:
    """Let a link go on with `survivor`, or as one whose record was deleted; its runs wait no more."""
    gone = link.record_id
    with transaction.atomic():
        lanes = moves.lanes_of(link, survivor or gone)
        moved = False
        if survivor:
            moved = moves.move(link, survivor, now=now)
            if moved:
                _void(link, gone, now)
                _bring_over(link, survivor)
        else:
            moves.stays_gone(link)
        waiting = Run.objects.filter(lane__in=lanes, state=Run.State.READY, next_attempt_at__gt=now)
        waiting.update(next_attempt_at=now)
        Lane.objects.set_ready(lanes)
        transaction.on_commit(lambda: signals.work_arrived.send(sender=Link))
    return moved


def _void(link: Link, gone: str, now: datetime) -> None:
    """Take back the question whether the record shall be made again: it was not deleted after all."""
    keys = (f"stripe:{link.stripe_id}", f"salesforce:{gone}")
    asked = Review.objects.open().filter(
        pair=link.pair_id, run__lane__key__in=keys, kind=Review.Kind.QUESTION, run__state=Run.State.WAITING
    )
    for review in asked.select_related("run").select_for_update(of=("self",)):
        try:
            about = reviews.evidence_of(review).get("record")
        except vault.Unreadable:
            continue
        if isinstance(about, dict) and about.get("id") == gone:
            review.close(Review.Resolution.SUPERSEDED, actor=ACTOR, now=now)
            review.run.begin_again(now=now, insist=False)
            Event.objects.settle([review.run.event_id])


def _bring_over(link: Link, survivor: str) -> None:
    """Let what waits for the record that was kept go on in the lane of the link, unless it has another."""
    place = (link.pair_id, survivor)
    key = f"stripe:{link.stripe_id}"
    lane = Lane.objects.filter(pair=link.pair_id, key=key).values_list("id", flat=True).first()
    if lane is not None and leading.lanes_of([place])[place] == key:
        leading.bring_over({place: lane})
