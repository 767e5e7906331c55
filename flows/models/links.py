"""This module holds links between the two systems' records, and which version of a source was applied."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from flows.models.design import Flow, Pair
from flows.models.inbox import Event


class Link(models.Model):
    """
    "This Stripe object is that Salesforce record", with the values last agreed.

    `amount` and `currency` are what the record is worth once it counts as money synced.
    """

    class State(models.TextChoices):
        AGREED = "agreed", "In agreement"
        CONFLICT = "conflict", "Both sides changed"
        HELD = "held", "Held"
        DELETED = "deleted", "Record deleted"

    class Sharing(models.TextChoices):
        ASK = "ask", "A person is asked"
        WRITE = "write", "Written all the same"
        LEAVE = "leave", "Left alone"

    pair = models.ForeignKey(Pair, on_delete=models.PROTECT, related_name="links")
    stripe_id = models.CharField(max_length=255)
    salesforce_object = models.CharField(max_length=80)
    external_id = models.CharField(max_length=255)
    record_id = models.CharField(max_length=18)
    agreed = models.BinaryField(help_text="JSON of the values last agreed, encrypted.")
    amount = models.BigIntegerField(null=True, help_text="Minor units.")
    currency = models.CharField(max_length=3, blank=True)
    first_synced_at = models.DateTimeField()
    synced_at = models.DateTimeField()
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.AGREED, db_default=State.AGREED.value
    )
    state_since = models.DateTimeField(null=True)
    base = models.BinaryField(
        default=b"",
        db_default=b"",
        help_text="JSON of what both sides agreed on, field by field, encrypted; see flows.agreeing.",
    )
    gone_at = models.DateTimeField(
        null=True, help_text="When Salesforce told that the record is gone which has the external id."
    )
    merged_from = models.CharField(
        max_length=18,
        blank=True,
        default="",
        db_default="",
        help_text="The record that had the external id before it was merged into the one of `record_id`; "
        "empty of a record that is gone while it is not known yet whether it was merged.",
    )
    sharing = models.CharField(
        max_length=5,
        choices=Sharing.choices,
        blank=True,
        default="",
        db_default="",
        help_text="Whether it is written to a record that another object of Stripe has as well.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pair", "salesforce_object", "external_id"], name="one_link_per_record"
            )
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["stripe_id"], name="link_stripe_id"),
            models.Index(fields=["record_id"], name="link_record_id"),
            models.Index(fields=["pair", "first_synced_at"], name="link_money_by_day"),
            # Nearly all are in agreement.
            models.Index(fields=["pair", "-id"], condition=~models.Q(state="agreed"), name="link_in_trouble"),
            # Of hardly any is the record gone.
            models.Index(
                fields=["pair", "external_id"],
                condition=models.Q(gone_at__isnull=False),
                name="link_of_a_record_gone",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stripe_id} = {self.record_id}"


class LinkChange(models.Model):
    """
    One line of a link's history: what a run set on which side, or what became of the link.

    Only links that are kept in agreement both ways have one, and each remembers its last lines.
    """

    class How(models.TextChoices):
        WRITTEN = "written", "Written"
        MET = "met", "Found the same"
        LEFT = "left", "Gave way"
        DECIDED = "decided", "Decided by a person"
        HELD = "held", "Held"
        RELEASED = "released", "Released"
        DELETED = "deleted", "Record deleted"
        UNDELETED = "undeleted", "Record restored"
        MERGED = "merged", "Record merged"

    MOST = 50  # of a link

    link = models.ForeignKey(Link, on_delete=models.CASCADE, related_name="changes")
    at = models.DateTimeField()
    how = models.CharField(max_length=10, choices=How.choices)
    side = models.CharField(
        max_length=10, blank=True, help_text="The side that was written: stripe, salesforce."
    )
    values = models.BinaryField(
        default=b"", help_text="JSON of the values before and after, by field, encrypted."
    )
    flow = models.ForeignKey(Flow, on_delete=models.PROTECT, null=True, related_name="+")
    run = models.CharField(
        max_length=24, blank=True, help_text="Public id of the run, which is not kept as long."
    )
    who = models.CharField(max_length=255, blank=True, help_text="Who made the change, where it is known.")

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.how} {self.at}"


class AppliedVersion(models.Model):
    """
    How new the state is that a flow last wrote to a target: the guard against older events.

    `not_before` and `not_after` enclose the moment of the state: both are the event's second
    for a payload; a fetched object lies between its request (less a margin) and its answer.
    `source` is the object it was read from; a change of source means reading the root again.
    """

    flow = models.ForeignKey(Flow, on_delete=models.PROTECT, related_name="applied_versions")
    pair = models.ForeignKey(Pair, on_delete=models.PROTECT, related_name="applied_versions")
    target = models.CharField(max_length=400, help_text="Object and external id, joined by a colon.")
    source = models.CharField(max_length=255)
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="applied_versions")
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    rank = models.BigIntegerField(
        null=True, help_text="Where several sources feed one target: which of them counts, the highest."
    )
    applied_at = models.DateTimeField()
    past = models.BinaryField(
        default=b"",
        db_default=b"",
        help_text="JSON of the last writes that our own writes have caused, encrypted; see flows.agreeing.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["flow", "pair", "target"], name="one_applied_version_per_target")
        ]

    def __str__(self) -> str:
        return self.target
