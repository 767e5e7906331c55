"""This module holds notices: what a flow, or the engine, wants a person to know."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from django.db import models

from flows.models.design import Flow
from flows.models.runs import Run
from integrator.accounts.models import Environment


class NoticeQuerySet(models.QuerySet["Notice"]):
    """The notices."""

    # Factories

    def give(self, notices: Iterable[Notice]) -> None:
        """Keep `notices`; one whose key is known in its environment changes nothing."""
        self.bulk_create(notices, ignore_conflicts=True)


class Notice(models.Model):
    """
    One thing to know, said once for each key in an environment.

    `monitoring` makes alerts of notices. They are rows, written in the transaction of what they tell, so
    that none is lost when a process dies.
    """

    class Severity(models.TextChoices):
        INFO = "info", "Information"
        WARNING = "warning", "Warning"
        CRITICAL = "critical", "Critical"

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="notices")
    key = models.CharField(max_length=200, help_text="What makes it the same notice.")
    kind = models.CharField(max_length=40, help_text="flow_alert, other_body, api_version, missing_rate.")
    severity = models.CharField(max_length=10, choices=Severity.choices, default=Severity.WARNING)
    title = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    flow = models.ForeignKey(Flow, on_delete=models.PROTECT, null=True, related_name="notices")
    run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="notices")
    at = models.DateTimeField()

    objects = NoticeQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["environment", "key"], name="one_notice_per_key")
        ]

    def __str__(self) -> str:
        return self.title

    @classmethod
    def of(
        cls, *, environment_id: int, key: str, kind: str, title: str, text: str, now: datetime, severity: str
    ) -> Notice:
        """Return a notice that fits its columns, not saved yet."""
        return cls(
            environment_id=environment_id,
            key=key[:200],
            kind=kind,
            severity=severity,
            title=title[:200],
            text=text,
            at=now,
        )
