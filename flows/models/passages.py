"""This module counts which ways runs take through the steps of a flow, hour by hour."""

from __future__ import annotations

from django.db import models

from flows.models.design import Pair
from flows.models.versions import FlowVersion


class Passage(models.Model):
    """How many runs left a step by one of its exits within an hour; inside of a list: how many elements."""

    version = models.ForeignKey(FlowVersion, on_delete=models.CASCADE, related_name="passages")
    pair = models.ForeignKey(Pair, on_delete=models.CASCADE, related_name="passages")
    step = models.CharField(max_length=60)
    exit = models.CharField(
        max_length=100,
        blank=True,
        help_text="Empty where the flow ended the run at the step, !failed where it failed there.",
    )
    hour = models.DateTimeField(help_text="When the hour began in which the runs ended.")
    times = models.PositiveBigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "pair", "step", "exit", "hour"], name="one_count_per_way_and_hour"
            )
        ]

    def __str__(self) -> str:
        return f"{self.step} {self.exit}: {self.times}"
