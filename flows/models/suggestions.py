"""This module holds what people thought of suggested mapping lines."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from integrator.accounts.models import Workspace


class MappingDecision(models.Model):
    """Whether a path belongs into a field, as somebody of the workspace decided; the newest word counts."""

    class Verdict(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        REJECTED = "rejected", "Rejected"

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="mapping_decisions")
    path = models.CharField(max_length=500, help_text="Where the value is read, as mapping lines write it.")
    target_object = models.CharField(max_length=80, help_text="API name of the object in Salesforce.")
    field = models.CharField(max_length=80, help_text="API name of the field in Salesforce.")
    verdict = models.CharField(max_length=8, choices=Verdict.choices)
    decided_at = models.DateTimeField()
    decided_by = models.CharField(max_length=254)

    class Meta:
        ordering = ("-decided_at", "-id")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["workspace", "target_object", "field", "path"], name="one_decision_per_line"
            )
        ]

    def __str__(self) -> str:
        return f"{self.path} → {self.target_object}.{self.field}: {self.verdict}"
