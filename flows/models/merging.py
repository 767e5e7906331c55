"""This module holds merges of records in an org that a person has asked for from here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from connectors.models import Connection
from flows.models.leasing import Leased, LeasedQuerySet
from integrator import vault
from integrator.accounts.models import public_id
from integrator.kernel import canonical

BIN = timedelta(days=15)  # for which Salesforce keeps what was deleted


class MergeQuerySet(LeasedQuerySet):
    """The merges."""

    # Queries

    def unfinished(self) -> MergeQuerySet:
        """Return those that are under way, or in doubt."""
        return self.filter(state__in=Merge.UNFINISHED)

    def holding(self, connection: Connection, object_: str) -> frozenset[str]:
        """Return the records that may be going this moment: what is said of them may be wrong the next."""
        rows = self.unfinished().filter(connection=connection, object=object_)
        going = Q(sent_at__isnull=False, merged_at__isnull=True) | Q(lease_until__gt=Now())
        return frozenset(
            one for losers in rows.filter(going).values_list("losers", flat=True) for one in losers
        )

    def to_look_at(self) -> MergeQuerySet:
        """Return those that did not end as they should, and that nobody has looked at yet."""
        return self.filter(state=Merge.State.FAILED, seen_at__isnull=True)


class Merge(Leased):
    """
    A merge of one or two records of an org into another one: first looked at, then done once.

    `master` is the record that stays, `losers` go to the recycle bin with its id in `MasterRecordId`. A row
    in state `checked` has changed nothing. `sent_at` is set, and committed, before the call; from then on
    until `merged_at` is set or the org says otherwise, it may have happened. A merge that failed with
    `merged_at` did take place, and something is not as it should be then.
    """

    class State(models.TextChoices):
        CHECKED = "checked", "Only looked at"
        RUNNING = "running", "Under way"
        DOUBT = "in_doubt", "In doubt"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused"
        FAILED = "failed", "Not as it should be"

    UNFINISHED: ClassVar[tuple[str, ...]] = (State.RUNNING, State.DOUBT)
    # What no list shows: of a record with many others it is megabytes.
    BULKY: ClassVar[tuple[str, ...]] = ("before", "sent", "survivors", "children", "links", "verified")

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="merges")
    object = models.CharField(max_length=80, help_text="The API name.")
    label = models.CharField(max_length=255, help_text="What the org calls such a record.")
    master = models.CharField(max_length=18)
    losers = models.JSONField(default=list, help_text="Ids of the records that are merged into it.")
    preset = models.CharField(max_length=10)
    chosen = models.JSONField(default=dict, help_text="By field, the record whose value a person has chosen.")
    survivors = models.JSONField(
        default=list,
        help_text="Of each field that differed: its name, its label, whose value stays, and why.",
    )
    before = models.BinaryField(help_text="JSON of the records as they were, by id, encrypted.")
    sent = models.BinaryField(help_text="JSON of the values that the master gets, encrypted.")
    children = models.JSONField(default=list, help_text="See flows.merging.reading: what refers to them.")
    links = models.JSONField(default=list, help_text="The links of the records: number, Stripe's id, record.")
    actor = models.CharField(max_length=254, help_text="Who had it looked at.")
    created_at = models.DateTimeField()

    state = models.CharField(max_length=10, choices=State.choices, default=State.CHECKED)
    asked_by = models.CharField(max_length=254, blank=True, help_text="Who had it done.")
    asked_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True, help_text="When Salesforce was last told to merge.")
    merged_at = models.DateTimeField(null=True, help_text="When it was known that they are one.")
    verified = models.JSONField(default=list, help_text="What was found afterwards, line by line.")
    ended_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True, help_text="When a person had looked at what went wrong.")
    seen_by = models.CharField(max_length=254, blank=True)

    attempts = models.PositiveIntegerField(default=0, help_text="Failures in a row.")
    next_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=500, blank=True)
    failure_code = models.CharField(max_length=100, blank=True)

    objects = MergeQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["next_at"], condition=Q(state__in=("running", "in_doubt")), name="merge_unfinished"
            ),
            models.Index(fields=["connection", "-id"], name="merge_by_connection"),
        ]

    def __str__(self) -> str:
        return f"{', '.join(self.losers)} into {self.master}"

    @property
    def owner(self) -> str:
        """Return for whom its contents are sealed."""
        return f"merge:{self.public_id}"

    @property
    def ids(self) -> list[str]:
        """Return the ids of all of its records, the master's first."""
        return [self.master, *self.losers]

    @property
    def is_unfinished(self) -> bool:
        """Tell whether it is under way."""
        return self.state in self.UNFINISHED

    @property
    def needs_a_look(self) -> bool:
        """Tell whether a person has to look at what went wrong."""
        return self.state == self.State.FAILED and self.seen_at is None

    @property
    def restorable_until(self) -> datetime | None:
        """Return until when Salesforce keeps what was merged, unless somebody empties the bin."""
        return None if self.merged_at is None else self.merged_at + BIN

    # Mutators

    def keep(self, *, before: Mapping[str, Any], sent: Mapping[str, Any]) -> None:
        """Seal what the records were, and what the master gets; saved by the caller."""
        self.before = vault.seal(canonical.dumps(before), owner=self.owner)
        self.sent = vault.seal(canonical.dumps(sent), owner=self.owner)

    def become(self, **told: Any) -> None:
        """Be as is told, and save it."""
        for name, value in told.items():
            setattr(self, name, value)
        self.save(update_fields=list(told))

    # Queries

    def records(self) -> dict[str, dict[str, Any]]:
        """
        Return the records as they were, by id.

        :raises vault.Unreadable: if no key opens them
        """
        return dict(_opened(self.before, self.owner))

    def values(self) -> dict[str, Any]:
        """
        Return what the master gets, by field; None empties it.

        :raises vault.Unreadable: if no key opens it
        """
        return dict(_opened(self.sent, self.owner))


def _opened(sealed: bytes | memoryview, owner: str) -> Any:
    return json.loads(vault.unseal(sealed, owner=owner), parse_float=Decimal)
