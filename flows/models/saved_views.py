"""This module holds views of lists that people saved under a name, and which of them a list opens with."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from integrator.accounts.models import Workspace, public_id


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    """The saved views."""

    # Queries

    def seen_by(self, person: Any) -> SavedViewQuerySet:
        """Return what `person` may open: their own and those that are shared; a program sees the shared."""
        return (
            self.filter(Q(shared=True) | Q(person=person)) if person is not None else self.filter(shared=True)
        )


class SavedView(models.Model):
    """What a list was narrowed to, under a name; it is of a person, or of a program if `person` is empty."""

    class List(models.TextChoices):
        RUNS = "runs", "Runs"
        EVENTS = "events", "Events"

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="saved_views")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="saved_views"
    )
    made_by = models.CharField(max_length=254, help_text="E-mail address or token name, as it was then.")
    list = models.CharField(max_length=10, choices=List.choices)
    name = models.CharField(max_length=60)
    query = models.JSONField(help_text="The filters by name, as the address of the list has them.")
    shared = models.BooleanField(default=False, help_text="Whether everybody in the workspace sees it.")
    changed_at = models.DateTimeField()

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        ordering = ("name", "id")
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "person", "list", "name"], name="one_view_of_a_name_per_person"
            ),
            # Of two empty persons a database thinks that they differ.
            models.UniqueConstraint(
                fields=["workspace", "list", "name"],
                condition=Q(person__isnull=True),
                name="one_view_of_a_name_of_programs",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    # Mutators

    def change(self, *, name: str, query: dict[str, str], shared: bool, now: datetime) -> None:
        """Make it another view, under another name, for others or not."""
        self.name, self.query, self.shared, self.changed_at = name, query, shared, now
        self.save(update_fields=["name", "query", "shared", "changed_at"])


class FirstView(models.Model):
    """With which view a list opens for a person."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="first_views")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="first_views")
    list = models.CharField(max_length=10, choices=SavedView.List.choices)
    view = models.ForeignKey(SavedView, on_delete=models.CASCADE, related_name="first_for")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "person", "list"], name="one_first_view_per_list")
        ]

    def __str__(self) -> str:
        return f"{self.person}: {self.view}"
