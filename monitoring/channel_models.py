"""This module holds whom alerts reach besides the app: channels, rules that choose them, what was sent."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Q

from connectors.models import Connection
from integrator import vault
from integrator.accounts.models import Environment, Workspace, public_id
from monitoring.ruling import News, Quiet, Step, Terms

FAILURE_LENGTH = 300


class AlertChannelQuerySet(models.QuerySet["AlertChannel"]):
    """The channels."""

    # Queries

    def of(self, workspace: Workspace) -> AlertChannelQuerySet:
        """Return those of `workspace` that are not deleted."""
        return self.filter(workspace=workspace, deleted_at__isnull=True)

    def down(self) -> AlertChannelQuerySet:
        """Return those in use that fail again and again."""
        return self.filter(deleted_at__isnull=True, enabled=True, failures__gte=AlertChannel.BELIEVED)


class AlertChannel(models.Model):
    """
    A way by which alerts reach people or programs outside the app.

    Addresses of webhooks and signing secrets are sealed: whoever has one may write there. A deleted channel
    stays as a name in the list of what was sent, without its secrets.
    """

    BELIEVED: ClassVar[int] = 3  # failures in a row after which it is told that it is down

    class Kind(models.TextChoices):
        EMAIL = "email", "E-mail"
        SLACK = "slack", "Slack"
        WEBHOOK = "webhook", "Signed webhook"
        EVENT = "event", "Salesforce platform event"

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="alert_channels")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=100)
    enabled = models.BooleanField(default=True)
    settings = models.JSONField(default=dict, help_text="What is no secret: addresses, host, event, fields.")
    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, null=True, related_name="alert_channels"
    )
    sealed = models.BinaryField(default=b"", help_text="JSON of address and signing secrets, encrypted.")
    older_until = models.DateTimeField(null=True, help_text="Until when the former secret signs, too.")
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)
    # How it fares
    failures = models.PositiveIntegerField(default=0, help_text="Failures in a row.")
    rests_until = models.DateTimeField(null=True)
    failed_since = models.DateTimeField(null=True)
    failure = models.CharField(max_length=FAILURE_LENGTH, blank=True)
    last_sent_at = models.DateTimeField(null=True)

    objects = AlertChannelQuerySet.as_manager()

    class Meta:
        ordering = ("name", "id")
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "name"],
                condition=Q(deleted_at__isnull=True),
                name="one_channel_per_name",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def target(self) -> str:
        """Where it leads, as may be shown to everybody who sees alerts."""
        match self.kind:
            case self.Kind.EMAIL:
                return ", ".join(self.settings.get("addresses", ()))
            case self.Kind.EVENT:
                return f"{self.settings.get('event', '')} by {self.connection}"
            case _:
                return str(self.settings.get("host", ""))

    # Secrets

    @property
    def owner(self) -> str:
        """Whom the sealed secrets belong to."""
        return f"channel:{self.public_id}"

    def secrets(self) -> dict[str, str]:
        """
        Return `url`, `secret` and `older`, as far as there are any.

        :raises vault.Unreadable: if the key is lost
        """
        if not self.sealed:
            return {}
        return dict(json.loads(vault.unseal(bytes(self.sealed), owner=self.owner)))

    def keep(self, secrets: dict[str, str]) -> None:
        """Seal `secrets` in place of those that were; the caller saves."""
        self.sealed = vault.seal(json.dumps(secrets).encode(), owner=self.owner) if secrets else b""


class AlertRule(models.Model):
    """
    Which alerts are told by which channels, and when.

    The one with `administrators` is the rule by which administrators are mailed as ever; a workspace that has
    no row for it has it as it was from the beginning: on, for whatever is more than information.
    """

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="alert_rules")
    name = models.CharField(max_length=100)
    position = models.PositiveIntegerField(default=0)
    enabled = models.BooleanField(default=True)
    administrators = models.BooleanField(default=False)
    kinds = models.JSONField(default=list, help_text="Of monitoring.conditions.KINDS; empty: all.")
    severities = models.JSONField(default=list)
    environments = models.ManyToManyField(Environment, related_name="alert_rules", help_text="None: all.")
    stops = models.BooleanField(default=False, help_text="Whether later rules are not looked at.")
    tells_end = models.BooleanField(default=True)
    window_seconds = models.PositiveIntegerField(
        default=0, help_text="For how long the first of a kind waits."
    )
    per_hour = models.PositiveIntegerField(default=20, help_text="Messages to each channel; 0: no limit.")
    repeat_minutes = models.PositiveIntegerField(default=0, help_text="Until acknowledged; 0: never.")
    quiet_from = models.TimeField(null=True)
    quiet_until = models.TimeField(null=True)
    quiet_zone = models.CharField(max_length=64, default="UTC")
    quiet_lets_critical = models.BooleanField(default=True)
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("administrators", "position", "id")
        constraints = [
            models.UniqueConstraint(
                fields=["workspace"], condition=Q(administrators=True), name="one_rule_for_administrators"
            ),
            models.UniqueConstraint(fields=["workspace", "name"], name="one_alert_rule_per_name"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def quiet(self) -> Quiet | None:
        """The hours in which it tells nothing."""
        if self.quiet_from is None or self.quiet_until is None:
            return None
        return Quiet(self.quiet_from, self.quiet_until, self.quiet_zone, self.quiet_lets_critical)

    def terms(self) -> Terms:
        """Return the rule as it is decided by; its steps and environments are best fetched before."""
        return Terms(
            rule=self.pk,
            severities=frozenset(self.severities),
            kinds=frozenset(self.kinds),
            environments=frozenset(one.pk for one in self.environments.all()),
            steps=tuple(
                Step(step.channel_id, timedelta(minutes=step.after_minutes))
                for step in self.steps.all()
                if step.channel.enabled
            ),
            stops=self.stops,
            window=timedelta(seconds=self.window_seconds),
            per_hour=self.per_hour,
            quiet=self.quiet,
            repeat=timedelta(minutes=self.repeat_minutes) if self.repeat_minutes else None,
            tells_end=self.tells_end,
            administrators=self.administrators,
        )


class AlertRuleStep(models.Model):
    """That a rule tells a channel: at once, or when nobody has acknowledged within some minutes."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="steps")
    channel = models.ForeignKey(AlertChannel, on_delete=models.PROTECT, related_name="steps")
    after_minutes = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("after_minutes", "id")
        constraints = [
            models.UniqueConstraint(fields=["rule", "channel", "after_minutes"], name="one_step_per_moment")
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.channel} after {self.after_minutes} min"


