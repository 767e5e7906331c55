"""This module holds the addresses that Stripe delivers to, and their signing secrets."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from connectors.models.connections import Connection
from integrator.accounts.models import public_id


class WebhookEndpoint(models.Model):
    """Where Stripe sends the events of a connection: /hooks/stripe/<public id>/."""

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="webhook_endpoints")
    stripe_id = models.CharField(
        max_length=64, blank=True, help_text="we_..., where we created it ourselves."
    )
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    PATH: ClassVar[str] = "/hooks/stripe/{}/"

    def __str__(self) -> str:
        return self.PATH.format(self.public_id)

    def enable(self, *, stripe_id: str) -> None:
        """Accept deliveries of the endpoint that Stripe knows as `stripe_id`."""
        self.stripe_id, self.enabled = stripe_id, True
        self.save(update_fields=["stripe_id", "enabled"])


class WebhookSecret(models.Model):
    """A signing secret of an endpoint. Two may be active while one replaces the other."""

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="secrets")
    ciphertext = models.BinaryField()
    last4 = models.CharField(max_length=4)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True, help_text="End of the overlap; empty: current.")
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.endpoint} …{self.last4}"
