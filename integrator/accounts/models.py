"""This module holds people, sessions, workspaces, environments, roles, API tokens and the audit trail."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from knox.models import AbstractAuthToken

from integrator.accounts import browsers
from integrator.accounts.roles import Role


def public_id() -> str:
    """
    Return a random id that is safe to show in an address: it tells nothing and cannot be guessed.

    It does not begin with a hyphen, since a command would take it for an option.
    """
    while (found := secrets.token_urlsafe(12)).startswith("-"):
        pass
    return found


class UserManager(BaseUserManager["User"]):
    """People sign in with their e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create a person who signs in with `email` and `password` (unusable if None)."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save()
        return user


class User(AbstractUser):
    """A person. What they may do is said by their memberships, never by flags on the person."""

    username = None  # type: ignore[assignment]  # Django's own recipe for signing in by e-mail
    email = models.EmailField("e-mail address", unique=True)
    session_generation = models.PositiveIntegerField(
        default=0, help_text="Every session was opened under a generation; raising it ends them all."
    )

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]  # ours has no username

    def __str__(self) -> str:
        return self.get_full_name() or self.email

    # Mutators

    def end_sessions(self) -> None:
        """Sign this person out everywhere, with their next request."""
        self.session_generation += 1
        self.save(update_fields=["session_generation"])

    # Queries

    def get_session_auth_hash(self) -> str:
        """Return what a session must carry to be this person's: it changes with password and generation."""
        return f"{super().get_session_auth_hash()}.{self.session_generation}"

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """Yield the same for the secret keys that were in use before."""
        for earlier in super().get_session_auth_fallback_hash():
            yield f"{earlier}.{self.session_generation}"


class Session(AbstractBaseSession):
    """A browser in which somebody is signed in, or is about to be."""

    public_id = models.CharField(max_length=16, unique=True, default=public_id)  # the key itself is a secret
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="sessions")
    browser = models.CharField(max_length=200, blank=True, help_text="What it calls itself.")
    opened_at = models.DateTimeField()
    used_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.public_id

    # Queries

    @property
    def browser_name(self) -> str:
        """What people call the browser."""
        return browsers.named(self.browser)


class Workspace(models.Model):
    """The tenant: people, environments and integrations of one team."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    time_zone = models.CharField(
        max_length=64, default="UTC", db_default="UTC", help_text="By its IANA name, such as Europe/Zurich."
    )

    def __str__(self) -> str:
        return self.name

    # Queries

    @property
    def zone(self) -> ZoneInfo:
        """The time zone whose hours and days are those of the business."""
        try:
            return ZoneInfo(self.time_zone)
        except (ValueError, OSError, KeyError):  # a zone that this machine's data do not know, or no longer
            return ZoneInfo("UTC")

    # Mutators

    def move_to(self, time_zone: str) -> None:
        """Count hours and days as they are in `time_zone`."""
        self.time_zone = time_zone
        self.save(update_fields=["time_zone"])


class Environment(models.Model):
    """Dev, QA or production of a workspace, in promotion order."""

    class Kind(models.TextChoices):
        DEV = "dev", "Development"
        QA = "qa", "QA"
        PRODUCTION = "production", "Production"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="environments")
    name = models.CharField(max_length=50)
    slug = models.SlugField()
    kind = models.CharField(max_length=20, choices=Kind.choices)
    position = models.PositiveSmallIntegerField(help_text="Place in the promotion order, from 0.")

    class Meta:
        ordering = ("workspace_id", "position")
        constraints = [
            models.UniqueConstraint(fields=["workspace", "slug"], name="one_environment_per_slug"),
            models.UniqueConstraint(fields=["workspace", "position"], name="one_environment_per_position"),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """One role of one person in a workspace: everywhere, or in one environment only."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    environment = models.ForeignKey(
        Environment, on_delete=models.CASCADE, null=True, blank=True, related_name="memberships"
    )
    role = models.CharField(max_length=20, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "workspace", "environment", "role"], name="one_membership_per_role_and_place"
            ),
            # Of two empty environments a database thinks that they differ.
            models.UniqueConstraint(
                fields=["user", "workspace", "role"],
                condition=models.Q(environment__isnull=True),
                name="one_membership_per_role_everywhere",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.get_role_display()}"

    # Mutators

    def give(self, role: str) -> None:
        """Make `role` what the person is here."""
        self.role = role
        self.save(update_fields=["role"])


class ApiToken(AbstractAuthToken, models.Model):  # type: ignore[misc]  # knox ships no types
    """A program's key to the REST API: kept as a digest, shown once, expiring, with one role."""

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    role = models.CharField(max_length=20, choices=Role.choices)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = models.Manager["ApiToken"]()

    class Meta:
        ordering = ("-created",)

    def __str__(self) -> str:
        return self.name


class AuditEntry(models.Model):
    """One act of a person or a program. Rows are only ever added; the database refuses anything else."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="audit_entries")
    position = models.PositiveBigIntegerField(help_text="Place in the workspace's chain, from 1.")
    at = models.DateTimeField()
    actor = models.CharField(max_length=254, help_text="E-mail address, token name or 'system'.")
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=200, blank=True)
    details = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(fields=["workspace", "position"], name="one_audit_entry_per_position")
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.target}"
