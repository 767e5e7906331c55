"""This module holds the inbox: every event as it arrived, with its one visible fate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.db import models
from django.db.models import QuerySet

from connectors.models import Connection
from flows import bulk
from flows.statements import Given, Select


class Fate(models.TextChoices):
    """How an event ended, for a flow or as a whole."""

    QUEUED = "queued", "Queued"
    WAITING = "waiting", "Waiting for a person"
    APPLIED = "applied", "Applied"
    IGNORED = "ignored", "Ignored"
    SUPERSEDED = "superseded", "Superseded"
    ECHO = "echo", "Echo"
    REFUSED = "refused", "Refused"
    DEAD = "dead", "In dead letters"
    DISCARDED = "discarded", "Discarded"


# An event that several flows handled shows the first of these that any of them gave it.
SERIOUSNESS: tuple[Fate, ...] = (
    Fate.DEAD,
    Fate.WAITING,
    Fate.QUEUED,
    Fate.REFUSED,
    Fate.DISCARDED,
    Fate.APPLIED,
    Fate.SUPERSEDED,
    Fate.ECHO,
    Fate.IGNORED,
)


_RANK = {fate.value: rank for rank, fate in enumerate(SERIOUSNESS)}


class EventQuerySet(models.QuerySet["Event"]):
    """The inbox."""

    # Mutators

    def settle(self, ids: Iterable[int]) -> None:
        """
        Give each event the most serious fate of its runs, within the caller's transaction.

        The rows are locked first and the runs read in a statement of their own, so that of two
        transactions that end runs of one event the later sees what the earlier did.
        """
        wanted = list(set(ids))
        before = {event: (fate, reason) for event, fate, reason in _LOCKED.rows(events=wanted)}
        after: dict[int, tuple[str, str]] = {}
        for event, fate, reason in _FATES_OF_RUNS.rows(events=wanted):
            if event not in after or _RANK[fate] < _RANK[after[event][0]]:
                after[event] = (fate, reason[:200])
        changed = [(event, *now) for event, now in after.items() if before[event] != now]
        bulk.update(Event, ("id", "fate", "fate_reason"), changed)

    # Queries

    def undispatched(self) -> EventQuerySet:
        """Return the events that no worker has looked at yet, oldest first."""
        return self.filter(dispatched_at__isnull=True).order_by("id")


def _locked() -> QuerySet[Event, Any]:
    locked = _among_events().order_by("id").select_for_update(no_key=True)
    return locked.values_list("id", "fate", "fate_reason")


def _fates_of_runs() -> QuerySet[Event, Any]:
    # Without an order: Django would add the model's.
    told = _among_events().filter(runs__isnull=False).order_by()
    return told.values_list("id", "runs__fate", "runs__reason")


def _among_events() -> QuerySet[Event]:
    return Event.objects.filter(bulk.among("id", Given("events", "bigint")))


_LOCKED = Select(_locked)
_FATES_OF_RUNS = Select(_fates_of_runs)


class Event(models.Model):
    """
    What arrived, kept raw and immutable. Only its dispatch and its fate change.

    `external_id` is the sender's own id, or `unreadable:<sha256>` for a signed body that
    could not be read. `dispatched_at` empty means that no worker has looked at it yet.
    After its time the body is emptied (`purged_at`) and, unless something refers to it, the row is deleted.
    """

    class Origin(models.TextChoices):
        LIVE = "live"
        WALK = "walk"
        SWEEP = "sweep"
        IMPORT = "import"
        REPLAY = "replay"
        MANUAL = "manual"

    # No index of its own: two others begin with it, and every index costs each arrival.
    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, related_name="events", db_index=False
    )
    external_id = models.CharField(max_length=255)
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.LIVE)
    type = models.CharField(max_length=255, blank=True)
    api_version = models.CharField(max_length=40, blank=True)
    account = models.CharField(max_length=255, blank=True, help_text="Connected account, where one is named.")
    livemode = models.BooleanField(null=True)
    object_id = models.CharField(max_length=255, blank=True, help_text="The object that the event is about.")
    happened_at = models.DateTimeField(null=True, help_text="The sender's own time, in whole seconds.")
    received_at = models.DateTimeField()
    body = models.BinaryField(help_text="The raw bytes as received, encrypted.")
    unreadable = models.CharField(max_length=200, blank=True, help_text="Why the body could not be read.")

    dispatched_at = models.DateTimeField(null=True)
    dispatch_crashes = models.PositiveSmallIntegerField(default=0)
    fate = models.CharField(max_length=10, choices=Fate.choices, default=Fate.QUEUED)
    fate_reason = models.CharField(max_length=200, blank=True)
    purged_at = models.DateTimeField(
        null=True,
        help_text="When the body was deleted for its age; the row stays, so that it is not new again.",
    )

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(fields=["connection", "external_id"], name="one_event_per_external_id")
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["external_id"], name="event_external_id"),
            models.Index(fields=["object_id"], name="event_object_id"),
            models.Index(fields=["connection", "fate", "-id"], name="event_by_fate"),
            models.Index(
                fields=["id"], condition=models.Q(dispatched_at__isnull=True), name="event_undispatched"
            ),
            # Costs a delivery nothing: nearly all are live.
            models.Index(
                fields=["connection", "-id"], condition=~models.Q(origin="live"), name="event_not_live"
            ),
        ]

    def __str__(self) -> str:
        return self.external_id

    # Mutators

    def dispatch_again(self) -> None:
        """Put the event back where it was before any worker had looked at it."""
        self.dispatched_at, self.dispatch_crashes = None, 0
        self.fate, self.fate_reason = Fate.QUEUED, ""
        self.save(update_fields=["dispatched_at", "dispatch_crashes", "fate", "fate_reason"])

    def discard(self, *, reason: str) -> None:
        """Say that a person decided that nothing is to be done about the event."""
        self.fate, self.fate_reason = Fate.DISCARDED, reason[:200]
        self.save(update_fields=["fate", "fate_reason"])
