"""
This module reads the `Change` table by cursor, so that no change is ever skipped.

On PostgreSQL a transaction that began earlier may commit later. Rows therefore carry their
transaction's id, the position is (transaction id, row id), and only rows below the oldest
transaction that still runs are read
(https://www.postgresql.org/docs/current/functions-info.html, pg_snapshot_xmin).
SQLite has one writer at a time: there the row id alone is the order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.db import connection
from django.db.models import Q, QuerySet

from flows.models import Change

START = "0.0"
MOST = 500


def latest() -> str:
    """Return the position behind everything that can be read now."""
    newest = _visible(Change.objects.all()).order_by("-transaction_id", "-id").first()
    return START if newest is None else position_of(newest)


def position_of(change: Change) -> str:
    """Return the position of `change`, for a reader to hand back."""
    return f"{change.transaction_id}.{change.pk}"


def key(position: str) -> tuple[int, int]:
    """Return `position` as something to compare; one that cannot be read is before all others."""
    match = re.fullmatch(r"(\d{1,19})\.(\d{1,19})", position)
    return (int(match[1]), int(match[2])) if match else (-1, -1)


def after(position: str, *, environment_id: int | None = None) -> Sequence[Change]:
    """
    Return at most MOST changes behind `position`, in order; all environments' if none is named.

    A position that cannot be read is the end, not the start: its reader has seen nothing to catch up with.
    """
    transaction, row = key(position)
    if transaction < 0:
        return []
    behind = Q(transaction_id=transaction, id__gt=row) | Q(transaction_id__gt=transaction)
    changes = Change.objects.filter(behind)
    if environment_id is not None:
        changes = changes.filter(environment_id=environment_id)
    return list(_visible(changes).order_by("transaction_id", "id")[:MOST])


def held_up(changes: QuerySet[Change]) -> QuerySet[Change]:
    """Return those of `changes` that nobody reads yet because an older transaction still runs."""
    if connection.vendor != "postgresql":
        return changes.none()
    return changes.extra(where=["transaction_id >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint"])


def _visible(changes: QuerySet[Change]) -> QuerySet[Change]:
    if connection.vendor != "postgresql":
        return changes
    # The condition stands in SQL, so that snapshot and rows are of the same moment.
    return changes.extra(where=["transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"])
