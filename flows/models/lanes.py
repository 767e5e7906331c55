"""This module holds lanes, the workers that lease them, and the doorbell."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Min, QuerySet
from django.db.models.functions import Greatest, Now

from connectors.models import Connection
from flows import bulk
from flows.engine.once import LANDS_WITHIN
from flows.models.design import Pair
from flows.statements import Given, Select

# When nothing that was not answered can land any more.
CONFIRM_AFTER = LANDS_WITHIN


class Worker(models.Model):
    """
    One draining process: a heartbeat row under which it holds its lanes.

    `epoch` rises with every registration and with every expiry, so that a worker that
    was thought dead finds out at its closing transaction. Times are the database's.
    """

    name = models.CharField(max_length=100, unique=True, help_text="host:pid:start")
    host = models.CharField(max_length=100)
    boot_id = models.CharField(max_length=40, blank=True)
    pid = models.PositiveIntegerField()
    started_ticks = models.CharField(max_length=40, blank=True, help_text="Tells a reused pid apart.")
    epoch = models.PositiveBigIntegerField(default=1)
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    last_claim_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class LaneQuerySet(models.QuerySet["Lane"]):
    """The lanes. Whoever locks several does so in one order (`locked`), so that none wait in a circle."""

    # Mutators

    def locked(self) -> LaneQuerySet:
        """Lock these lanes, in the order that dispatch inserts them in."""
        return self.order_by("pair_id", "key").select_for_update()

    def release(self, ids: Iterable[int]) -> None:
        """
        Give lanes back after an orderly end, each with the time at which its next run is due.

        The lanes must have been locked in a statement before this one: under READ COMMITTED only then
        does this one see every run that was committed before the lock was had.
        """
        wanted = list(ids)
        due = self._due(wanted)
        rows = [(lane, due.get(lane), None, 0) for lane in wanted]
        bulk.update(Lane, ("id", "ready_at", "worker_id", "crashes"), rows)

    def set_ready(self, ids: Iterable[int]) -> None:
        """Say anew when the next run of each lane is due; the same lock is needed as for `release`."""
        wanted = list(ids)
        due = self._due(wanted)
        bulk.update(Lane, ("id", "ready_at"), [(lane, due.get(lane)) for lane in wanted])

    def give_back(self, *, crashed: bool) -> None:
        """Release these lanes as they are; take back the crash that the claim counted where it was none."""
        if crashed:  # with a call under way, perhaps
            self.update(worker=None, confirm_at=Now() + CONFIRM_AFTER)
        else:
            self.update(worker=None, crashes=Greatest(F("crashes") - 1, 0))

    def unsettled(self, ids: Iterable[int]) -> None:
        """Have the records of these lanes confirmed once nothing can land late any more."""
        self.filter(id__in=list(ids)).update(confirm_at=Now() + CONFIRM_AFTER)

    # Queries

    def _due(self, ids: list[int]) -> dict[int, datetime]:
        return dict(_DUE.rows(lanes=ids))


def _due() -> QuerySet[Lane, Any]:
    unfinished = Lane.objects.filter(
        bulk.among("id", Given("lanes", "bigint")), runs__state__in=("ready", "retrying")
    )
    return unfinished.order_by().values_list("id").annotate(Min("runs__next_attempt_at"))


_DUE = Select(_due)


class Lane(models.Model):
    """
    The key whose events are handled one after the other: pair + root object.

    `ready_at` is when its next run is due (empty: nothing to do). `crashes` is raised by
    a claim and cleared by an orderly end. `confirm_at` is set when a write was not answered:
    it may land late, over a newer one, so the record is written once more after that time.
    """

    pair = models.ForeignKey(Pair, on_delete=models.PROTECT, related_name="lanes")
    key = models.CharField(max_length=300)
    worker = models.ForeignKey(Worker, on_delete=models.SET_NULL, null=True, related_name="lanes")
    epoch = models.PositiveBigIntegerField(default=0)
    ready_at = models.DateTimeField(null=True)
    crashes = models.PositiveSmallIntegerField(default=0)
    confirm_at = models.DateTimeField(null=True)

    objects = LaneQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pair", "key"], name="one_lane_per_key")]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["pair", "crashes", "ready_at"],
                condition=models.Q(ready_at__isnull=False, worker__isnull=True),
                name="lane_ready",
            ),
            models.Index(
                fields=["confirm_at"], condition=models.Q(confirm_at__isnull=False), name="lane_to_confirm"
            ),
        ]

    def __str__(self) -> str:
        return self.key


class TargetLease(models.Model):
    """
    A record of a Salesforce org that one worker is writing to, though its lane does not own it.

    Several lanes, or several pairs of one org, may write to one record: an Account that many payments
    belong to. The lease is good while its worker's row has the same epoch.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="target_leases")
    target = models.CharField(max_length=400, help_text="Object and external or record id.")
    worker = models.ForeignKey(Worker, on_delete=models.CASCADE, related_name="target_leases")
    epoch = models.PositiveBigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "target"], name="one_lease_per_target")]

    def __str__(self) -> str:
        return self.target


class LateTarget(models.Model):
    """
    A record that a worker was writing to when it was lost: its last call may be carried out even now.

    It stands here until nothing can land any more, and whatever was saved there last is saved once more.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="late_targets")
    target = models.CharField(max_length=400, help_text="Object and external or record id.")
    confirm_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "target"], name="one_note_per_late_target")
        ]

    def __str__(self) -> str:
        return self.target


class Doorbell(models.Model):
    """
    Whether a shard's ring is unanswered, so that at most one job per shard waits in the queue.

    Losing or doubling a ring is harmless: the sweep rings again.
    """

    shard = models.PositiveSmallIntegerField(unique=True)
    rung_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    busy_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"shard {self.shard}"
