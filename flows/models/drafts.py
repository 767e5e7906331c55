"""This module holds what people are changing: the draft of each flow and its last edits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from flows.models.design import Flow
from flows.models.versions import FlowVersion

MOST_EDITS = 50  # kept for each draft, to take back and to see who changed what


class DraftQuerySet(models.QuerySet["Draft"]):
    """The drafts."""

    # Queries

    def locked(self, flow: Flow) -> Draft:
        """
        Return the draft of `flow` for the transaction alone.

        :raises Draft.DoesNotExist: if it has none
        """
        return self.select_for_update(of=("self",)).select_related("flow", "base_version").get(flow=flow)


class Draft(models.Model):
    """
    The flow document that people edit. A flow has one, which starts from its newest version.

    It may be unfinished. It has the format of a version's document, so that publishing translates nothing.
    """

    flow = models.OneToOneField(Flow, on_delete=models.PROTECT, related_name="draft")
    document = models.JSONField(help_text="The flow document; unlike a version's it may be unfinished.")
    revision = models.PositiveIntegerField(default=1, help_text="Counts the changes and never goes back.")
    known_since = models.PositiveIntegerField(
        default=1, help_text="Every change after this revision is among the edits."
    )
    base_version = models.ForeignKey(
        FlowVersion, on_delete=models.PROTECT, null=True, related_name="+", help_text="What it started from."
    )
    step_ids = models.JSONField(
        default=list, help_text="Ids that steps of the flow have or had: effects know steps by them."
    )
    changed_by = models.CharField(max_length=254)
    changed_at = models.DateTimeField()

    objects = DraftQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Draft of {self.flow}"

    @property
    def is_changed(self) -> bool:
        """Tell whether it says anything else than the version that it started from."""
        return self.base_version is None or self.document != self.base_version.document

    # Mutators

    def become(self, document: Mapping[str, Any], *, step_ids: list[str], actor: str, now: datetime) -> None:
        """Say `document` from now on, under the next revision."""
        self.document = dict(document)
        self.step_ids = step_ids
        self.revision += 1
        self.changed_by = actor[:254]
        self.changed_at = now
        self.save(update_fields=["document", "step_ids", "revision", "changed_by", "changed_at"])

    def rest_on(self, version: FlowVersion) -> None:
        """Start from `version` from now on; the document stays as it is."""
        self.base_version = version
        self.save(update_fields=["base_version"])

    def forget_all_but(self, most: int) -> None:
        """Keep the `most` newest edits."""
        old = list(self.edits.order_by("-revision")[most:])
        if most == 0:
            self.known_since = self.revision
        elif old:
            self.known_since = max(edit.newest for edit in old)
        else:
            return
        self.edits.filter(pk__in=[edit.pk for edit in old]).delete()
        self.save(update_fields=["known_since"])


class DraftEditQuerySet(models.QuerySet["DraftEdit"]):
    """The edits of drafts."""

    # Queries

    def told(self) -> DraftEditQuerySet:
        """Return them without what it takes to turn them: that may be a whole flow, twice for each."""
        return self.defer("forth", "back")


class DraftEdit(models.Model):
    """One change of a draft in plain words, with what it takes to take it back and to make it again."""

    class State(models.TextChoices):
        DONE = "done"
        UNDONE = "undone"  # taken back, and can be made again
        GONE = "gone"  # taken back, and another change was made since

    draft = models.ForeignKey(Draft, on_delete=models.CASCADE, related_name="edits")
    revision = models.PositiveIntegerField(help_text="The draft's revision after the change.")
    turned = models.PositiveIntegerField(
        default=0, help_text="The draft's revision after it was last taken back or made again."
    )
    actor = models.CharField(max_length=254)
    at = models.DateTimeField()
    label = models.CharField(max_length=200, help_text="What was changed, in plain words.")
    key = models.CharField(max_length=40, blank=True, help_text="Tells a repeated request from a new one.")
    turn_key = models.CharField(
        max_length=40,
        blank=True,
        default="",
        db_default="",
        help_text="The same of the request that last took it back or made it again.",
    )
    focus = models.CharField(max_length=60, blank=True, help_text="The step to look at afterwards.")
    parts = models.JSONField(help_text="The parts of the document that it touches, as keys.")
    forth = models.JSONField(help_text="Edits that make the change.")
    back = models.JSONField(help_text="Edits that take it back.")
    state = models.CharField(max_length=6, choices=State.choices, default=State.DONE)

    objects = DraftEditQuerySet.as_manager()

    class Meta:
        ordering = ("-revision",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["draft", "revision"], name="one_edit_per_revision"),
            models.UniqueConstraint(
                fields=["draft", "key"], condition=~Q(key=""), name="one_edit_per_draft_and_key"
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def newest(self) -> int:
        """Return the draft's revision after the edit last changed it."""
        return max(self.revision, self.turned)

    @property
    def last_key(self) -> str:
        """Return the key of the request that last changed it; empty if that had none."""
        return self.turn_key if self.turned else self.key

    # Mutators

    def turn(self, state: str, *, revision: int, key: str, parts: list[str], back: Any, forth: Any) -> None:
        """Become taken back or made again, by the draft's `revision` and a request that has `key`."""
        self.state, self.turned, self.turn_key = state, revision, key
        self.parts, self.back, self.forth = parts, back, forth
        self.save(update_fields=["state", "turned", "turn_key", "parts", "back", "forth"])
