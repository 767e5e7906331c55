"""
This module lets one process at a time read a stream of a connection, and asks for what is read.

Who reads holds a lease in the cursor's row, by the database's clock. The cursor moves only in the transaction
that keeps what was read, and only while the lease is ours, so that two readers can neither skip nor undo
anything.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from connectors import gateway
from connectors.base import Params, Result
from connectors.models import Connection, Cursor
from integrator.kernel.errors import IntegrationError, Misdirected

LEASE = timedelta(seconds=60)  # well above a call's deadline and a commit


class Lost(Exception):
    """Somebody else reads the stream now, or it was set anew: nothing of what was read is kept."""


@dataclass(slots=True)
class Held:
    """A stream that this process reads."""

    cursor: Cursor
    owner: str

    def move(self, **after: Any) -> None:
        """
        Move the cursor in the caller's transaction, and hold it for longer.

        :raises Lost: if the stream is not ours any more
        """
        ours = Cursor.objects.filter(pk=self.cursor.pk, lease_owner=self.owner)
        if not ours.update(lease_until=Now() + LEASE, **after):
            raise Lost
        for name, value in after.items():
            setattr(self.cursor, name, value)

    def release(self, *, now: datetime, failure: str = "") -> None:
        """Let others read, and say how it went; a stream that is not ours any more is left alone."""
        ours = Cursor.objects.filter(pk=self.cursor.pk, lease_owner=self.owner)
        ours.update(lease_until=None, lease_owner="", checked_at=now, failure=failure[:500])


def readable(now: datetime, *, system: str = Connection.System.STRIPE) -> QuerySet[Connection]:
    """
    Return the connections to `system` that may be read at `now`.

    One that rests is read again when its time is over: where nothing else is asked of it, that call is what
    finds out that the other side is back.
    """
    rested = Q(state=Connection.State.RESTING, paused_until__lte=now)
    tested = Connection.objects.filter(system=system).exclude(pinned_account="")
    return tested.filter(Q(state=Connection.State.ACTIVE) | rested).order_by("pk")


def take(cursor: Cursor) -> Held | None:
    """Return the stream for this process to read, or None if another process reads it."""
    owner = secrets.token_hex(8)
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())
    taken = Cursor.objects.filter(free, pk=cursor.pk).update(lease_owner=owner, lease_until=Now() + LEASE)
    if not taken:
        return None
    return Held(Cursor.objects.select_related("connection").get(pk=cursor.pk), owner)


def check_account(connection: Connection) -> None:
    """
    Make sure that the connection's key leads to the account that it is pinned to.

    Events and objects of another account must no more come in than be written.

    :raises Misdirected: if it leads elsewhere
    :raises IntegrationError: if Stripe cannot be asked
    """
    if connection.settings.get("account_id"):
        return  # a restricted key that may not read its account; whose it is was declared
    found = str(ask(connection, "account", {})["object"].get("id"))
    if found != connection.pinned_account:
        raise Misdirected(
            f"The key leads to {found}, but this connection is for {connection.pinned_account}.",
            code="another_account",
        )


def ask(
    connection: Connection,
    action: str,
    request: dict[str, Any],
    *,
    deadline: float = gateway.DEADLINE_SECONDS,
) -> dict[str, Any]:
    """
    Return the answer to one request.

    :raises IntegrationError: if there is none
    """
    (answer,) = ask_many(connection, action, [request], deadline=deadline)
    if isinstance(answer, IntegrationError):
        raise answer
    return answer


def ask_many(
    connection: Connection,
    action: str,
    requests: Sequence[Params],
    *,
    deadline: float = gateway.DEADLINE_SECONDS,
) -> list[Result]:
    """Return the answers to many requests, several made at a time: each by itself, or why there is none."""
    return gateway.call_many(connection_id=connection.pk, action=action, requests=requests, deadline=deadline)
