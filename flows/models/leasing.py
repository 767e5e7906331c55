"""This module holds what rows have in common that one process at a time works at."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class LeasedQuerySet(models.QuerySet[Any]):
    """Rows that one process at a time works at, by the database's clock."""

    # Mutators

    def take(self, *, owner: str, lease: timedelta) -> bool:
        """Let `owner` work at the one row that this is, unless somebody else does; tell whether it may."""
        free = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())
        return bool(self.filter(free).update(lease_owner=owner, lease_until=Now() + lease))

    def held(self, owner: str) -> LeasedQuerySet:
        """Return those of them that `owner` works at."""
        return self.filter(lease_owner=owner)


class Leased(models.Model):
    """A row that belongs to `lease_owner` until `lease_until`, and then to whoever takes it."""

    lease_until = models.DateTimeField(null=True)
    lease_owner = models.CharField(max_length=40, blank=True)

    class Meta:
        abstract = True
