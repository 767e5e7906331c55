"""This module holds connections, their credentials and tokens, and the webhook endpoints."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models, transaction
from django.db.models.functions import Now

from connectors.signals import connection_changed
from integrator.accounts.models import Environment, public_id

# How the reason of a rest begins that waiting does not end.
NEEDS_KEY = "It needs a new key, or access granted anew."


class Connection(models.Model):
    """One authenticated account of one system in one environment."""

    class System(models.TextChoices):
        STRIPE = "stripe", "Stripe"
        SALESFORCE = "salesforce", "Salesforce"

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused by a person"
        RESTING = "resting", "Resting"  # a limit, an outage or a dead credential; see `paused_until`

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="connections")
    system = models.CharField(max_length=20, choices=System.choices)
    name = models.CharField(max_length=100)
    base_url = models.URLField(
        help_text="Where the system is asked: Stripe's API address, or the My Domain login address.",
        max_length=255,
    )
    settings = models.JSONField(
        default=dict,
        help_text="What is not secret: Salesforce user name and optional audience, API version.",
    )
    api_version = models.CharField(max_length=40, help_text="Stripe version or Salesforce version (v67.0).")

    # The environment firewall: what the credential led to when it was first tested.
    pinned_account = models.CharField(
        max_length=64, blank=True, help_text="Stripe account id or 18-character Salesforce org id."
    )
    pinned_livemode = models.BooleanField(null=True, help_text="Stripe live mode; production org.")

    state = models.CharField(max_length=10, choices=State.choices, default=State.ACTIVE)
    state_reason = models.CharField(max_length=500, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True, help_text="Empty: until somebody resumes it.")
    last_success_at = models.DateTimeField(null=True, blank=True)
    last_failure_at = models.DateTimeField(null=True, blank=True)
    last_failure = models.CharField(max_length=500, blank=True)
    api_used = models.PositiveIntegerField(null=True, blank=True)
    api_limit = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("environment_id", "system", "name")
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "name"], name="one_connection_per_name_and_environment"
            ),
            models.CheckConstraint(
                condition=models.Q(state="active", paused_until__isnull=True) | ~models.Q(state="active"),
                name="an_active_connection_waits_for_nothing",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def needs_key(self) -> bool:
        """Tell whether it rests for a credential that was refused or cannot be read."""
        return self.state == self.State.RESTING and self.state_reason.startswith(NEEDS_KEY)

    # Mutators. Each is one conditional UPDATE, because several processes speak through one connection, and
    # answers whether it changed anything.

    def rest(self, *, until: datetime | None, reason: str) -> bool:
        """Let nobody call until `until`, or until somebody resumes it. What a person paused stays paused."""
        awake = (self.State.ACTIVE, self.State.RESTING)
        return self._move(awake, state=self.State.RESTING, state_reason=reason[:500], paused_until=until)

    def wake(self) -> bool:
        """Be active again after a rest."""
        return self._move((self.State.RESTING,), state=self.State.ACTIVE, state_reason="", paused_until=None)

    def probe(self, *, now: datetime, patience: timedelta) -> bool:
        """Take the one try that a rest allows when it is over; others wait for its outcome."""
        if self.state != self.State.RESTING or self.paused_until is None or self.paused_until > now:
            return False
        taken = type(self).objects.filter(
            pk=self.pk, state=self.State.RESTING, paused_until=self.paused_until
        )
        return bool(taken.update(paused_until=now + patience))

    def pause(self, *, reason: str) -> bool:
        """Let nobody call until somebody resumes it."""
        awake = (self.State.ACTIVE, self.State.RESTING)
        return self._move(awake, state=self.State.PAUSED, state_reason=reason[:500], paused_until=None)

    def resume(self) -> bool:
        """Let everybody call again."""
        stopped = (self.State.PAUSED, self.State.RESTING)
        return self._move(stopped, state=self.State.ACTIVE, state_reason="", paused_until=None)

    def lead_to(self, address: str) -> None:
        """Speak to `address` from now on."""
        self.base_url = address
        self.save(update_fields=["base_url"])

    def configure(self, **given: Any) -> bool:
        """Set these settings, beside what else is set, and tell whether that changed anything."""
        with transaction.atomic():
            row = type(self).objects.select_for_update().get(pk=self.pk)
            after = {**row.settings, **given}
            changed = bool(after != row.settings)
            if changed:
                type(self).objects.filter(pk=self.pk).update(settings=after)
        self.settings = after
        return changed

    def pin(self, *, account: str, livemode: bool | None) -> bool:
        """Tie the connection to where its credential led first."""
        rows = type(self).objects.filter(pk=self.pk, pinned_account="")
        pinned = bool(rows.update(pinned_account=account, pinned_livemode=livemode))
        self.refresh_from_db(fields=["pinned_account", "pinned_livemode"])
        return pinned

    def note(self, *, now: datetime, failure: str = "", usage: tuple[int, int] | None = None) -> None:
        """Remember how the last call went and what the system said about its API budget."""
        told: dict[str, object] = (
            {"last_failure_at": now, "last_failure": failure[:500]} if failure else {"last_success_at": now}
        )
        if usage is not None:
            told |= {"api_used": usage[0], "api_limit": usage[1]}
        type(self).objects.filter(pk=self.pk).update(**told)

    def _move(self, before: tuple[str, ...], **after: object) -> bool:
        moved = bool(type(self).objects.filter(pk=self.pk, state__in=before).update(**after))
        if moved:
            self.refresh_from_db(fields=["state", "state_reason", "paused_until"])
            transaction.on_commit(
                lambda: connection_changed.send(
                    sender=Connection,
                    connection_id=self.pk,
                    environment_id=self.environment_id,
                    state=self.state,
                )
            )
        return moved


class Credential(models.Model):
    """One secret of a connection, encrypted; only its last four characters are ever shown again."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="credentials")
    field = models.CharField(max_length=40, help_text="secret_key, consumer_key, private_key.")
    ciphertext = models.BinaryField()
    last4 = models.CharField(max_length=4, blank=True)
    fingerprint = models.CharField(max_length=16, help_text="Start of the SHA-256 of the secret.")
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "field"], name="one_credential_per_field")
        ]

    def __str__(self) -> str:
        return f"{self.connection}: {self.field} …{self.last4}"


