"""
This module knows which records of links are gone, and leads links to the records that those were merged into.

That a record was deleted is told, and not that it lost a merge: until that is asked for, what would be
written to it waits. Its external id may stand on no record any more, so that saving by it would make the
record anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet

from connectors.models import Connection
from connectors.salesforce.merges import MERGED
from flows import bulk
from flows.agreements import owner_of
from flows.bus_events import BusEvent
from flows.engine.ports import Moved
from flows.models import Lane, Link, LinkChange, TargetLease
from flows.statements import Given, Select
from integrator import vault
from integrator.kernel import canonical

_MOST_OTHERS = 5  # objects of Stripe that a question names


def note(deletions: Iterable[tuple[int, Mapping[str, Any]]], *, now: datetime) -> None:
    """Note in the caller's transaction that records are gone, as events say that came from connections."""
    told: dict[tuple[int, str], set[str]] = defaultdict(set)
    for connection, payload in deletions:
        event = BusEvent.of(payload)
        if event.is_deletion and event.name in MERGED:
            told[connection, event.name].update(event.record_ids)
    for (connection, name), ids in told.items():
        _note_gone(connection, name, sorted(ids), now)


def gone(connection: Connection, name: str, ids: Sequence[str], *, now: datetime) -> None:
    """Note that records of an object are gone, as if an event had said so."""
    _note_gone(connection.pk, name, ids, now)


def expect_gone(connection: Connection, name: str, ids: Sequence[str], *, now: datetime) -> None:
    """
    Let whatever is written to records wait that are about to be merged, so that none is made anew.

    Where nothing comes of it, the next question what became of them lets it go on.
    """
    rows = Link.objects.filter(pair__salesforce=connection, salesforce_object=name, record_id__in=list(ids))
    rows.filter(gone_at__isnull=True, merged_from="").update(gone_at=now)


def are_written(connection: Connection, name: str, ids: Sequence[str]) -> bool:
    """
    Tell whether a worker may be writing to one of these records, though it is expected to be gone.

    It has looked before that was said; whoever takes a lane or a lease later waits.
    """
    rows = Link.objects.filter(pair__salesforce=connection, salesforce_object=name, record_id__in=list(ids))
    links = list(rows.values_list("stripe_id", "external_id", "record_id"))
    keys = {f"stripe:{one}" for one, _, _ in links} | {f"salesforce:{one}" for one in ids}
    targets = {f"{name}:{key}" for _, *both in links for key in both}
    lanes = Lane.objects.filter(key__in=keys, pair__salesforce=connection, worker__isnull=False)
    leases = TargetLease.objects.filter(target__in=targets, connection=connection, epoch=F("worker__epoch"))
    return lanes.exists() or leases.exists()


def _note_gone(connection: int, name: str, ids: Sequence[str], now: datetime) -> None:
    linked = Link.objects.filter(
        bulk.among("record_id", ids), pair__salesforce=connection, salesforce_object=name
    )
    known = list(linked.values_list("id", flat=True))
    Link.objects.filter(id__in=known).update(gone_at=now, merged_from="")


def unknown(connection: Connection) -> dict[str, list[str]]:
    """Return the records of which it is not known yet whether they were merged, by their objects."""
    rows = _gone().filter(pair__salesforce=connection, merged_from="")
    found: dict[str, list[str]] = defaultdict(list)
    for name, record in rows.values_list("salesforce_object", "record_id").order_by("id").distinct():
        found[name].append(record)
    return found


def of(pair_id: int, object_: str, keys: Sequence[str]) -> dict[str, Moved]:
    """Return of `keys`, external ids or ids of records, what became of those whose record is gone."""
    if not _ANY_GONE.values(pair=pair_id):  # of most pairs, and asked with each batch of records
        return {}
    wanted = list(keys)
    named = Q(external_id__in=wanted) | Q(merged_from__in=wanted) | Q(merged_from="", record_id__in=wanted)
    rows = _gone().filter(named, pair=pair_id, salesforce_object=object_)
    found: dict[str, Moved] = {}
    for external_id, record_id, merged_from, sharing in rows.values_list(
        "external_id", "record_id", "merged_from", "sharing"
    ):
        moved = Moved(record_id if merged_from else "", sharing if external_id in keys else "")
        for key in (external_id, merged_from or record_id):
            if key in keys:
                found[key] = moved
    return found


def _gone() -> QuerySet[Link]:
    return Link.objects.filter(gone_at__isnull=False)


_ANY_GONE = Select(lambda: _gone().filter(pair=Given("pair")).values_list("id")[:1])


def others(pair_id: int, object_: str, record_id: str, stripe_id: str) -> list[str]:
    """Return which other objects of Stripe of the same kind are linked with a record."""
    rows = Link.objects.filter(pair=pair_id, salesforce_object=object_, record_id=record_id)
    named = rows.exclude(stripe_id=stripe_id).filter(stripe_id__startswith=f"{_kind_of(stripe_id)}_")
    return list(named.order_by("id").values_list("stripe_id", flat=True)[:_MOST_OTHERS])


def _kind_of(stripe_id: str) -> str:
    return stripe_id.partition("_")[0]


def lanes_of(link: Link, record_id: str) -> list[int]:
    """Lock the lanes that a link and a record belong to, in the caller's transaction, and return them."""
    keys = [f"stripe:{link.stripe_id}", f"salesforce:{link.record_id}", f"salesforce:{record_id}"]
    lanes = Lane.objects.filter(pair=link.pair_id, key__in=keys)
    return list(lanes.locked().values_list("id", flat=True))


def stays_gone(link: Link) -> None:
    """Note that the record was deleted and not merged: what happens then is up to the flows."""
    _pending(link).update(gone_at=None)


def move(link: Link, survivor: str, *, now: datetime) -> bool:
    """
    Lead a link to the record into which its own was merged; the caller has its lanes locked.

    What both sides agreed on stays: the merge is a change that people made in Salesforce. Where the record
    belongs to another object of Stripe already, a person is asked before anything is written to it. Return
    whether the link still waited for it.
    """
    is_shared = link.external_id != link.record_id and others(
        link.pair_id, link.salesforce_object, survivor, link.stripe_id
    )
    moved = _pending(link).update(
        record_id=survivor,
        merged_from=link.record_id,
        sharing=Link.Sharing.ASK if is_shared else "",
        state=Link.State.CONFLICT if is_shared else Link.State.AGREED,
        state_since=now,
    )
    if moved:
        values = {f"{link.salesforce_object}.Id": [link.record_id, survivor]}
        sealed = vault.seal(canonical.dumps(values), owner=owner_of(link.pair_id))
        LinkChange.objects.create(
            link=link, at=now, how=LinkChange.How.MERGED, side="salesforce", values=sealed
        )
    return bool(moved)


def _pending(link: Link) -> QuerySet[Link]:
    return _gone().filter(pk=link.pk, merged_from="", record_id=link.record_id)
