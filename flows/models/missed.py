"""This module holds what sweeps remember of objects, and how far a purge has come."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import models

from connectors.models import Connection


class SweptObject(models.Model):
    """
    How an object of Stripe was when a sweep last found it as it was not known, or let it in.

    One that still has the same fingerprint at the next sweep was missed by nobody.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="swept_objects")
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    seen_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["connection", "object_type", "object_id"], name="one_fingerprint_per_object"
            )
        ]

    def __str__(self) -> str:
        return self.object_id


class Purge(models.Model):
    """How far one kind of purge has come, so that it goes on where it stopped, in whatever process."""

    subject = models.CharField(max_length=20, unique=True)
    position = models.BigIntegerField(default=0, help_text="Up to this id everything was looked at.")
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(
        null=True, help_text="When the last pass was through; empty: one goes on."
    )

    def __str__(self) -> str:
        return f"{self.subject} up to {self.position}"

    # Mutators

    def begin(self, *, now: datetime) -> None:
        """Start a pass from the first row."""
        self.position, self.started_at, self.ended_at = 0, now, None
        self.save(update_fields=["position", "started_at", "ended_at"])

    def reach(self, position: int) -> None:
        """Remember that everything up to `position` was looked at."""
        self.position = position
        self.save(update_fields=["position"])

    def end(self, *, now: datetime) -> None:
        """Say that the pass is through."""
        self.ended_at = now
        self.save(update_fields=["ended_at"])