class AlertDispatchQuerySet(models.QuerySet["AlertDispatch"]):
    """The messages."""

    # Queries

    def waiting(self) -> AlertDispatchQuerySet:
        """Return those that are to be sent yet."""
        return self.filter(AlertDispatch.WAITING)

    def of(self, workspace: Workspace) -> AlertDispatchQuerySet:
        """Return those of `workspace`."""
        return self.filter(channel__workspace=workspace)

    def about(self, environment: Environment) -> AlertDispatchQuerySet:
        """Return those that tell of `environment` or of its whole workspace, and tests."""
        told = AlertNotice.objects.filter(
            Q(alert__environment=environment) | Q(alert__environment=None), dispatch=models.OuterRef("pk")
        )
        return self.of(environment.workspace).filter(Q(test=True) | models.Exists(told))


class AlertDispatch(models.Model):
    """
    One message to one channel, tried until it arrives or is given up.

    Its id and its content never change, so that a receiver that got it twice can tell.
    """

    WAITING: ClassVar[Q] = Q(sent_at__isnull=True, given_up_at__isnull=True)

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    channel = models.ForeignKey(AlertChannel, on_delete=models.PROTECT, related_name="dispatches")
    rule = models.ForeignKey(AlertRule, on_delete=models.SET_NULL, null=True, related_name="dispatches")
    subject = models.CharField(max_length=250)
    alerts = models.JSONField(default=list, help_text="What it tells, as it was when it was made.")
    reached = models.JSONField(default=list, help_text="The addresses that have it already.")
    test = models.BooleanField(default=False)
    digest = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)
    answer = models.CharField(
        max_length=FAILURE_LENGTH, blank=True, help_text="What the other side said last."
    )

    objects = AlertDispatchQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["due_at"],
                condition=Q(sent_at__isnull=True, given_up_at__isnull=True),
                name="dispatch_waiting",
            ),
            models.Index(fields=["channel", "-id"], name="dispatch_by_channel"),
            models.Index(fields=["rule", "channel", "created_at"], name="dispatch_by_rule"),
        ]

    def __str__(self) -> str:
        return self.subject

    @property
    def state(self) -> str:
        """Where it stands: waiting, retrying, sent or given up."""
        if self.sent_at is not None:
            return "sent"
        if self.given_up_at is not None:
            return "given_up"
        return "retrying" if self.attempts and self.answer else "waiting"


class AlertNotice(models.Model):
    """That a channel is to be told of an alert; told once it belongs to a message."""

    alert = models.ForeignKey("monitoring.Alert", on_delete=models.CASCADE, related_name="notices")
    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, related_name="notices")
    rule = models.ForeignKey(AlertRule, on_delete=models.SET_NULL, null=True, related_name="notices")
    news = models.CharField(max_length=10, choices=[(one.value, one.value) for one in News])
    due_at = models.DateTimeField()
    dispatch = models.ForeignKey(AlertDispatch, on_delete=models.CASCADE, null=True, related_name="notices")

    class Meta:
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "channel", "news"],
                condition=Q(dispatch__isnull=True),
                name="one_waiting_notice_per_news",
            )
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["due_at"], condition=Q(dispatch__isnull=True), name="notice_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.news}: {self.alert} by {self.channel}"
