"""This module holds the payments that Stripe told of, and their sums by quarters of an hour."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from connectors.models import Connection


class PaymentQuerySet(models.QuerySet["Payment"]):
    """The payments."""

    # Queries

    def unconfirmed(self) -> PaymentQuerySet:
        """Return those of which Salesforce has not confirmed the record."""
        return self.filter(Payment.UNCONFIRMED)


class Payment(models.Model):
    """
    One payment that went well as Stripe tells it, and whether Salesforce has confirmed its record.

    It stands once, however many events, runs and charges it has: `key` is its payment intent, or its charge
    where there is none. It is confirmed once there is a link that counts as money (`Link.amount`), which is
    written together with Salesforce's answer. `monitoring.payment_following` keeps it up to date.
    """

    class State(models.TextChoices):
        CONFIRMED = "confirmed", "In Salesforce"
        UNDER_WAY = "under_way", "Under way"
        WAITING = "waiting", "Waiting for a person"
        DEAD = "dead", "In dead letters"
        LEFT_OUT = "left_out", "Left out"

    UNCONFIRMED: ClassVar[Q] = ~Q(state="confirmed")

    # No index of its own: others begin with it.
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="payments", db_index=False
    )
    key = models.CharField(max_length=255)
    charge = models.CharField(max_length=255, blank=True, help_text="Id of the charge, once it is known.")
    amount = models.BigIntegerField(help_text="Minor units, of what was captured.")
    currency = models.CharField(max_length=3)
    told_at = models.DateTimeField(help_text="When the first event that tells of it was received.")
    # A number and no reference: an event may be deleted for its age while the payment is still counted.
    last_event = models.BigIntegerField(help_text="Number of the newest event that tells of it.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.UNDER_WAY)

    objects = PaymentQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(fields=["connection", "key"], name="one_payment_per_key"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["connection", "currency", "-id"], name="payment_by_currency"),
            # Lists, newest first, are read along it and not sorted; what they are narrowed to stands in it.
            models.Index(fields=["connection", "-id", "told_at", "state"], name="payment_newest_first"),
            # Of nearly all the record is confirmed. Holds all that the sums of the overview read.
            models.Index(
                fields=["connection", "told_at", "currency", "state", "amount"],
                condition=~Q(state="confirmed"),
                name="payment_unconfirmed",
            ),
            models.Index(fields=["state", "id"], condition=~Q(state="confirmed"), name="payment_to_look_at"),
        ]

    def __str__(self) -> str:
        return self.key


class PaymentSum(models.Model):
    """
    The payments of one connection and currency that were first told of in one quarter of an hour.

    Days of every time zone begin with one, so that those of the workspace's are sums of them. Rows change
    in the transactions that add payments.
    """

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="payment_sums", db_index=False
    )
    quarter = models.DateTimeField(help_text="Its beginning.")
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField(default=0, help_text="Minor units.")
    payments = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "quarter", "currency"], name="one_payment_sum_per_quarter"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.currency} at {self.quarter:%Y-%m-%d %H:%M}"
