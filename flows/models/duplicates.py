"""This module holds what is known of the customers in an org, and what people decided of pairs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models

from connectors.models import Connection
from flows.models.leasing import Leased, LeasedQuerySet
from integrator.accounts.models import Environment

STALE = timedelta(minutes=30)  # for so long what was read is believed while it cannot be read on


class MatchPolicy(models.Model):
    """Where an environment draws its lines between the same customer, perhaps the same, and a new one."""

    environment = models.OneToOneField(Environment, on_delete=models.CASCADE, related_name="match_policy")
    automatic = models.BooleanField(
        default=False, help_text="Whether a sure likeness is taken without asking a person."
    )
    auto = models.FloatField(default=5.0, help_text="Bits from which on a likeness is sure.")
    margin = models.FloatField(
        default=3.0, help_text="Bits that the best candidate has to be ahead of the next one."
    )
    review = models.FloatField(default=-3.25, help_text="Bits from which on a person is asked.")
    weights = models.JSONField(null=True, help_text="What decisions have taught; empty: the usual weights.")
    learned_from = models.PositiveIntegerField(default=0, help_text="Decisions that taught the weights.")
    learned_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(null=True)
    changed_by = models.CharField(max_length=254, blank=True)

    def __str__(self) -> str:
        return f"Match rules of {self.environment}"

    # Mutators

    def draw(self, *, actor: str, now: datetime, **lines: Any) -> None:
        """Set the lines that are given."""
        self.changed_by, self.changed_at = actor, now
        for name, value in lines.items():
            setattr(self, name, value)
        self.save(update_fields=[*lines, "changed_by", "changed_at"])

    def learn(self, weights: dict[str, Any] | None, *, auto: float, count: int, now: datetime) -> None:
        """Weigh by `weights` from now on, which `count` decisions have taught."""
        self.weights, self.auto, self.learned_from, self.learned_at = weights, auto, count, now
        self.save(update_fields=["weights", "auto", "learned_from", "learned_at"])


class Directory(Leased):
    """
    The customers of an org that are known here: the records of one object, as far as they have been read.

    It is read from the oldest change to the newest, and from there on kept up to date. Each time it is read
    from the beginning it has a new `generation`; at the end those records are forgotten that have an older
    one. `place_at` and `place_id` say how far it has come.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="directories")
    object = models.CharField(max_length=80, help_text="The API name.")
    salt = models.BinaryField(help_text="What the numbers of keys and terms are made with, encrypted.")
    generation = models.PositiveIntegerField(default=1)
    began_at = models.DateTimeField(help_text="When it was begun to be read from the beginning.")
    place_at = models.DateTimeField(null=True)
    place_id = models.CharField(max_length=18, blank=True)
    read = models.PositiveBigIntegerField(default=0, help_text="Records that this generation has read.")
    complete_at = models.DateTimeField(
        null=True, help_text="When all of it had been read for the first time."
    )
    ended_at = models.DateTimeField(null=True, help_text="When this generation had been read to its end.")
    caught_up_at = models.DateTimeField(null=True, help_text="When it last had everything.")
    deletions_at = models.DateTimeField(null=True, help_text="Up to when deletions were followed.")
    due_at = models.DateTimeField(help_text="When it is read on.")
    attempts = models.PositiveIntegerField(default=0, help_text="Tries that failed one after the other.")
    failure = models.CharField(max_length=500, blank=True)
    unused_since = models.DateTimeField(null=True, help_text="Since when no live flow needs it.")
    keys_wanted = models.JSONField(
        default=list, db_default=[], help_text="Fields with external keys that flows name."
    )
    keys_reading = models.JSONField(
        default=list, db_default=[], help_text="Those of them that this generation reads."
    )
    keys_read = models.JSONField(
        default=list, db_default=[], help_text="Those of them that are known of all records."
    )
    form_reading = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="The form in which this generation keeps what is compared."
    )
    form_read = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="The form in which all records are kept."
    )

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ("object",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["connection", "object"], name="one_directory_per_object")
        ]

    def __str__(self) -> str:
        return f"{self.object} of {self.connection}"

    # Queries

    def is_fresh(self, now: datetime) -> bool:
        """
        Tell whether it had everything lately, so that whom it does not know is new.

        While everything is read anew it counts as fresh, unless that fails.
        """
        if self.ended_at is None and not self.attempts:
            return True
        had_all = self.caught_up_at or self.complete_at
        return had_all is not None and had_all + STALE > now

    # Mutators

    def want_keys(self, keys: list[str], *, now: datetime) -> None:
        """Have the external keys in `keys` read; whoever reads on begins from the beginning for them."""
        self.keys_wanted = keys
        self.due_at, self.attempts, self.failure = min(self.due_at, now), 0, ""
        self.save(update_fields=["keys_wanted", "due_at", "attempts", "failure"])


class KnownRecord(models.Model):
    """
    A customer that is known: what is compared of a record, encrypted.

    One that is `expected` is a customer of Stripe whose record is being made at this moment; its id is
    Stripe's, and it is soon forgotten.
    """

    directory = models.ForeignKey(Directory, on_delete=models.CASCADE, related_name="records")
    record_id = models.CharField(max_length=255)
    sealed = models.BinaryField(help_text="JSON of what is compared, encrypted.")
    stamp = models.DateTimeField(help_text="When the record was last changed.")
    generation = models.PositiveIntegerField(default=0)
    expected = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["directory", "record_id"], name="one_known_record")
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["directory", "stamp"], condition=models.Q(expected=True), name="known_expected"
            )
        ]

    def __str__(self) -> str:
        return self.record_id


class KnownKey(models.Model):
    """What a known record may share with a customer: a number, made with the directory's salt."""

    directory = models.ForeignKey(Directory, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.BigIntegerField()
    record = models.ForeignKey(KnownRecord, on_delete=models.CASCADE, related_name="keys")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["directory", "key", "record"], name="one_key_per_record")
        ]

    def __str__(self) -> str:
        return str(self.key)


class KnownTerm(models.Model):
    """How many known records have a term: a number, made with the directory's salt."""

    directory = models.ForeignKey(Directory, on_delete=models.CASCADE, related_name="+", db_index=False)
    term = models.BigIntegerField()
    number = models.IntegerField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["directory", "term"], name="one_count_per_term")
        ]

    def __str__(self) -> str:
        return str(self.term)


class MatchDecision(models.Model):
    """
    Whether a customer of Stripe is a record, as a person said; the newest word counts.

    It is what weights are learned from, and why nobody is asked twice. Without names or addresses.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="match_decisions")
    object = models.CharField(max_length=80)
    stripe_id = models.CharField(max_length=255)
    record_id = models.CharField(max_length=18)
    same = models.BooleanField()
    findings = models.JSONField(help_text="How like each field was: field, level, commonness.")
    others = models.JSONField(
        null=True, help_text="The findings of the other records that were found; empty: not known."
    )
    veto = models.CharField(
        max_length=20, blank=True, db_default="", help_text="Why only a person could decide, if so."
    )
    question = models.CharField(
        max_length=24, blank=True, db_default="", help_text="The question that was answered."
    )
    decided_at = models.DateTimeField()
    decided_by = models.CharField(max_length=254)

    class Meta:
        ordering = ("-decided_at", "-id")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["connection", "object", "stripe_id", "record_id"], name="one_decision_per_pair"
            )
        ]

    def __str__(self) -> str:
        return f"{self.stripe_id} {'is' if self.same else 'is not'} {self.record_id}"
