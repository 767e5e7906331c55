"""This module says what an examination is about: the moment, and whose connections it may name."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import QuerySet

from connectors.models import Connection
from monitoring.words import duration


@dataclass(frozen=True, slots=True)
class Look:
    """
    One examination of the installation, at `now`.

    Whatever belongs to a workspace is looked at and named for `connections` alone, so that a page tells
    nobody of another workspace. With `ask`, Stripe, Salesforce and our public address are called.
    """

    now: datetime
    connections: QuerySet[Connection] = field(default_factory=Connection.objects.all)
    ask: bool = False

    def of(self, system: str) -> list[Connection]:
        """Return the connections to `system`, with their environments, in the order of the pages."""
        return [one for one in self.every() if one.system == system]

    def every(self) -> list[Connection]:
        """Return all connections that are looked at, with their environments."""
        return list(self.connections.select_related("environment__workspace"))

    def ago(self, at: datetime) -> str:
        """Say how long ago `at` was: 3 min ago."""
        return f"{duration(max(self.now - at, timedelta(0)))} ago"


def named(one: Connection) -> str:
    """Return a connection's name with its place: acme/dev/Billing."""
    environment = one.environment
    return f"{environment.workspace.slug}/{environment.slug}/{one.name}"


def page_of(one: Connection, below: str = "") -> str:
    """Return the path of the page of a connection, or of one below it."""
    environment = one.environment
    return f"/w/{environment.workspace.slug}/{environment.slug}/connections/{one.public_id}/{below}"
