"""
This module speaks to the Pub/Sub API: what a topic is, how its events are read, and what happens on it.

One channel for each stream, so that a stream that is given up takes nothing of another along. The address is
Salesforce's own and not the org's: https://developer.salesforce.com/docs/platform/pub-sub-api/guide/intro.html
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import grpc

from connectors.base import Account
from connectors.salesforce.auth import Token
from connectors.salesforce.bus_address import address_of, certificate_of
from connectors.salesforce.pubsub import messages
from connectors.salesforce.pubsub.messages import CUSTOM, EARLIEST, LATEST, SERVICE
from connectors.salesforce.pubsub.refusals import failure_of
from integrator.kernel import errors

MOST_ASKED = 100  # events that may be on their way; the API takes a larger number for this one
ASK_AGAIN_AT = 50  # so that more are on their way before the last of them has come
# An answer without events comes within 270 seconds; who hears nothing for longer has lost the line.
SILENCE = 300.0
LARGEST_ANSWER = 32 << 20  # bytes; an event has at most 1 MB, and most have 1 kB

_CHANNEL = (
    ("grpc.max_receive_message_length", LARGEST_ANSWER),
    ("grpc.enable_retries", 0),  # when to try again is decided where the position is known
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class Start:
    """Where a stream begins: behind a position, at the earliest event that is kept, or with what comes."""

    preset: int
    replay_id: bytes = b""

    @classmethod
    def behind(cls, replay_id: bytes) -> Start:
        """Begin with the event that follows a position."""
        return cls(CUSTOM, replay_id)


FROM_NOW_ON = Start(LATEST)
FROM_THE_EARLIEST = Start(EARLIEST)


@dataclass(frozen=True, slots=True)
class Topic:
    """What the bus says of a topic."""

    name: str
    schema_id: str
    can_subscribe: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """One event as the bus delivered it. Its position is opaque: nothing is to be computed from it."""

    id: str
    schema_id: str
    payload: bytes = field(repr=False)
    replay_id: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """What came at once: some events, or none and only how far the bus has come."""

    events: tuple[Heard, ...]
    position: bytes


class Bus:
    """One channel to the bus, with one session. To be closed."""

    def __init__(self, account: Account, token: Token) -> None:
        """
        Make the channel; nothing is sent yet.

        :raises Refused: if the connection may not speak to the address that is set for it
        """
        credentials = grpc.ssl_channel_credentials(certificate_of(account.settings))
        self._channel = grpc.secure_channel(address_of(account.settings), credentials, options=_CHANNEL)
        self._metadata = (
            ("accesstoken", token.value),
            ("instanceurl", token.instance_url),
            ("tenantid", token.org_id),
        )

    def close(self) -> None:
        """End whatever goes on."""
        self._channel.close()

    def topic(self, name: str, *, seconds: float) -> Topic:
        """
        Return what the bus says of a topic.

        :raises Expired: if a new session is needed
        :raises IntegrationError: if there is none, or it may not be known
        """
        told = self._ask("GetTopic", messages.TopicRequest(topic_name=name), messages.TopicInfo, seconds)
        return Topic(told.topic_name or name, told.schema_id, bool(told.can_subscribe))

    def schema(self, id: str, *, seconds: float) -> str:
        """
        Return a schema, which is Avro's JSON.

        :raises Expired: if a new session is needed
        :raises IntegrationError: if there is none, or it may not be known
        """
        told = self._ask("GetSchema", messages.SchemaRequest(schema_id=id), messages.SchemaInfo, seconds)
        return str(told.schema_json)

    def subscribe(self, topic: str, start: Start) -> Stream:
        """Open the stream of a topic. What is refused, is refused when its first batch is waited for."""
        return Stream(
            self._channel.stream_stream(
                f"{SERVICE}/Subscribe",
                request_serializer=messages.FetchRequest.SerializeToString,
                response_deserializer=messages.FetchResponse.FromString,
            ),
            self._metadata,
            topic,
            start,
        )

    def _ask(self, method: str, request: Any, answer: Any, seconds: float) -> Any:
        call = self._channel.unary_unary(
            f"{SERVICE}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        if seconds <= 0:
            raise errors.Transient("The time was over before anything was sent.", code="timeout")
        try:
            return call(request, timeout=seconds, metadata=self._metadata)
        except grpc.RpcError as refusal:
            raise failure_of(refusal) from None


class Stream:
    """
    The events of a topic, batch after batch.

    More events are asked for before those that have come are handed out, so that the bus always has leave to
    send: it ends a stream that has not, after a minute.
    """

    def __init__(self, open_call: Any, metadata: Any, topic: str, start: Start) -> None:
        self._requests: SimpleQueue[Any] = SimpleQueue()
        self._asked = MOST_ASKED
        self._requests.put(
            messages.FetchRequest(
                topic_name=topic,
                replay_preset=start.preset,
                replay_id=start.replay_id,
                num_requested=MOST_ASKED,
            )
        )
        self.heard_at = time.monotonic()
        self._call = open_call(iter(self._requests.get, None), metadata=metadata)

    def __iter__(self) -> Iterator[Batch]:
        """
        Yield what comes, until the bus or `cancel` ends the stream.

        :raises Expired: if a new session is needed
        :raises IntegrationError: if the bus refuses to go on, or cannot be reached
        """
        try:
            for answer in self._call:
                self.heard_at = time.monotonic()
                self._ask_for_more(answer)
                events = tuple(
                    Heard(one.event.id, one.event.schema_id, one.event.payload, one.replay_id)
                    for one in answer.events
                )
                yield Batch(events, events[-1].replay_id if events else answer.latest_replay_id)
        except grpc.RpcError as refusal:
            raise failure_of(refusal) from None
        finally:
            self.cancel()

    def cancel(self) -> None:
        """End the stream, from whatever thread; who waits for its next batch is told that it broke."""
        self._requests.put(None)
        self._call.cancel()

    def is_silent(self) -> bool:
        """Tell whether nothing was heard for longer than the bus ever keeps silent."""
        return time.monotonic() - self.heard_at > SILENCE

    def _ask_for_more(self, answer: Any) -> None:
        self._asked = max(0, self._asked - len(answer.events))
        if not answer.events and answer.pending_num_requested == 0:
            self._asked = 0  # whatever we have counted: the bus waits for leave
        if self._asked <= ASK_AGAIN_AT:
            self._requests.put(messages.FetchRequest(num_requested=MOST_ASKED - self._asked))
            self._asked = MOST_ASKED
