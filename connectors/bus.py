"""
This module is the way to an org's event bus, with the rules of the gateway.

The gateway asks for the topic first: so nothing is heard through a connection that somebody has paused or
that rests, a session that is over is replaced, and a credential that is refused lets the connection rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from connectors import credentials, gateway
from connectors.models import Connection
from connectors.salesforce.pubsub.client import Start
from connectors.salesforce.pubsub.hearing import Hearing, open_stream
from integrator.kernel import errors

SECONDS = 12.0
NOT_ALLOWED = "subscription.topic.cannot.subscribe"


@contextmanager
def hear(connection: Connection, topic: str, start: Start) -> Iterator[Hearing]:
    """
    Hear `topic` from `start` on, for as long as the context lasts.

    :raises IntegrationError: if the topic cannot be heard through the connection
    :raises RuntimeError: inside a transaction
    """
    if not connection.pinned_account:
        raise errors.Misdirected("This connection was never tested. Test it first.", code="untested")
    (found,) = gateway.call_many(
        connection_id=connection.pk, action="topic", requests=[{"topic": topic}], deadline=SECONDS
    )
    if isinstance(found, errors.IntegrationError):
        raise found
    if not found["can_subscribe"]:
        raise errors.Forbidden(f"The integration user may not subscribe to {topic}.", code=NOT_ALLOWED)
    account = credentials.account_for(connection, credentials.sealed_of(connection))
    with open_stream(account, topic, start, seconds=SECONDS) as hearing:
        yield hearing
