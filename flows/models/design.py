"""This module holds integrations, their pairs and their flows."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q

from connectors.models import Connection
from flows.statements import Given
from integrator.accounts.models import Environment, Workspace, public_id


class Integration(models.Model):
    """A named pair of slots, Stripe and Salesforce, with its flows."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="integrations")
    name = models.CharField(max_length=100)
    slug = models.SlugField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)
        constraints = [models.UniqueConstraint(fields=["workspace", "slug"], name="one_integration_per_slug")]

    def __str__(self) -> str:
        return self.name


class PairQuerySet(models.QuerySet["Pair"]):
    """The pairs."""

    # Queries

    def usable(self, now: datetime | Given) -> PairQuerySet:
        """Return the pairs of which neither connection is paused or rests at `now`."""
        stripe = Q(stripe__state=Connection.State.ACTIVE) | Q(stripe__paused_until__lte=now)
        salesforce = Q(salesforce__state=Connection.State.ACTIVE) | Q(salesforce__paused_until__lte=now)
        return self.filter(stripe & salesforce)


class Pair(models.Model):
    """An integration in one environment: the two connections bound to its slots."""

    integration = models.ForeignKey(Integration, on_delete=models.PROTECT, related_name="pairs")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="pairs")
    stripe = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="pairs_as_stripe")
    salesforce = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="pairs_as_salesforce")

    objects = PairQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["integration", "environment"], name="one_pair_per_integration_and_environment"
            )
        ]

    def __str__(self) -> str:
        return f"{self.integration} in {self.environment}"

    def slots(self) -> dict[str, int]:
        """Return the connection id bound to each slot that a flow may name."""
        return {"stripe": self.stripe_id, "salesforce": self.salesforce_id}


class Flow(models.Model):
    """What should happen when a trigger fires. Its published versions hold the steps."""

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    integration = models.ForeignKey(Integration, on_delete=models.PROTECT, related_name="flows")
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=80)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)
        constraints = [models.UniqueConstraint(fields=["integration", "slug"], name="one_flow_per_slug")]

    def __str__(self) -> str:
        return self.name

    # Mutators

    def rename(self, name: str) -> None:
        """Be called `name`; the address stays."""
        self.name = name
        self.save(update_fields=["name"])
