"""This module holds reviews: questions that only a person can answer."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import models

from flows.models.design import Pair
from flows.models.runs import AlreadyHandled, Run
from integrator.accounts.models import public_id


class ReviewQuerySet(models.QuerySet["Review"]):
    """The reviews."""

    # Queries

    def open(self) -> ReviewQuerySet:
        """Return the reviews that still wait for a person."""
        return self.filter(closed_at__isnull=True)


class Review(models.Model):
    """A question of a run. The run waits; the answer is what its step goes on with."""

    class Kind(models.TextChoices):
        QUESTION = "question", "Question of the flow"
        IN_DOUBT = "in_doubt", "Did it happen?"
        SEVERAL = "several", "Several records fit"
        CONFLICT = "conflict", "Both sides changed"
        APPROVAL = "approval", "Approval"
        LOOP = "loop", "Values go back and forth"
        DUPLICATE = "duplicate", "Perhaps known already"

    class Resolution(models.TextChoices):
        ANSWERED = "answered", "Answered"
        SUPERSEDED = "superseded", "Superseded"
        DISCARDED = "discarded", "Discarded"
        EXPIRED = "expired", "Expired"

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    pair = models.ForeignKey(Pair, on_delete=models.PROTECT, related_name="reviews")
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="reviews")
    step = models.CharField(max_length=255, help_text="The step that asks, with the element of a list.")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    question = models.TextField()
    evidence = models.BinaryField(default=b"", help_text="JSON of what helps to answer, encrypted.")
    options = models.JSONField(default=list, help_text="What may be answered: value, label, description.")
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    resolution = models.CharField(max_length=12, choices=Resolution.choices, blank=True)
    answer = models.CharField(max_length=255, blank=True)
    closed_by = models.CharField(max_length=254, blank=True)
    terms = models.JSONField(null=True, help_text="Of an approval: who may decide, and what has to be said.")
    comment = models.TextField(blank=True, db_default="", help_text="What the person said who decided.")
    remind_at = models.DateTimeField(null=True, help_text="When people are reminded that it waits.")
    expires_at = models.DateTimeField(null=True, help_text="When the run goes on without an answer.")

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=["run"], condition=models.Q(closed_at__isnull=True), name="one_open_review_per_run"
            )
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["pair", "-id"], condition=models.Q(closed_at__isnull=True), name="review_open"
            ),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(closed_at__isnull=True, expires_at__isnull=False),
                name="review_expires",
            ),
            models.Index(
                fields=["remind_at"],
                condition=models.Q(closed_at__isnull=True, remind_at__isnull=False),
                name="review_reminds",
            ),
        ]

    def __str__(self) -> str:
        return self.question[:80]

    # Mutators

    def close(
        self, resolution: str, *, actor: str, now: datetime, answer: str = "", comment: str = ""
    ) -> None:
        """
        End the review for good.

        :raises AlreadyHandled: if it is closed
        """
        if self.closed_at is not None:
            raise AlreadyHandled(f"This question was already {self.resolution} by {self.closed_by}.")
        self.resolution, self.answer, self.closed_by, self.closed_at = resolution, answer, actor, now
        self.comment = comment
        self.save(update_fields=["resolution", "answer", "closed_by", "closed_at", "comment"])
