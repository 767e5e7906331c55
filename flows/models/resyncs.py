"""This module holds what is asked of Salesforce beside its event bus: comparisons, and objects polled."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Greatest, Least

from connectors.models import Connection
from flows.models.leasing import Leased, LeasedQuerySet


class ResyncQuerySet(LeasedQuerySet):
    """The comparisons of records."""

    # Mutators

    def reach_out(self, since: datetime, until: datetime | None) -> int:
        """Let those begin as early as `since` and end as late as `until`; return how many there are."""
        moment = models.DateTimeField()
        rows = self.update(since=Least("since", models.Value(since, output_field=moment)))
        if until is None:
            self.update(until=None)
        else:  # those without an end stay so
            later = Greatest("until", models.Value(until, output_field=moment))
            self.filter(until__isnull=False).update(until=later)
        return rows

    # Queries

    def unfinished(self) -> ResyncQuerySet:
        """Return those that wait or are under way."""
        return self.filter(state__in=(Resync.State.WAITING, Resync.State.RUNNING))


class Resync(Leased):
    """
    One comparison of an object's records, as far as they were modified since a moment, with what was told.

    Its number stands in the names of the events that it lets in. `place_at` and `place_id` say how far it has
    come: they move only in the transaction that keeps what was found before them, while the lease is ours.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Under way"
        DONE = "done", "Done"
        STOPPED = "stopped", "Stopped"
        FAILED = "failed", "Failed"

    class Reason(models.TextChoices):
        ASKED = "asked", "Somebody asked for it"
        OVERFLOW = "overflow", "Salesforce did not say which records changed"
        POSITION = "position", "The position in the stream was lost"
        NIGHT = "night", "Every day"

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="resyncs")
    object = models.CharField(max_length=80, help_text="The API name.")
    reason = models.CharField(max_length=10, choices=Reason.choices)
    actor = models.CharField(max_length=254, blank=True, help_text="Who asked for it.")
    since = models.DateTimeField(help_text="Records that were modified earlier are not looked at.")
    until = models.DateTimeField(
        null=True, help_text="Nor are those that were modified then or later; empty: there is no end."
    )
    created_at = models.DateTimeField()

    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    began_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    place_at = models.DateTimeField(null=True, help_text="The stamp of the last record that was compared.")
    place_id = models.CharField(max_length=18, blank=True, help_text="Its id.")

    compared = models.PositiveBigIntegerField(default=0, help_text="Records that were looked at.")
    changed = models.PositiveBigIntegerField(default=0, help_text="Changes of which nothing had told.")
    deleted = models.PositiveBigIntegerField(default=0, help_text="Deletions of which nothing had told.")
    doubtful = models.PositiveBigIntegerField(
        default=0, help_text="Read again, since they may have changed twice within a second."
    )
    failed = models.PositiveBigIntegerField(default=0, help_text="Records that could not be kept.")

    attempts = models.PositiveIntegerField(default=0, help_text="Failures in a row.")
    retry_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=500, blank=True)
    failure_code = models.CharField(max_length=100, blank=True)

    objects = ResyncQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["connection", "object"], condition=Q(state="waiting"), name="one_waiting_resync"
            )
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["id"], condition=Q(state__in=("waiting", "running")), name="resync_unfinished"
            )
        ]

    def __str__(self) -> str:
        return f"{self.object} since {self.since:%Y-%m-%d %H:%M}"

    @property
    def found(self) -> int:
        """Return how much was missed."""
        return self.changed + self.deleted

    @property
    def look(self) -> str:
        """Return the word by which the state is shown: what waits here waits for no person."""
        shown = {self.State.WAITING: "idle", self.State.RUNNING: "comparing", self.State.STOPPED: "ended"}
        return shown.get(self.State(self.state), str(self.state))

    @property
    def is_unfinished(self) -> bool:
        """Tell whether it waits or is under way."""
        return self.state in (self.State.WAITING, self.State.RUNNING)

    # Mutators

    def stop(self, *, now: datetime) -> bool:
        """Compare no more; whoever does so now loses the lease. Tell whether there was anything to stop."""
        rows = type(self).objects.filter(pk=self.pk).unfinished()
        return bool(
            rows.update(
                state=self.State.STOPPED, ended_at=now, lease_owner="", lease_until=None, retry_at=None
            )
        )


class PolledObject(Leased):
    """
    An object whose changes are asked for every so often, since no event bus tells of them.

    Everything that was modified before `reached_at` was let in. While a question has several pages,
    `place_at` and `place_id` say behind which record the next one begins.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="polled_objects")
    object = models.CharField(max_length=80, help_text="The API name.")
    every = models.PositiveIntegerField(help_text="Seconds between two questions.")
    created_at = models.DateTimeField()

    reached_at = models.DateTimeField(help_text="By the org's clock: everything before was let in.")
    place_at = models.DateTimeField(null=True)
    place_id = models.CharField(max_length=18, blank=True)
    deleted_until = models.DateTimeField(help_text="By the org's clock: every deletion before was let in.")
    checked_at = models.DateTimeField(null=True, help_text="When it was last asked for.")
    found_at = models.DateTimeField(null=True, help_text="When something was last found.")
    found = models.PositiveBigIntegerField(default=0, help_text="Events that were let in.")

    attempts = models.PositiveIntegerField(default=0, help_text="Failures in a row.")
    retry_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=500, blank=True)
    failure_code = models.CharField(max_length=100, blank=True)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ("object",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["connection", "object"], name="one_polling_per_object")
        ]

    def __str__(self) -> str:
        return f"{self.connection}: {self.object}, every {self.every} s"

    # Mutators

    def ask_every(self, seconds: int) -> None:
        """Ask so often from now on."""
        self.every = seconds
        self.save(update_fields=["every"])
