"""This module holds the change feed: one row per closed batch, read by cursor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.db import connection, models, transaction

from flows import signals
from integrator.accounts.models import Environment


class ChangeQuerySet(models.QuerySet["Change"]):
    """The change feed."""

    # Factories

    def record(self, *, environment_id: int, kind: str, summary: Mapping[str, Any], now: datetime) -> None:
        """Append one row in the caller's transaction and wake whoever listens once it is committed."""
        with connection.cursor() as cursor:
            at = connection.ops.adapt_datetimefield_value(now)
            cursor.execute(_INSERT[connection.vendor], [environment_id, kind, json.dumps(dict(summary)), at])
        transaction.on_commit(
            lambda: signals.changed.send(
                sender=Change, environment_id=environment_id, kind=kind, summary=summary
            )
        )


# Every batch writes one, so it is not worth a model's instance and a text made anew. On PostgreSQL xid8 casts
# to text only: https://www.postgresql.org/docs/15/datatype-oid.html
_INSERT = {
    "sqlite": "INSERT INTO flows_change (environment_id, kind, summary, at, transaction_id)"
    " VALUES (%s, %s, %s, %s, 0)",
    "postgresql": "INSERT INTO flows_change (environment_id, kind, summary, at, transaction_id)"
    " VALUES (%s, %s, %s::jsonb, %s, pg_current_xact_id()::text::bigint)",
}


class Change(models.Model):
    """
    That something changed: the truth behind live pages. Signals and sockets are only wake-ups.

    On PostgreSQL `transaction_id` is the writing transaction's; a reader takes rows below the
    oldest running transaction only, so that a late commit is never skipped. On SQLite, which has
    one writer at a time, it stays 0 and the id alone orders.
    """

    MOST_RUNS: ClassVar[int] = 50  # a summary names no more runs than a page shows

    transaction_id = models.PositiveBigIntegerField(default=0)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="changes")
    kind = models.CharField(max_length=20, help_text="dispatched, closed, connection, deployment.")
    summary = models.JSONField(default=dict, help_text="Counts by fate, and the ids of the runs concerned.")
    at = models.DateTimeField()

    objects = ChangeQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["transaction_id", "id"], name="change_cursor")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%H:%M:%S}"