class AccessToken(models.Model):
    """
    The one Salesforce session of a connection, shared by every process.

    `lease_until` is the single-flight lock: who sets it refreshes, everybody else waits.
    `refused_until` keeps a dead credential from burning the login limit of 3,600 an hour.
    """

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="access_token")
    ciphertext = models.BinaryField(blank=True, default=b"")
    instance_url = models.URLField(max_length=255, blank=True)
    org_id = models.CharField(max_length=18, blank=True)
    generation = models.PositiveIntegerField(default=0)
    refreshed_at = models.DateTimeField(null=True)
    lease_owner = models.CharField(max_length=40, blank=True)
    lease_until = models.DateTimeField(null=True)
    refused_until = models.DateTimeField(null=True)
    refusal = models.CharField(max_length=500, blank=True)
    refusal_code = models.CharField(max_length=30, blank=True, help_text="See connectors.salesforce.logins.")

    def __str__(self) -> str:
        return f"{self.connection}, generation {self.generation}"


class WebhookEndpoint(models.Model):
    """Where Stripe sends the events of a connection: /hooks/stripe/<public id>/."""

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="webhook_endpoints")
    stripe_id = models.CharField(
        max_length=64, blank=True, help_text="we_..., where we created it ourselves."
    )
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    PATH: ClassVar[str] = "/hooks/stripe/{}/"

    def __str__(self) -> str:
        return self.PATH.format(self.public_id)

    def enable(self, *, stripe_id: str) -> None:
        """Accept deliveries of the endpoint that Stripe knows as `stripe_id`."""
        self.stripe_id, self.enabled = stripe_id, True
        self.save(update_fields=["stripe_id", "enabled"])


class WebhookSecret(models.Model):
    """A signing secret of an endpoint. Two may be active while one replaces the other."""

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="secrets")
    ciphertext = models.BinaryField()
    last4 = models.CharField(max_length=4)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True, help_text="End of the overlap; empty: current.")
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.endpoint} …{self.last4}"


