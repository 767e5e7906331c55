"""
This module finds the lanes that wait for a worker, and locks those that one worker takes next.

All times are the database's, and locks last until the end of the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeVar

from django.db.models import BooleanField, ExpressionWrapper, OuterRef, Q, QuerySet, Subquery

from connectors.models import Connection
from flows.models import Lane, Pair
from flows.statements import Given, Select

T = TypeVar("T")


class WaitingPair(NamedTuple):
    """A pair that has something to do."""

    workspace: int
    pair: int
    since: datetime
    tried: bool  # one of its connections has rested and is being tried


def waiting_pairs(now: datetime, *, crashed: bool) -> list[WaitingPair]:
    """
    Return each pair that may work and has lanes that are due, the longest waiting first.

    It costs one probe of an index for each pair, however many lanes are due. Those that crashed are looked
    for on their own, because the index is sorted by crashes first.
    """
    return [WaitingPair(*row) for row in _WAITING[crashed].rows(now=now)]


def _waiting_pairs(*, crashed: bool) -> QuerySet[Pair, Any]:
    now = Given("now")
    due = _ready(now, crashed).filter(pair=OuterRef("pk")).order_by("ready_at")
    awake = Q(stripe__state=Connection.State.ACTIVE, salesforce__state=Connection.State.ACTIVE)
    pairs = (
        Pair.objects.usable(now)
        .annotate(since=Subquery(due.values("ready_at")[:1]))
        .annotate(tried=ExpressionWrapper(~awake, output_field=BooleanField()))
        .filter(since__isnull=False)
        .order_by("since")
    )
    return pairs.values_list("integration__workspace_id", "id", "since", "tried")


_WAITING = {crashed: Select(partial(_waiting_pairs, crashed=crashed)) for crashed in (False, True)}


def _ready(now: datetime | Given, crashed: bool) -> QuerySet[Lane]:
    known = {"crashes__gt": 0} if crashed else {"crashes": 0}
    return Lane.objects.filter(worker=None, ready_at__lte=now, **known)


def lock_fair_shares(limit: int, pairs: Sequence[WaitingPair], now: datetime) -> list[int]:
    """Lock up to `limit` lanes of `pairs`, of each workspace as many as of any other, and return them."""
    by_workspace: dict[int, list[WaitingPair]] = {}
    for pair in pairs:
        by_workspace.setdefault(pair.workspace, []).append(pair)
    lanes: list[int] = []
    for share, members in _shares(limit, list(by_workspace.values())):
        for part, member in _shares(share, members):
            lanes += _ready_lanes(1 if member.tried else part).values(now=now, pair=member.pair)
    return lanes


@lru_cache(maxsize=100)  # most often it is one pair that waits, or the same few
def _ready_lanes(most: int) -> Select:
    """Return what locks up to `most` lanes of a pair, those first that wait longest."""

    def build() -> QuerySet[Lane, Any]:
        waiting = _ready(Given("now"), crashed=False).filter(pair=Given("pair")).order_by("ready_at")
        return waiting.select_for_update(skip_locked=True).values_list("id")[:most]

    return Select(build)


def _shares(limit: int, members: list[T]) -> Iterator[tuple[int, T]]:
    """Divide `limit` among `members`, at least one each."""
    for place, member in enumerate(members):
        yield max(1, limit * (place + 1) // len(members) - limit * place // len(members)), member


def lock_suspects(limit: int, pairs: Sequence[WaitingPair], now: datetime) -> list[int]:
    """Lock the lanes that crashed most often, as many as may still share a batch."""
    suspects = _ready(now, crashed=True).filter(pair__in=[waiting.pair for waiting in pairs])
    suspects = suspects.order_by("-crashes", "ready_at").select_for_update(skip_locked=True)
    first = suspects.values_list("crashes", flat=True)[:1]
    for crashes in first:
        return list(suspects.values_list("id", flat=True)[: max(1, limit >> crashes)])
    return []
