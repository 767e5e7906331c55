"""This module leases records of an org that a lane does not own, so that one worker at a time writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet

from flows import bulk
from flows.lanes import WorkerLease, may_land_late
from flows.models import Lane, TargetLease
from flows.statements import Given, Select

_COLUMNS = ("connection_id", "target", "worker_id", "epoch")
_LONGEST = 400


def take(worker: WorkerLease, connection_id: int, targets: Sequence[str]) -> frozenset[str]:
    """
    Return those of `targets` that are ours until `give_back`; somebody else writes to the others.

    A lease whose worker has died, or was thought dead, is void: its row's epoch is not the lease's.
    """
    worker.leases_targets = True
    by_key = {target[:_LONGEST]: target for target in sorted(set(targets))}
    theirs = TargetLease.objects.filter(bulk.among("target", by_key), connection=connection_id)
    with transaction.atomic():
        void = theirs.exclude(epoch=F("worker__epoch")).order_by("target")
        # Locked in one order first, so that two workers that tidy up cannot wait for each other.
        gone = list(void.select_for_update(skip_locked=True, of=("self",)).values_list("id", flat=True))
        if gone:
            may_land_late(TargetLease.objects.filter(id__in=gone))
        rows = [(connection_id, key, worker.id, worker.epoch) for key in by_key]
        bulk.insert(TargetLease, _COLUMNS, rows, conflict="DO NOTHING", order_by=("connection_id", "target"))
        mine = theirs.filter(worker=worker.id, epoch=worker.epoch).values_list("target", flat=True)
        granted = frozenset(by_key[key] for key in mine)
    # Committed before the owners' lanes are looked at, and those are claimed before their workers look for
    # leases: of the two, one always sees the other.
    return granted - _owned_elsewhere(worker, connection_id, granted)


def _owned_elsewhere(worker: WorkerLease, connection_id: int, targets: frozenset[str]) -> frozenset[str]:
    """Return those of `targets` whose own lane, that of the Stripe object, another worker holds."""
    by_lane = {f"stripe:{target.partition(':')[2]}": target for target in targets}
    held = Lane.objects.filter(
        bulk.among("key", by_lane), pair__salesforce=connection_id, worker__isnull=False
    ).exclude(worker=worker.id)
    return frozenset(by_lane[key] for key in held.values_list("key", flat=True))


def taken_by_others(worker: WorkerLease, connection_id: int, targets: Sequence[str]) -> frozenset[str]:
    """Return those of `targets` that a living worker other than this one has leased."""
    by_key = {target[:_LONGEST]: target for target in targets}
    leased = _LEASED.rows(targets=list(by_key), connection=connection_id)
    return frozenset(by_key[key] for key, holder in leased if holder != worker.id)


def _leased() -> QuerySet[TargetLease, Any]:
    alive = TargetLease.objects.filter(epoch=F("worker__epoch"), connection=Given("connection"))
    return alive.filter(bulk.among("target", Given("targets", "text"))).values_list("target", "worker")


_LEASED = Select(_leased)


def give_back(worker: WorkerLease) -> None:
    """Give back whatever this worker has leased, in the caller's transaction if there is one."""
    TargetLease.objects.filter(worker=worker.id).delete()
    worker.leases_targets = False
