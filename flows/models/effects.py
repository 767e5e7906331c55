"""This module holds effects: calls that must happen once, recorded before they are made."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import models

from flows.models.design import Flow, Pair
from flows.models.runs import REASON_LENGTH, Run
from integrator.accounts.models import public_id


class EffectQuerySet(models.QuerySet["Effect"]):
    """The effects."""

    # Queries

    def in_doubt(self) -> EffectQuerySet:
        """Return those of which nobody can say whether they happened."""
        return self.filter(state=Effect.State.IN_DOUBT)

    def skipped(self) -> EffectQuerySet:
        """Return those that were left out because their event was history."""
        return self.filter(state=Effect.State.SKIPPED)


class Effect(models.Model):
    """
    A call that is not idempotent by nature, with its exact request, recorded before it is made.

    `key` is the digest of what makes it the same effect: for a creating kind the created type, purpose
    and source record, whatever the flow; for a starting or notifying kind the flow, step, record and
    occurrence. `generation` rises only when the call is known not to have happened.
    """

    class State(models.TextChoices):
        PLANNED = "planned", "Recorded"
        SENT = "sent", "Sent"  # from here on until an answer is kept it may have happened
        DONE = "done", "Done"
        REFUSED = "refused", "Refused"
        IN_DOUBT = "in_doubt", "In doubt"
        SKIPPED = "skipped", "Skipped"

    class Kind(models.TextChoices):
        CREATING = "creating", "Creates a record"
        STARTING = "starting", "Starts a process"
        NOTIFYING = "notifying", "Tells somebody"

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    pair = models.ForeignKey(Pair, on_delete=models.PROTECT, related_name="effects")
    key = models.CharField(max_length=64)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    purpose = models.CharField(max_length=200, help_text="What it does, in words a person reads.")
    flow = models.ForeignKey(Flow, on_delete=models.PROTECT, related_name="effects")
    step = models.CharField(max_length=60)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="effects_recorded")
    record = models.CharField(max_length=255, help_text="The source record that it is about.")
    occurrence = models.CharField(max_length=255, blank=True, help_text="Id of the charge or event.")
    slot = models.CharField(max_length=20)
    action = models.CharField(max_length=60)
    generation = models.PositiveSmallIntegerField(default=1)
    request = models.BinaryField(help_text="JSON of the exact request, encrypted.")
    result = models.BinaryField(default=b"", help_text="JSON of the answer, encrypted.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PLANNED)
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects = EffectQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = [models.UniqueConstraint(fields=["pair", "key"], name="one_effect_per_key")]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["pair", "-id"],
                condition=models.Q(state__in=["in_doubt", "skipped"]),
                name="effect_to_decide",
            ),
        ]

    def __str__(self) -> str:
        return self.purpose

    # Mutators

    def decide(self, state: str, *, reason: str, now: datetime) -> None:
        """Say what a person found out about an effect in doubt, or decided about a skipped one."""
        self.state, self.reason = state, reason[:REASON_LENGTH]
        self.ended_at = now if state in {self.State.DONE, self.State.SKIPPED} else None
        self.save(update_fields=["state", "reason", "ended_at"])
