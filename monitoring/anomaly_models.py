"""This module holds the series of each Stripe connection, and what was unusual in them."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import models

from connectors.models import Connection
from integrator.accounts.models import Environment, public_id
from monitoring.detection import Alert as Found


class AlreadyOver(Exception):
    """Somebody has said already that this is no anomaly."""


class Series(models.Model):
    """What is usual for the payments of one connection, bin by bin of five minutes."""

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="series")
    state = models.JSONField(default=dict, help_text="Of monitoring.detection; empty before the first bin.")
    seen_until = models.DateTimeField(help_text="The end of the last bin that was looked at.")

    def __str__(self) -> str:
        return f"payments of {self.connection}"


class SeriesBin(models.Model):
    """The charges of five minutes, and how many were expected."""

    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="bins")
    starts_at = models.DateTimeField()
    charges = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()
    expected = models.FloatField(null=True, help_text="Charges; empty while nothing is known.")
    lo = models.FloatField(null=True)
    hi = models.FloatField(null=True)

    class Meta:
        ordering = ("starts_at",)
        constraints = [
            models.UniqueConstraint(fields=["series", "starts_at"], name="one_bin_per_series_and_start")
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d %H:%M}"


class AnomalyQuerySet(models.QuerySet["Anomaly"]):
    """What was unusual."""

    # Queries

    def of(self, environment: Environment) -> AnomalyQuerySet:
        """Return what was unusual in the connections of an environment."""
        return self.filter(series__connection__environment=environment)

    def open(self) -> AnomalyQuerySet:
        """Return what is unusual now."""
        return self.filter(ended_at__isnull=True)


class Anomaly(models.Model):
    """One incident of a series: told once, over by itself, or when a person says that it is none."""

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="anomalies")
    metric = models.CharField(max_length=20, help_text="charges, failed, refunds or disputes.")
    kind = models.CharField(max_length=30, help_text="volume_drop, outage, volume_spike, failed_spike, ...")
    z = models.FloatField(help_text="How surprising it is, in standard deviations.")
    observed = models.FloatField()
    expected = models.FloatField()
    lo = models.FloatField(help_text="From here ...")
    hi = models.FloatField(help_text="... to here would have passed for usual.")
    reason = models.CharField(max_length=200, help_text="A sentence for a person.")
    began_at = models.DateTimeField(help_text="The start of the bin that gave it away.")
    ended_at = models.DateTimeField(null=True)
    dismissed_by = models.CharField(max_length=254, blank=True, help_text="Who said that it is no anomaly.")
    dismissed_at = models.DateTimeField(null=True)

    objects = AnomalyQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["series"], condition=models.Q(ended_at__isnull=True), name="anomaly_open"),
        ]

    def __str__(self) -> str:
        return self.reason

    # Factories

    @classmethod
    def of(cls, series: Series, found: Found, *, began_at: datetime) -> Anomaly:
        """Return an unsaved row for what was `found`."""
        return cls(series=series, began_at=began_at, **found.as_json())

    # Mutators

    def dismiss(self, *, actor: str, now: datetime) -> None:
        """
        Say that it is no anomaly.

        :raises AlreadyOver: if that was said before
        """
        if self.dismissed_at is not None:
            raise AlreadyOver("It was said already that this is not an anomaly.")
        self.dismissed_by, self.dismissed_at = actor, now
        self.ended_at = self.ended_at or now
        self.save(update_fields=["dismissed_by", "dismissed_at", "ended_at"])