class Cursor(models.Model):
    """
    How far one stream of a connection has been read: Stripe's list of events, a sweep of one object type.

    `position` is the stream's own: the id of the last event that was kept. Rows move only in the
    transaction that keeps what was read. `lease_until` lets one process at a time read a stream.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="cursors")
    stream = models.CharField(max_length=60, help_text="events, or sweep:<object type>.")
    position = models.CharField(max_length=255, blank=True)
    reached_at = models.DateTimeField(null=True, help_text="Everything up to this moment has been read.")
    state = models.JSONField(default=dict, help_text="Where within a pass the reader is.")
    checked_at = models.DateTimeField(null=True, help_text="When it was last read.")
    failure = models.CharField(max_length=500, blank=True)
    lease_until = models.DateTimeField(null=True)
    lease_owner = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "stream"], name="one_cursor_per_stream")]

    def __str__(self) -> str:
        return f"{self.connection}: {self.stream}"


class TopicQuerySet(models.QuerySet["Topic"]):
    """The topics that are listened to."""

    # Mutators. The lease is judged by the database's clock, since hosts' clocks may differ.

    def take(self, *, owner: str, listener: str, lease: timedelta) -> bool:
        """Let `owner` hear the one topic that this is, unless somebody else does; tell whether it may."""
        free = models.Q(lease_until__isnull=True) | models.Q(lease_until__lt=Now())
        return bool(
            self.filter(free, stopped=False).update(
                lease_owner=owner, listener=listener[:100], lease_until=Now() + lease
            )
        )

    def held(self, owner: str) -> TopicQuerySet:
        """Return those of them that `owner` hears."""
        return self.filter(lease_owner=owner)


class Topic(models.Model):
    """
    One topic of an org's event bus that a connection listens to, and how far it was heard.

    `replay_id` is Salesforce's own position, opaque bytes: it moves only in the transaction that keeps what
    came before it, and only while the lease is ours.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="topics")
    name = models.CharField(max_length=120, help_text="/data/AccountChangeEvent, /event/Paid__e.")
    created_at = models.DateTimeField()

    replay_id = models.BinaryField(default=b"", help_text="Empty: no position is known yet.")
    since = models.DateTimeField(
        null=True, help_text="While no position is known: what happened earlier is none of ours."
    )
    from_earliest = models.BooleanField(
        default=False, help_text="Begin with the earliest event that Salesforce keeps."
    )
    kept_until = models.DateTimeField(null=True, help_text="Everything up to this moment was kept.")
    heard_at = models.DateTimeField(null=True, help_text="When the bus last sent anything.")
    event_at = models.DateTimeField(null=True, help_text="When the newest event happened.")
    lag = models.DurationField(null=True, help_text="From happening to being kept, of the newest event.")
    received = models.PositiveBigIntegerField(default=0, help_text="Events that were new.")

    stopped = models.BooleanField(default=False, help_text="Until a person says how to go on.")
    attempts = models.PositiveIntegerField(default=0, help_text="Failures since it was last heard.")
    retry_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=500, blank=True)
    failure_code = models.CharField(max_length=100, blank=True)

    lease_until = models.DateTimeField(null=True)
    lease_owner = models.CharField(max_length=40, blank=True)
    listener = models.CharField(max_length=100, blank=True, help_text="The process that hears it.")

    objects = TopicQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = [
            models.UniqueConstraint(fields=["connection", "name"], name="one_topic_per_connection")
        ]

    def __str__(self) -> str:
        return f"{self.connection}: {self.name}"

    # Mutators

    def go_on(self) -> None:
        """Listen again, from the earliest event that Salesforce keeps."""
        self.stopped, self.from_earliest, self.replay_id, self.since = False, True, b"", None
        self.attempts, self.retry_at, self.failure, self.failure_code = 0, None, "", ""
        self.save(
            update_fields=[
                "stopped", "from_earliest", "replay_id", "since", "attempts", "retry_at", "failure",
                "failure_code",
            ]
        )  # fmt: skip


class SchemaSnapshot(models.Model):
    """
    What an object consisted of, from when it was first seen so until a later snapshot of it.

    A row is added only where something has changed; otherwise the newest is told that it still holds.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="schemas")
    object = models.CharField(max_length=100, help_text="Type or API name; * for the list of all objects.")
    number = models.PositiveIntegerField(help_text="Counts the snapshots of an object.")
    version = models.CharField(max_length=60, help_text="Of the API that told it.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the content.")
    content = models.JSONField(help_text="See connectors.schemas.")
    taken_at = models.DateTimeField(help_text="When it was first seen so.")
    checked_at = models.DateTimeField(help_text="When it was last found to hold.")
    modified = models.CharField(max_length=60, blank=True, help_text="The Last-Modified of the answer.")
    failed_at = models.DateTimeField(null=True, help_text="When asking again failed, if it did since.")
    failure = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("-number",)
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "object", "number"], name="one_snapshot_per_object_and_number"
            )
        ]

    def __str__(self) -> str:
        return f"{self.connection}: {self.object}, {self.number}"

    # Mutators

    def still_holds(self, *, modified: str, version: str, now: datetime) -> None:
        """Say that the object was found to be so at `now`."""
        self.checked_at, self.modified, self.version = now, modified[:60], version
        self.failed_at, self.failure = None, ""
        self.save(update_fields=["checked_at", "modified", "version", "failed_at", "failure"])

    def fail(self, *, reason: str, now: datetime) -> None:
        """Say that asking again did not work, so that it is as old as it was."""
        self.failed_at, self.failure = now, reason[:500]
        self.save(update_fields=["failed_at", "failure"])
