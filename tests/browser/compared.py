"""This module puts on the scene what was compared of an org, well and badly, and what it is asked for."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from connectors.models import Connection
from flows.models import PolledObject, Resync


def keep(salesforce: Connection, hostile: str) -> None:
    """Keep comparisons and an object that is polled; `hostile` is what people and systems say."""
    now = timezone.now()
    since = {"since": now - timedelta(days=3), "created_at": now - timedelta(hours=2)}
    rows = (
        {"object": "Account", "reason": "night", "state": "done", "compared": 18_420, "changed": 7},
        {"object": "Opportunity", "reason": "overflow", "state": "running", "place_at": now},
        {"object": "Invoice__c", "reason": "asked", "state": "failed", "actor": hostile, "failure": hostile},
    )
    Resync.objects.bulk_create(Resync(connection=salesforce, **since, **row) for row in rows)
    PolledObject.objects.create(
        connection=salesforce,
        object="Payment__c",
        every=86_400,  # so that nobody is missed who would ask
        created_at=now,
        reached_at=now,
        deleted_until=now,
        checked_at=now,
    )
