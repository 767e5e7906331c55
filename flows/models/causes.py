"""This module holds what people arrange about dead letters of one cause: who sees to it, and its retries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Q

from integrator.accounts.models import Environment, User, public_id


class Cause(models.Model):
    """
    What is known of the dead letters of an environment that share a fingerprint.

    It outlives the letters, so that whoever saw to a cause finds their tags when it comes back.
    """

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="causes")
    fingerprint = models.CharField(max_length=64)
    assignee = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="causes")
    snoozed_until = models.DateTimeField(null=True, help_text="Until then it is left out of the list.")
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ("-id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["environment", "fingerprint"], name="one_cause_per_fingerprint")
        ]

    def __str__(self) -> str:
        return self.fingerprint[:16]

    # Mutators

    def assign(self, person: User | None, *, now: datetime) -> None:
        """Let `person` see to it, or nobody."""
        self.assignee, self.changed_at = person, now
        self.save(update_fields=["assignee", "changed_at"])

    def snooze(self, until: datetime | None, *, now: datetime) -> None:
        """Leave it out of the list `until` then; None: show it again."""
        self.snoozed_until, self.changed_at = until, now
        self.save(update_fields=["snoozed_until", "changed_at"])

    def tag(self, names: Iterable[str], *, now: datetime) -> None:
        """Give it these tags and no others, in the caller's transaction."""
        wanted = set(names)
        self.tags.exclude(name__in=wanted).delete()
        CauseTag.objects.bulk_create(
            [CauseTag(cause=self, name=name) for name in sorted(wanted)], ignore_conflicts=True
        )
        self.changed_at = now
        self.save(update_fields=["changed_at"])


class CauseTag(models.Model):
    """One word by which people find a cause again."""

    LONGEST: ClassVar[int] = 30

    cause = models.ForeignKey(Cause, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=LONGEST)

    class Meta:
        ordering = ("name",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["cause", "name"], name="one_tag_of_a_name_per_cause")
        ]

    def __str__(self) -> str:
        return self.name


class GroupRetryQuerySet(models.QuerySet["GroupRetry"]):
    """Retries of whole groups."""

    # Queries

    def unfinished(self) -> GroupRetryQuerySet:
        """Return those that try the first letter, or the rest."""
        return self.filter(state__in=GroupRetry.UNFINISHED)


class GroupRetry(models.Model):
    """
    One retry of the dead letters of a cause, in order and so many a minute.

    Mostly one of them is tried first, and the rest only once that one has worked.

    It is about the letters up to `last_letter`; those that come in later, also because they failed again,
    are left alone. How far it has come stands in the letters themselves: a letter that was retried is
    resolved, in the transaction that moves this row.
    """

    class State(models.TextChoices):
        FIRST = "first", "One is tried first"
        GOING = "going", "The rest is being retried"
        DONE = "done", "Done"
        STOPPED = "stopped", "Stopped"
        FAILED = "failed", "Stopped by itself"

    UNFINISHED: ClassVar[tuple[str, ...]] = (State.FIRST, State.GOING)

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="group_retries")
    fingerprint = models.CharField(max_length=64)
    actor = models.CharField(max_length=254, help_text="Who asked for it.")
    per_minute = models.PositiveIntegerField(help_text="Letters a minute, once the first has worked.")
    one_first = models.BooleanField(
        default=True, db_default=True, help_text="The rest waits until the first has worked."
    )
    total = models.PositiveIntegerField(help_text="Letters that were open when it was asked for.")
    last_letter = models.BigIntegerField(help_text="Letters with a higher number are left alone.")
    fix = models.BinaryField(
        default=b"", db_default=b"", help_text="JSON of the fix that its letters get, encrypted; mostly none."
    )
    created_at = models.DateTimeField()

    state = models.CharField(max_length=10, choices=State.choices, default=State.FIRST)
    next_at = models.DateTimeField(help_text="When the next letters are retried, or the first is looked at.")
    ended_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it stopped.")

    objects = GroupRetryQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["environment", "fingerprint"],
                condition=Q(state__in=("first", "going")),
                name="one_retry_of_a_group_at_a_time",
            )
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["next_at"], condition=Q(state__in=("first", "going")), name="group_retry_unfinished"
            )
        ]

    def __str__(self) -> str:
        return f"{self.total} letters of {self.fingerprint[:16]}"

    @property
    def is_unfinished(self) -> bool:
        """Tell whether there is something to stop."""
        return self.state in self.UNFINISHED

    # Mutators

    def wait(self, until: datetime) -> None:
        """Do nothing before then."""
        self.next_at = until
        self.save(update_fields=["next_at"])

    def go_on(self, *, now: datetime) -> None:
        """Retry the rest from now on: the first has worked."""
        self.state, self.next_at = self.State.GOING, now
        self.save(update_fields=["state", "next_at"])

    def end(self, state: str, *, reason: str = "", now: datetime) -> None:
        """Retry nothing more."""
        self.state, self.reason, self.ended_at = state, reason[:500], now
        self.save(update_fields=["state", "reason", "ended_at"])

    # Queries

    def spell(self, letters: int) -> timedelta:
        """Return for how long `letters` use up what a minute allows."""
        return timedelta(minutes=1) * letters / self.per_minute
