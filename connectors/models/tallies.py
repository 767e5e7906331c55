"""This module holds counts of five minutes that nothing else keeps: calls, their times, repeated events."""

from __future__ import annotations

from django.db import models

from connectors.models.connections import Connection


class Tally(models.Model):
    """
    How often something happened at a connection within five minutes.

    Names: `calls` and `calls.failed` (requests and those that failed, a declined card being none),
    `code:<code>` (the failures of one code), `ms:<n>` (answers whose time in milliseconds has the natural
    logarithm n/8, rounded), `repeated` (deliveries of an event that was here already).
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="tallies")
    starts_at = models.DateTimeField()
    name = models.CharField(max_length=60)
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "starts_at", "name"], name="one_tally_per_name_and_start"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.starts_at:%Y-%m-%d %H:%M}: {self.count}"
