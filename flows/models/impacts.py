"""This module holds what a change of objects means for each version that is live."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models

from flows.models.versions import Deployment


class Impact(models.Model):
    """
    What has become of the lines of a live version since it was published, as it was worked out last.

    `basis` says of which snapshots of objects; when there are others, it is worked out anew.
    """

    class Severity(models.TextChoices):
        FAILS = "fails", "Fails"
        MAY = "may", "May fail"
        KNOW = "know", "Good to know"
        NONE = "", "Nothing"

    deployment = models.OneToOneField(Deployment, on_delete=models.CASCADE, related_name="impact")
    basis = models.CharField(max_length=64)
    severity = models.CharField(max_length=5, choices=Severity.choices, blank=True)
    findings = models.JSONField(default=list, help_text="See flows.impact.told.")
    events = models.PositiveIntegerField(default=0, help_text="Recent events that were looked at.")
    failing = models.PositiveIntegerField(default=0, help_text="Those that would fail now.")
    example = models.CharField(max_length=255, blank=True, help_text="The newest of them.")
    looked_at = models.DateTimeField()
    began_at = models.DateTimeField(null=True, help_text="Since when something has been wrong.")

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.deployment}: {self.get_severity_display()}"

    @property
    def is_wrong(self) -> bool:
        """Tell whether a person should do something."""
        return self.severity in (self.Severity.FAILS, self.Severity.MAY)

    # Mutators

    def become(self, *, now: datetime, **told: Any) -> None:
        """Be what was worked out at `now`."""
        for name, value in told.items():
            setattr(self, name, value)
        self.looked_at = now
        self.began_at = (self.began_at or now) if self.is_wrong else None
        self.save()
