"""This module holds which flows go first where an org's API calls run short."""

from __future__ import annotations

from django.db import models

from flows.models.design import Flow, Pair


class FlowPriority(models.Model):
    """The priority of a flow on a pair. A flow without a row has the normal one."""

    class Priority(models.TextChoices):
        HIGH = "high", "High: goes on to the end"
        NORMAL = "normal", "Normal: waits when under 10 % are left"
        LOW = "low", "Low: waits when under 30 % are left"

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="priorities")
    pair = models.ForeignKey(Pair, on_delete=models.CASCADE, related_name="priorities")
    priority = models.CharField(max_length=6, choices=Priority.choices, default=Priority.NORMAL)

    class Meta:
        verbose_name_plural = "flow priorities"
        constraints = [
            models.UniqueConstraint(fields=["flow", "pair"], name="one_priority_per_flow_and_pair")
        ]

    def __str__(self) -> str:
        return f"{self.flow} in {self.pair}: {self.priority}"
