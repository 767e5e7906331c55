"""This module holds what runs wait for: events that are known by a value."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from connectors.models import Connection
from flows.models.inbox import Event
from flows.models.runs import Run


class AwaitedEventQuerySet(models.QuerySet["AwaitedEvent"]):
    """What is waited for."""

    # Queries

    def unanswered(self) -> AwaitedEventQuerySet:
        """Return what has not come yet, of runs that still wait for it."""
        return self.filter(over=False, event__isnull=True)


class AwaitedEvent(models.Model):
    """
    An event that a step of a run waits for.

    It is one of `types`, and what stands under `path` of its object has the fingerprint `key`. The dispatch
    of such an event sets `event`, and wakes the run in the same transaction.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="awaited", db_index=False)
    step = models.CharField(max_length=255, help_text="The step that waits, with the element of a list.")
    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, related_name="awaited", db_index=False
    )
    types = models.JSONField()
    path = models.CharField(max_length=300)
    key = models.CharField(max_length=64)
    since = models.DateTimeField(help_text="What was received before does not count.")
    until = models.DateTimeField()
    looked = models.BooleanField(
        default=False, help_text="What came before this row was there has been looked at."
    )
    event = models.ForeignKey(
        Event, on_delete=models.PROTECT, null=True, related_name="awaited", help_text="What came."
    )
    over = models.BooleanField(default=False, help_text="The run has gone on.")

    objects = AwaitedEventQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "step"], name="one_wait_per_step_of_a_run")]
        indexes: ClassVar[list[models.Index]] = [
            # Dispatch asks first which paths there are, and then for the values that an event has there.
            models.Index(
                fields=["connection", "path", "key"],
                condition=models.Q(over=False, event__isnull=True),
                name="awaited_by_key",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.path} of {', '.join(self.types)}"
