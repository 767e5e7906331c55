"""This module holds how many calls each connection made, hour by hour and by what caused them."""

from __future__ import annotations

from django.db import models

from connectors.models.connections import Connection


class CallHour(models.Model):
    """
    What one hour's calls of one connection were made for.

    `cause` is the id of what asked, as whoever asks names it; connections know no more of it. 0 is whatever
    no flow asks for: lists that are walked, objects that are described, trials.
    """

    class Kind(models.TextChoices):
        READ = "read", "Calls that read"
        WRITE = "write", "Calls that write"
        LOGIN = "login", "Logins"
        TRY = "try", "Runs taken through the flow"  # no call: what calls are divided by

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="call_hours")
    cause = models.BigIntegerField(default=0)
    hour = models.DateTimeField(help_text="When the hour began, in UTC.")
    kind = models.CharField(max_length=5, choices=Kind.choices)
    calls = models.PositiveBigIntegerField(default=0)
    carried = models.PositiveBigIntegerField(
        default=0, help_text="Records or questions that the calls carried; runs, where runs are counted."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "cause", "hour", "kind"], name="one_count_of_calls_per_cause_and_hour"
            )
        ]
        indexes = [models.Index(fields=["connection", "hour"], name="calls_of_a_connection_by_hour")]

    def __str__(self) -> str:
        return f"{self.connection}: {self.calls} × {self.kind} from {self.hour:%Y-%m-%d %H:%M}"
