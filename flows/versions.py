"""This module tells people of events that another version of Stripe's API made than the connection's."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from connectors.models import Connection
from flows.models import Notice


class Versioned(Protocol):
    """An event, as far as it matters here."""

    @property
    def connection_id(self) -> int:
        """Return the connection that it came through."""
        ...

    @property
    def api_version(self) -> str:
        """Return the version that made its body."""
        ...


def tell(events: Iterable[Versioned], *, now: datetime) -> None:
    """Say once for each connection and version that its events are read anew before they are mapped."""
    versions = {(event.connection_id, event.api_version) for event in events}
    if not versions:
        return
    connections = Connection.objects.in_bulk({connection for connection, _ in versions})
    Notice.objects.give(
        _notice(connections[connection], version, now=now) for connection, version in sorted(versions)
    )


def _notice(connection: Connection, version: str, *, now: datetime) -> Notice:
    return Notice.of(
        environment_id=connection.environment_id,
        key=f"api_version:{connection.pk}:{version}",
        kind="api_version",
        severity=Notice.Severity.WARNING,
        title=f"{connection.name} receives events of version {version}",
        text=f"The connection speaks version {connection.api_version}, so each of these objects is read anew "
        "before it is mapped, which costs a call. Set the API version of the webhook endpoint at Stripe to "
        f"{connection.api_version} to save it.",
        now=now,
    )
