"""This module holds alerts, what is mailed about them, the hours that are counted, and who watches."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from connectors.models import Connection
from flows.models import Fate
from integrator.accounts.models import Environment, Workspace, public_id
from monitoring.anomaly_models import (
    Anomaly,
    CustomerAmounts,
    FlowBin,
    FlowSeries,
    KnownEvent,
    Series,
    SeriesBin,
)
from monitoring.channel_models import AlertChannel, AlertDispatch, AlertNotice, AlertRule, AlertRuleStep
from monitoring.conditions import KINDS, Condition, Severity
from monitoring.payment_models import Payment, PaymentSum

__all__ = [
    "COUNTED",
    "FAILURE_LENGTH",
    "Alert",
    "AlertChannel",
    "AlertDelivery",
    "AlertDispatch",
    "AlertNotice",
    "AlertRule",
    "AlertRuleStep",
    "AlreadyClosed",
    "Anomaly",
    "ConservationHour",
    "CustomerAmounts",
    "Duty",
    "FlowBin",
    "FlowSeries",
    "KnownEvent",
    "OutgoingMail",
    "Payment",
    "PaymentSum",
    "Posted",
    "Series",
    "SeriesBin",
]

FAILURE_LENGTH = 300


class AlreadyClosed(Exception):
    """The alert is over: nothing is left to be decided about it."""


class AlertQuerySet(models.QuerySet["Alert"]):
    """The alerts."""

    # Queries

    def told(self) -> AlertQuerySet:
        """Return those that lasted long enough to be told, open or closed."""
        return self.filter(opened_at__isnull=False)

    def open(self) -> AlertQuerySet:
        """Return what is wrong now."""
        return self.told().filter(closed_at__isnull=True)

    def of(self, environment: Environment) -> AlertQuerySet:
        """Return what concerns `environment`: its own, and those of its whole workspace."""
        whole = Q(environment=None, workspace=environment.workspace_id)
        return self.filter(Q(environment=environment) | whole)

    def calling(self, now: datetime) -> AlertQuerySet:
        """Return the open ones that nobody has acknowledged or muted."""
        muted = Q(muted_until__gt=now)
        return self.open().filter(~muted, acknowledged_at__isnull=True)


class Alert(models.Model):
    """
    One incident: opened once, kept up to date, closed by itself, opened as a new one when it comes back.

    A row without `opened_at` is something noticed that has not lasted long enough to be told.
    `environment` is empty where the whole installation is concerned; each workspace is told by itself.
    """

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="alerts")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, null=True, related_name="alerts")
    kind = models.CharField(max_length=30, help_text="One of monitoring.conditions.KINDS.")
    key = models.CharField(max_length=200, help_text="What makes it the same incident.")
    severity = models.CharField(
        max_length=10, choices=[(one.value, one.value.capitalize()) for one in Severity]
    )
    title = models.CharField(max_length=200)
    text = models.TextField(help_text="What happened, what it means, what to do.")
    link = models.CharField(max_length=255, help_text="Path of the page that helps.")
    count = models.PositiveIntegerField(default=1, help_text="How many things it is about.")
    newest = models.BigIntegerField(default=0, help_text="Id of the newest of them.")
    noticed_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, help_text="Since when it is not there any more.")
    closed_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=254, blank=True)
    acknowledged_at = models.DateTimeField(null=True)
    muted_until = models.DateTimeField(null=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "key"],
                condition=models.Q(closed_at__isnull=True),
                name="one_open_alert_per_key",
            )
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["workspace", "-id"], name="alert_by_workspace"),
            models.Index(fields=["workspace", "key", "-id"], name="alert_by_key"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def label(self) -> str:
        """What sort of incident it is, in words."""
        return KINDS[self.kind].label if self.kind in KINDS else self.kind

    # Factories

    @classmethod
    def of(cls, condition: Condition, *, now: datetime) -> Alert:
        """Return a row for `condition`, noticed now, neither saved nor told yet."""
        alert = cls(
            workspace_id=condition.workspace_id,
            environment_id=condition.environment_id,
            kind=condition.kind,
            key=condition.key,
            noticed_at=now,
        )
        alert.follow(condition, now=now)
        return alert

    # Mutators. `monitoring.alerts` saves what it has changed, all in one transaction.

    def follow(self, condition: Condition, *, now: datetime) -> bool:
        """Say what `condition` says now, and return whether a reader sees a difference."""
        before = (self.severity, self.title, self.text, self.link, self.count)
        self.severity, self.title = condition.severity, condition.title[:200]
        self.text, self.link = condition.text, condition.link[:255]
        self.count, self.newest = condition.count, condition.newest
        self.last_seen_at, self.gone_at = now, None
        return before != (self.severity, self.title, self.text, self.link, self.count)

    def acknowledge(self, *, actor: str, now: datetime) -> None:
        """
        Say that somebody takes care of it; what happens only once is over with that.

        :raises AlreadyClosed: if it is over
        """
        self._must_be_open()
        self.acknowledged_by, self.acknowledged_at = actor, now
        if self.kind in KINDS and KINDS[self.kind].told_once:
            self.closed_at = now
        self.save(update_fields=["acknowledged_by", "acknowledged_at", "closed_at"])

    def mute(self, *, until: datetime | None) -> None:
        """
        Let it be silent until `until`, or no longer.

        :raises AlreadyClosed: if it is over
        """
        self._must_be_open()
        self.muted_until = until
        self.save(update_fields=["muted_until"])

    def _must_be_open(self) -> None:
        if self.closed_at is not None:
            raise AlreadyClosed("This is over by now.")


# What is mailed


class Posted(models.Model):
    """Something to be mailed: due, tried, and sent or given up."""

    recipient = models.EmailField()
    due_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=FAILURE_LENGTH, blank=True)

    WAITING: ClassVar[Q] = Q(sent_at__isnull=True, given_up_at__isnull=True)

    class Meta:
        abstract = True


class AlertDelivery(Posted):
    """That somebody is to be told of an alert."""

    class News(models.TextChoices):
        OPENED = "opened"
        AGAIN = "again"  # more of the same has happened
        OVER = "over"

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=10, default="email")
    news = models.CharField(max_length=10, choices=News.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "recipient", "news"],
                condition=Posted.WAITING,
                name="one_waiting_delivery_per_news",
            )
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["due_at"], condition=Posted.WAITING, name="delivery_waiting"),
            models.Index(fields=["recipient", "sent_at"], name="delivery_sent"),
        ]

    def __str__(self) -> str:
        return f"{self.news}: {self.alert} to {self.recipient}"


class OutgoingMail(Posted):
    """Any other mail, such as one that resets a password. Its text is sealed, and gone once it is sent."""

    sealed = models.BinaryField(help_text="JSON of sender, subject and text, encrypted.")
    created_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["due_at"], condition=Posted.WAITING, name="mail_waiting"),
        ]

    def __str__(self) -> str:
        return f"to {self.recipient}"


# What is counted

COUNTED: tuple[str, ...] = tuple(fate.value for fate in Fate)


class ConservationHourQuerySet(models.QuerySet["ConservationHour"]):
    """The hours that were counted."""

    # Queries

    def unequal(self) -> ConservationHourQuerySet:
        """Return the hours in which something that was received has no fate any more."""
        total: Any = F(COUNTED[0])
        for fate in COUNTED[1:]:
            total = total + F(fate)
        return self.exclude(received=total)

    def unsettled(self) -> ConservationHourQuerySet:
        """Return the hours whose events may still change their fate."""
        return self.filter(Q(queued__gt=0) | Q(waiting__gt=0) | Q(dead__gt=0))


class ConservationHour(models.Model):
    """
    What one connection received in one hour, and what became of it.

    `received` is the highest count that was ever seen, so that an event which vanished is missed; the fates
    are counted anew as they are. `found` are those that webhooks missed and the walk of Stripe's list
    brought, but for those that no flow wanted.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="conservation_hours")
    hour = models.DateTimeField(help_text="Its beginning.")
    received = models.PositiveIntegerField(default=0)
    applied = models.PositiveIntegerField(default=0)
    ignored = models.PositiveIntegerField(default=0)
    superseded = models.PositiveIntegerField(default=0)
    echo = models.PositiveIntegerField(default=0)
    queued = models.PositiveIntegerField(default=0)
    waiting = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    dead = models.PositiveIntegerField(default=0)
    discarded = models.PositiveIntegerField(default=0)
    delivered = models.PositiveIntegerField(default=0, help_text="Those that a webhook brought.")
    found = models.PositiveIntegerField(default=0, help_text="Those that the walk found.")
    counted_at = models.DateTimeField()

    objects = ConservationHourQuerySet.as_manager()

    class Meta:
        ordering = ("-hour", "connection_id")
        constraints = [
            models.UniqueConstraint(fields=["connection", "hour"], name="one_count_per_connection_and_hour")
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["hour"], name="conservation_by_hour")]

    def __str__(self) -> str:
        return f"{self.connection} {self.hour:%Y-%m-%d %H}h"

    @property
    def accounted(self) -> int:
        """How many events of the hour have a fate now."""
        return sum(int(getattr(self, fate)) for fate in COUNTED)

    @property
    def equal(self) -> bool:
        """Whether everything that was received has a fate."""
        return self.received == self.accounted


# Who watches


class DutyQuerySet(models.QuerySet["Duty"]):
    """The duties."""

    # Mutators

    def take(self, name: str, *, holder: str, lease: timedelta) -> bool:
        """Take or keep the duty `name` for `lease` of the database's time; False if another holds it."""
        mine = Q(holder=holder) | Q(held_until__lt=Now())
        if self.filter(mine, name=name).update(holder=holder, held_until=Now() + lease):
            return True
        if self.filter(name=name).exists():
            return False
        self.bulk_create(
            [self.model(name=name, holder=holder, held_until=Now() + lease)], ignore_conflicts=True
        )
        return self.filter(name=name, holder=holder).exists()

    def give_back(self, *, holder: str) -> None:
        """Let another process begin at once."""
        self.filter(holder=holder).update(holder="", held_until=Now())


class Duty(models.Model):
    """One thing that the watching process does, by whom, and how it went last."""

    name = models.CharField(max_length=40, unique=True)
    holder = models.CharField(max_length=120, blank=True)
    held_until = models.DateTimeField()
    failed_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=FAILURE_LENGTH, blank=True)

    objects = DutyQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name
