"""This module holds what a system's objects looked like when they were last read."""

from __future__ import annotations

from datetime import datetime

from django.db import models

from connectors.models.connections import Connection


class SchemaSnapshot(models.Model):
    """
    What an object consisted of, from when it was first seen so until a later snapshot of it.

    A row is added only where something has changed; otherwise the newest is told that it still holds.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="schemas")
    object = models.CharField(max_length=100, help_text="Type or API name; * for the list of all objects.")
    number = models.PositiveIntegerField(help_text="Counts the snapshots of an object.")
    version = models.CharField(max_length=60, help_text="Of the API that told it.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the content.")
    content = models.JSONField(help_text="See connectors.schemas.")
    taken_at = models.DateTimeField(help_text="When it was first seen so.")
    checked_at = models.DateTimeField(help_text="When it was last found to hold.")
    modified = models.CharField(max_length=60, blank=True, help_text="The Last-Modified of the answer.")
    failed_at = models.DateTimeField(null=True, help_text="When asking again failed, if it did since.")
    failure = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("-number",)
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "object", "number"], name="one_snapshot_per_object_and_number"
            )
        ]

    def __str__(self) -> str:
        return f"{self.connection}: {self.object}, {self.number}"

    # Mutators

    def still_holds(self, *, modified: str, version: str, now: datetime) -> None:
        """Say that the object was found to be so at `now`."""
        self.checked_at, self.modified, self.version = now, modified[:60], version
        self.failed_at, self.failure = None, ""
        self.save(update_fields=["checked_at", "modified", "version", "failed_at", "failure"])

    def fail(self, *, reason: str, now: datetime) -> None:
        """Say that asking again did not work, so that it is as old as it was."""
        self.failed_at, self.failure = now, reason[:500]
        self.save(update_fields=["failed_at", "failure"])
