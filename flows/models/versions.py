"""This module holds immutable flow versions and says which of them is live for a pair."""

from __future__ import annotations

from datetime import datetime

from django.db import models

from flows.models.design import Flow, Pair


class FlowVersion(models.Model):
    """
    An immutable snapshot of a flow: canonical JSON under a content hash.

    Titles and layout stand in `document` too, but outside the hash, so that moving a
    box is not a new version.
    """

    flow = models.ForeignKey(Flow, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    document = models.JSONField(help_text="The flow document; `flows.engine.definition` is its schema.")
    content_hash = models.CharField(max_length=64)
    note = models.CharField(max_length=500, blank=True)
    published_at = models.DateTimeField()
    published_by = models.CharField(max_length=254)

    class Meta:
        ordering = ("-number",)
        constraints = [
            models.UniqueConstraint(fields=["flow", "number"], name="one_version_per_number"),
            models.UniqueConstraint(fields=["flow", "content_hash"], name="one_version_per_content"),
        ]

    def __str__(self) -> str:
        return f"{self.flow} v{self.number}"


class Deployment(models.Model):
    """Which version of a flow is live for a pair, since when, by whom. Old rows are the history."""

    flow = models.ForeignKey(Flow, on_delete=models.PROTECT, related_name="deployments")
    version = models.ForeignKey(FlowVersion, on_delete=models.PROTECT, related_name="deployments")
    pair = models.ForeignKey(Pair, on_delete=models.PROTECT, related_name="deployments")
    enabled = models.BooleanField(default=True)
    deployed_at = models.DateTimeField()
    deployed_by = models.CharField(max_length=254)
    ended_at = models.DateTimeField(null=True, blank=True)

    # A flow that lacks a permission, or whose fields the org no longer has, is held: its runs wait.
    held_since = models.DateTimeField(null=True, blank=True)
    held_until = models.DateTimeField(null=True, blank=True, help_text="When one run tries again.")
    held_reason = models.CharField(max_length=500, blank=True, default="", db_default="")
    held_step = models.CharField(
        max_length=60,
        blank=True,
        default="",
        db_default="",
        help_text="The step that met the cause; empty if the version cannot be run at all.",
    )

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=["flow", "pair"],
                condition=models.Q(ended_at__isnull=True),
                name="one_live_version_per_flow_and_pair",
            )
        ]

    def __str__(self) -> str:
        return f"{self.version} on {self.pair}"

    # Mutators

    def hold(self, *, until: datetime, reason: str, now: datetime, step: str = "") -> bool:
        """Let the flow's runs wait until `until`, and return whether it was not held before."""
        live = type(self).objects.filter(pk=self.pk)
        began = bool(live.filter(held_since__isnull=True).update(held_since=now))
        live.update(held_until=until, held_reason=reason[:500], held_step=step[:60])
        self.refresh_from_db(fields=["held_since", "held_until", "held_reason", "held_step"])
        return began

    def let_go(self) -> bool:
        """Let the flow's runs go on, and return whether it was held."""
        held = type(self).objects.filter(pk=self.pk, held_since__isnull=False)
        freed = bool(held.update(held_since=None, held_until=None, held_reason="", held_step=""))
        self.held_since, self.held_until, self.held_reason, self.held_step = None, None, "", ""
        return freed

    def take_probe(self, *, until: datetime, now: datetime) -> bool:
        """Take the one try that a hold allows when its time is over; others wait for its outcome."""
        due = type(self).objects.filter(pk=self.pk, held_since__isnull=False, held_until__lte=now)
        return bool(due.update(held_until=until))

    def end(self, *, now: datetime) -> None:
        """Make room for another version: this row becomes history."""
        self.ended_at = now
        self.save(update_fields=["ended_at"])

    def switch(self, *, enabled: bool) -> None:
        """Turn the flow on or off for the pair."""
        self.enabled = enabled
        self.save(update_fields=["enabled"])
