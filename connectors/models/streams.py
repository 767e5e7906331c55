"""This module holds how far each stream of a connection was read or heard."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models.functions import Now

from connectors.models.connections import Connection


class Cursor(models.Model):
    """
    How far one stream of a connection has been read: Stripe's list of events, a sweep of one object type.

    `position` is the stream's own: the id of the last event that was kept. Rows move only in the
    transaction that keeps what was read. `lease_until` lets one process at a time read a stream.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="cursors")
    stream = models.CharField(max_length=60, help_text="events, or sweep:<object type>.")
    position = models.CharField(max_length=255, blank=True)
    reached_at = models.DateTimeField(null=True, help_text="Everything up to this moment has been read.")
    state = models.JSONField(default=dict, help_text="Where within a pass the reader is.")
    checked_at = models.DateTimeField(null=True, help_text="When it was last read.")
    failure = models.CharField(max_length=500, blank=True)
    lease_until = models.DateTimeField(null=True)
    lease_owner = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "stream"], name="one_cursor_per_stream")]

    def __str__(self) -> str:
        return f"{self.connection}: {self.stream}"


class TopicQuerySet(models.QuerySet["Topic"]):
    """The topics that are listened to."""

    # Mutators. The lease is judged by the database's clock, since hosts' clocks may differ.

    def take(self, *, owner: str, listener: str, lease: timedelta) -> bool:
        """Let `owner` hear the one topic that this is, unless somebody else does; tell whether it may."""
        free = models.Q(lease_until__isnull=True) | models.Q(lease_until__lt=Now())
        return bool(
            self.filter(free, stopped=False).update(
                lease_owner=owner, listener=listener[:100], lease_until=Now() + lease
            )
        )

    def held(self, owner: str) -> TopicQuerySet:
        """Return those of them that `owner` hears."""
        return self.filter(lease_owner=owner)


class Topic(models.Model):
    """
    One topic of an org's event bus that a connection listens to, and how far it was heard.

    `replay_id` is Salesforce's own position, opaque bytes: it moves only in the transaction that keeps what
    came before it, and only while the lease is ours.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="topics")
    name = models.CharField(max_length=120, help_text="/data/AccountChangeEvent, /event/Paid__e.")
    created_at = models.DateTimeField()

    replay_id = models.BinaryField(default=b"", help_text="Empty: no position is known yet.")
    since = models.DateTimeField(
        null=True, help_text="While no position is known: what happened earlier is none of ours."
    )
    from_earliest = models.BooleanField(
        default=False, help_text="Begin with the earliest event that Salesforce keeps."
    )
    kept_until = models.DateTimeField(null=True, help_text="Everything up to this moment was kept.")
    heard_at = models.DateTimeField(null=True, help_text="When the bus last sent anything.")
    event_at = models.DateTimeField(null=True, help_text="When the newest event happened.")
    lag = models.DurationField(null=True, help_text="From happening to being kept, of the newest event.")
    received = models.PositiveBigIntegerField(default=0, help_text="Events that were new.")

    stopped = models.BooleanField(default=False, help_text="Until a person says how to go on.")
    attempts = models.PositiveIntegerField(default=0, help_text="Failures since it was last heard.")
    retry_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=500, blank=True)
    failure_code = models.CharField(max_length=100, blank=True)

    lease_until = models.DateTimeField(null=True)
    lease_owner = models.CharField(max_length=40, blank=True)
    listener = models.CharField(max_length=100, blank=True, help_text="The process that hears it.")

    objects = TopicQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = [
            models.UniqueConstraint(fields=["connection", "name"], name="one_topic_per_connection")
        ]

    def __str__(self) -> str:
        return f"{self.connection}: {self.name}"

    # Mutators

    def go_on(self) -> None:
        """Listen again, from the earliest event that Salesforce keeps."""
        self.stopped, self.from_earliest, self.replay_id, self.since = False, True, b"", None
        self.attempts, self.retry_at, self.failure, self.failure_code = 0, None, "", ""
        self.save(
            update_fields=[
                "stopped", "from_earliest", "replay_id", "since", "attempts", "retry_at", "failure",
                "failure_code",
            ]
        )  # fmt: skip
