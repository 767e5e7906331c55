"""This module holds connections, their credentials and the sessions that these opened."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction

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

    entered = models.PositiveIntegerField(
        default=0, db_default=0, help_text="How often a credential or the address was entered anew."
    )

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
        """
        Let nobody call until `until`, or until somebody resumes it. What a person paused stays paused.

        A call that was made with a credential or an address that was replaced meanwhile proves nothing.
        """
        awake = models.Q(state__in=(self.State.ACTIVE, self.State.RESTING), entered=self.entered)
        return self._move(awake, state=self.State.RESTING, state_reason=reason[:500], paused_until=until)

    def wake(self) -> bool:
        """Be active again after a rest."""
        resting = models.Q(state=self.State.RESTING)
        return self._move(resting, state=self.State.ACTIVE, state_reason="", paused_until=None)

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
        awake = models.Q(state__in=(self.State.ACTIVE, self.State.RESTING))
        return self._move(awake, state=self.State.PAUSED, state_reason=reason[:500], paused_until=None)

    def resume(self) -> bool:
        """Let everybody call again."""
        stopped = models.Q(state__in=(self.State.PAUSED, self.State.RESTING))
        return self._move(stopped, state=self.State.ACTIVE, state_reason="", paused_until=None)

    def lead_to(self, address: str) -> None:
        """Speak to `address` from now on."""
        self.base_url = address
        self.save(update_fields=["base_url"])
        self.enter()

    def enter(self) -> None:
        """Note that from now on other credentials are used, or another address."""
        type(self).objects.filter(pk=self.pk).update(entered=models.F("entered") + 1)
        self.refresh_from_db(fields=["entered"])

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

    def _move(self, before: models.Q, **after: object) -> bool:
        moved = bool(type(self).objects.filter(before, pk=self.pk).update(**after))
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
