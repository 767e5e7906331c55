"""This module holds the series of connections and flows, what was unusual in them, and known events."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.db import models

from connectors.models import Connection
from flows.models import Flow
from integrator.accounts.models import Environment, public_id
from monitoring.detection import Alert as Found
from monitoring.detection import calendar


class AlreadyOver(Exception):
    """Somebody has said already that this is no anomaly."""


class Series(models.Model):
    """What is usual for the payments and calls of one connection, bin by bin of five minutes."""

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="series")
    state = models.JSONField(default=dict, help_text="Of monitoring.detection; empty before the first bin.")
    seen_until = models.DateTimeField(help_text="The end of the last bin that was looked at.")
    sensitivity = models.JSONField(
        default=dict, db_default={}, help_text="keen, calm or off by key of detection.KEYS; others are usual."
    )

    def __str__(self) -> str:
        return f"payments of {self.connection}"


class FlowSeries(models.Model):
    """What is usual for the runs of one flow in the environment of a Stripe connection."""

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="flows")
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="series")
    state = models.JSONField(default=dict, help_text="Of monitoring.detection; empty before the first bin.")
    seen_until = models.DateTimeField(help_text="The end of the last bin that was looked at.")
    history_until = models.DateTimeField(help_text="Of what was before that is only learnt; it is not told.")
    sensitivity = models.JSONField(default=dict, help_text="As that of a connection.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["series", "flow"], name="one_series_per_flow")]

    def __str__(self) -> str:
        return f"runs of {self.flow}"


class SeriesBin(models.Model):
    """The charges of five minutes, and how many were expected; and what else was measured."""

    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="bins")
    starts_at = models.DateTimeField()
    charges = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()
    expected = models.FloatField(null=True, help_text="Charges; empty while nothing is known.")
    lo = models.FloatField(null=True)
    hi = models.FloatField(null=True)
    measured = models.JSONField(
        default=dict, db_default={}, help_text="By metric: the value, what is expected, from and to."
    )

    class Meta:
        ordering = ("starts_at",)
        constraints = [
            models.UniqueConstraint(fields=["series", "starts_at"], name="one_bin_per_series_and_start")
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d %H:%M}"


class FlowBin(models.Model):
    """What was measured of a flow in five minutes."""

    flow_series = models.ForeignKey(FlowSeries, on_delete=models.CASCADE, related_name="bins")
    starts_at = models.DateTimeField()
    measured = models.JSONField(help_text="By metric: the value, what is expected, from and to.")

    class Meta:
        ordering = ("starts_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["flow_series", "starts_at"], name="one_bin_per_flow_series_and_start"
            )
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
    flow_series = models.ForeignKey(
        FlowSeries,
        on_delete=models.CASCADE,
        null=True,
        related_name="anomalies",
        help_text="Whose runs it is in.",
    )
    metric = models.CharField(max_length=20, help_text="A name of monitoring.detection.catalogue.")
    kind = models.CharField(max_length=30, help_text="volume_drop, outage, volume_spike, failed_spike, ...")
    z = models.FloatField(help_text="How surprising it is, in standard deviations.")
    observed = models.FloatField()
    expected = models.FloatField()
    lo = models.FloatField(help_text="From here ...")
    hi = models.FloatField(help_text="... to here would have passed for usual.")
    reason = models.CharField(max_length=200, help_text="A sentence for a person.")
    causes = models.JSONField(
        default=list, db_default=[], help_text="What it most likely has to do with; see detection.likely."
    )
    began_at = models.DateTimeField(help_text="The start of the bin that gave it away.")
    ended_at = models.DateTimeField(null=True)
    dismissed_by = models.CharField(max_length=254, blank=True, help_text="Who said that it is no anomaly.")
    dismissed_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(
        max_length=254, blank=True, default="", db_default="", help_text="Who takes care of it."
    )
    acknowledged_at = models.DateTimeField(null=True)
    under = models.ForeignKey(
        "monitoring.Alert",
        on_delete=models.SET_NULL,
        null=True,
        related_name="anomalies",
        help_text="The alert of the outage that it comes of; it has none of its own then.",
    )
    object_id = models.CharField(
        max_length=255, blank=True, default="", db_default="", help_text="Of an amount: its charge."
    )
    currency = models.CharField(
        max_length=3, blank=True, default="", db_default="", help_text="Of an amount, in its minor units."
    )

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
    def of(cls, series: Series, found: Found, *, began_at: datetime, **more: Any) -> Anomaly:
        """Return an unsaved row for what was `found`."""
        return cls(
            series=series, began_at=began_at, **found.as_json() | {"reason": found.reason[:200]}, **more
        )

    # Queries

    @property
    def name(self) -> str:
        """Whose it is: the name of the flow, or of the connection."""
        return self.flow_series.flow.name if self.flow_series else self.series.connection.name

    @property
    def likely(self) -> str:
        """What it most likely has to do with, as sentences; empty where nothing stands out."""
        return " ".join(str(cause["sentence"]) for cause in self.causes)

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

    def acknowledge(self, *, actor: str, now: datetime) -> None:
        """
        Say that somebody takes care of it.

        :raises AlreadyOver: if it is over by now
        """
        if self.ended_at is not None:
            raise AlreadyOver("This is over by now.")
        if self.acknowledged_at is None:
            self.acknowledged_by, self.acknowledged_at = actor, now
            self.save(update_fields=["acknowledged_by", "acknowledged_at"])


class KnownEvent(models.Model):
    """
    Something that people know will be unusual, once or again and again: it is not told, nor learnt from.

    Without a connection it holds in the whole environment; with a flow's series it holds for that flow alone.
    """

    class Repeats(models.TextChoices):
        ONCE = calendar.ONCE, "Once"
        WEEKLY = calendar.WEEKLY, "Every week"
        MONTHLY = calendar.MONTHLY, "Every month"

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="known_events")
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, null=True, blank=True, related_name="known_events"
    )
    flow_series = models.ForeignKey(
        FlowSeries, on_delete=models.CASCADE, null=True, blank=True, related_name="known_events"
    )
    name = models.CharField(max_length=100, help_text="What it is, such as 'Summer sale'.")
    metric = models.CharField(max_length=20, blank=True, help_text="A key; charges; empty for everything.")
    begins = models.DateTimeField()
    ends = models.DateTimeField()
    repeats = models.CharField(max_length=10, blank=True, choices=Repeats.choices, default=Repeats.ONCE)
    last_day = models.DateField(null=True, blank=True, help_text="Of what repeats; empty: for ever.")
    made_by = models.CharField(max_length=254)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ("begins", "id")

    def __str__(self) -> str:
        return self.name

    # Queries

    @property
    def known(self) -> calendar.Known:
        """The event as the calendar reckons with it."""
        return calendar.Known(self.begins, self.ends, self.repeats, self.last_day)


class CustomerAmounts(models.Model):
    """What one customer of a connection paid lately in one currency; their id stands here as a digest."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="customer_amounts")
    customer = models.CharField(max_length=32, help_text="A digest of connection and customer id.")
    currency = models.CharField(max_length=3)
    history = models.JSONField(help_text="Logarithms of minor units, the newest last; see detection.amounts.")
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "customer", "currency"], name="one_history_per_customer_and_currency"
            )
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["seen_at"], name="amounts_seen_at")]

    def __str__(self) -> str:
        return f"{self.customer} {self.currency}"
