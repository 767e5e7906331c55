"""This module opens the stream of a topic with a connection's session, and reads what comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from connectors.base import Account
from connectors.salesforce import auth
from connectors.salesforce.errors import Expired
from connectors.salesforce.pubsub import events
from connectors.salesforce.pubsub.client import Batch, Bus, Heard, Start, Stream
from connectors.salesforce.pubsub.events import Read
from connectors.salesforce.pubsub.schemas import Schemas, Unreadable
from integrator.kernel import errors

SCHEMA_SECONDS = 10.0
SESSION_OVER = "event_bus.session_over"


class Hearing:
    """A topic that is heard."""

    def __init__(self, bus: Bus, stream: Stream) -> None:
        self._stream = stream
        self._schemas = Schemas(lambda id: bus.schema(id, seconds=SCHEMA_SECONDS))

    def batches(self) -> Iterator[Batch]:
        """
        Yield what comes, until the bus or `cancel` ends the stream.

        :raises IntegrationError: if the bus refuses to go on, or cannot be reached
        """
        with _within_the_session():
            yield from self._stream

    def read(self, heard: Heard) -> Read:
        """
        Return what an event says.

        :raises Unreadable: if it, or the schema that it names, is nothing that we understand
        :raises IntegrationError: if its schema cannot be asked for now
        """
        with _within_the_session():
            try:
                schema = self._schemas.get(heard.schema_id)
            except errors.Missing:  # it will not be there later, and the events behind it do not wait for it
                raise Unreadable("Salesforce does not know the schema that the event names.") from None
        return events.read(schema.read(heard.payload), schema.layout)

    def cancel(self) -> None:
        """End the stream, from whatever thread."""
        self._stream.cancel()

    def is_silent(self) -> bool:
        """Tell whether nothing was heard for longer than the bus ever keeps silent."""
        return self._stream.is_silent()


@contextmanager
def open_stream(account: Account, topic: str, start: Start, *, seconds: float) -> Iterator[Hearing]:
    """
    Hear `topic` from `start` on, for as long as the context lasts.

    The session is the connection's own, which a login within `seconds` renews where it has to be. It is of
    the org that the connection is pinned to, or there is none.

    :raises IntegrationError: if no session can be had
    """
    bus = Bus(account, auth.obtain(account, deadline=seconds))
    try:
        stream = bus.subscribe(topic, start)
        try:
            yield Hearing(bus, stream)
        finally:
            stream.cancel()
    finally:
        bus.close()


@contextmanager
def _within_the_session() -> Iterator[None]:
    try:
        yield
    except Expired:
        # Whoever asks for the topic next finds it out as well, and logs in.
        raise errors.Transient("The session is over; the next try logs in.", code=SESSION_OVER) from None
