"""This module holds which records were missing that others refer to, and when they were last fetched."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from django.db import models

from flows.models.design import Flow, Pair


class Errand(NamedTuple):
    """What the name of an event says that was made to fetch a parent."""

    flow: int
    pair: int
    parent: int  # the row


class MissingParent(models.Model):
    """
    A record of the org that others refer to and that was not there, fetched by a flow that makes such ones.

    However many wait for it, it is asked for once at a time: an event of the name `name` is let in, which
    starts that flow alone. `depth` is 1 for what an event of Stripe's own refers to, 2 for the parent of such
    a parent.
    """

    pair = models.ForeignKey(Pair, on_delete=models.CASCADE, related_name="missing_parents")
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="missing_parents")
    object = models.CharField(max_length=80, help_text="The API name.")
    external_id = models.CharField(max_length=255)
    depth = models.PositiveSmallIntegerField(default=1)
    times = models.PositiveIntegerField(default=1, help_text="How often it was asked for.")
    asked_at = models.DateTimeField(help_text="When it was last asked for.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pair", "object", "external_id"], name="one_row_per_parent")
        ]
        indexes = [models.Index(fields=["pair", "asked_at"], name="parents_asked_for")]

    def __str__(self) -> str:
        return f"{self.object} {self.external_id}"

    @property
    def name(self) -> str:
        """Return by which name the event came in that was last made for it."""
        return f"parent:{self.flow_id}:{self.pair_id}:{self.pk}:{self.times}"

    # Mutators

    def ask_again(self, *, flow_id: int, depth: int, now: datetime) -> None:
        """Say that it is asked for once more, of whatever flow makes it by now."""
        self.flow_id, self.depth, self.times, self.asked_at = flow_id, depth, self.times + 1, now
        self.save(update_fields=["flow", "depth", "times", "asked_at"])


_NAME = re.compile(r"parent:(\d{1,18}):(\d{1,18}):(\d{1,18}):\d{1,9}")


def errand_of(event_name: str) -> Errand | None:
    """Return for which flow, pair and parent an event was made; nothing if it was made for none."""
    found = _NAME.fullmatch(event_name)
    return Errand(*map(int, found.groups())) if found else None
