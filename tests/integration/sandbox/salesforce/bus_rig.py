"""This module is a client of the Pub/Sub API that knows the public protocol and nothing of the product."""

from __future__ import annotations

import io
import json
import queue
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fastavro
import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.sandbox.salesforce.rig import Outsider

LATEST, EARLIEST, CUSTOM = 0, 1, 2
SERVICE = "/eventbus.v1.PubSub"
PATIENCE = 30  # seconds for one call, a stream included
# The part of https://github.com/forcedotcom/pub-sub-api/blob/main/pubsub_api.proto that is used here.
PROTO = """
message TopicInfo { string topic_name = 1; string tenant_guid = 2; bool can_publish = 3;
  bool can_subscribe = 4; string schema_id = 5; string rpc_id = 6; }
message TopicRequest { string topic_name = 1; }
message SchemaRequest { string schema_id = 1; }
message SchemaInfo { string schema_json = 1; string schema_id = 2; string rpc_id = 3; }
message ProducerEvent { string id = 1; string schema_id = 2; bytes payload = 3; }
message ConsumerEvent { ProducerEvent event = 1; bytes replay_id = 2; }
message Error { int32 code = 1; string msg = 2; }
message PublishResult { bytes replay_id = 1; Error error = 2; string correlation_key = 3; }
message PublishRequest { string topic_name = 1; repeated ProducerEvent events = 2; }
message PublishResponse { repeated PublishResult results = 1; string schema_id = 2; string rpc_id = 3; }
message FetchRequest { string topic_name = 1; int32 replay_preset = 2; bytes replay_id = 3;
  int32 num_requested = 4; }
message FetchResponse { repeated ConsumerEvent events = 1; bytes latest_replay_id = 2; string rpc_id = 3;
  int32 pending_num_requested = 4; }
"""
TYPES = {"string": 9, "bytes": 12, "bool": 8, "int32": 5}
MESSAGE, OPTIONAL, REPEATED = 11, 1, 3


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="outsider.proto", package="eventbus.v1", syntax="proto3")
    for name, body in re.findall(r"message (\w+) \{(.*?)\}", PROTO, re.DOTALL):
        message = file.message_type.add(name=name)
        for repeated, kind, field, number in re.findall(r"(repeated )?(\w+) (\w+) = (\d+);", body):
            message.field.add(
                name=field,
                number=int(number),
                label=REPEATED if repeated else OPTIONAL,
                type=TYPES.get(kind, MESSAGE),
                type_name=None if kind in TYPES else f".eventbus.v1.{kind}",
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        each.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"eventbus.v1.{each.name}"))
        for each in file.message_type
    }


MESSAGES = _messages()


@dataclass(frozen=True)
class Heard:
    """One event as a subscriber understands it."""

    uuid: str
    replay_id: bytes
    schema: dict[str, Any]
    schema_id: str
    values: dict[str, Any]

    @property
    def header(self) -> dict[str, Any]:
        """Return the header of a change event."""
        return self.values["ChangeEventHeader"]

    @property
    def kind(self) -> str:
        """Return what happened."""
        return self.header["changeType"]

    def named(self, bitmaps: str) -> set[str]:
        """Return the names of the fields in one of the header's bitmaps, components after a dot."""
        names = set()
        for text in self.header[bitmaps]:
            place, _, bits = text.rpartition("-")
            fields, before = self.schema["fields"], ""
            if place:
                compound = fields[int(place)]
                before, fields = f"{compound['name']}.", self._components(compound)
            number = int(bits, 16)
            names |= {before + field["name"] for bit, field in enumerate(fields) if number >> bit & 1}
        return names

    def _components(self, compound: dict[str, Any]) -> list[dict[str, Any]]:
        kind = compound["type"][-1]
        if isinstance(kind, str):  # written out where the type was used first
            types = (field["type"][-1] for field in self.schema["fields"][1:])
            kind = next(each for each in types if isinstance(each, dict) and each["name"] == kind)
        return kind["fields"]


class Subscriber:
    """Somebody with an access token who listens to the org's events, and publishes some."""

    def __init__(self, outsider: Outsider, **metadata: str | None) -> None:
        told = outsider.control("GET", "pubsub")
        trust = grpc.ssl_channel_credentials(told["ca"].encode())
        self.channel = grpc.secure_channel(told["endpoint"], trust)
        token = str(outsider.http.headers["Authorization"]).removeprefix("Bearer ")
        org_id = outsider.control("GET", "org")["org_id"]
        given = {"accesstoken": token, "instanceurl": outsider.address, "tenantid": org_id, **metadata}
        self.metadata = [(name, value) for name, value in given.items() if value is not None]
        self.schemas: dict[str, dict[str, Any]] = {}
        self.streams: list[Stream] = []

    def call(self, method: str, request: str, answer: str, **values: Any) -> Any:
        """Make a call with one answer."""
        stub = self.channel.unary_unary(
            f"{SERVICE}/{method}",
            request_serializer=MESSAGES[request].SerializeToString,
            response_deserializer=MESSAGES[answer].FromString,
        )
        return stub(MESSAGES[request](**values), metadata=self.metadata, timeout=PATIENCE)

    def topic(self, name: str) -> Any:
        """Ask about a topic."""
        return self.call("GetTopic", "TopicRequest", "TopicInfo", topic_name=name)

    def schema(self, schema_id: str) -> dict[str, Any]:
        """Fetch a schema, once."""
        if schema_id not in self.schemas:
            told = self.call("GetSchema", "SchemaRequest", "SchemaInfo", schema_id=schema_id)
            self.schemas[schema_id] = json.loads(told.schema_json)
        return self.schemas[schema_id]

    def batch(self, topic: str, *events: Any) -> Any:
        """Return a request to publish payloads of the topic's schema, or records to be written with it."""
        schema_id = self.topic(topic).schema_id
        sent = []
        for number, event in enumerate(events):
            payload = event
            if isinstance(event, dict):
                out = io.BytesIO()
                fastavro.schemaless_writer(out, fastavro.parse_schema(self.schema(schema_id)), event)
                payload = out.getvalue()
            sent.append(MESSAGES["ProducerEvent"](id=f"own-{number}", schema_id=schema_id, payload=payload))
        return MESSAGES["PublishRequest"](topic_name=topic, events=sent)

    def publish(self, *batches: Any, stream: bool = False) -> list[Any]:
        """Publish batches one after the other, on one stream or each with a call of its own."""
        forms = (
            MESSAGES["PublishRequest"].SerializeToString,
            MESSAGES["PublishResponse"].FromString,
        )
        known = {"metadata": self.metadata, "timeout": PATIENCE}
        if stream:
            return list(
                self.channel.stream_stream(f"{SERVICE}/PublishStream", *forms)(iter(batches), **known)
            )
        call = self.channel.unary_unary(f"{SERVICE}/Publish", *forms)
        return [call(batch, **known) for batch in batches]

    def listen(self, topic: str, wanted: int = 100, *, preset: int = EARLIEST, after: bytes = b"") -> Stream:
        """Open a stream, from the earliest event unless told otherwise."""
        stream = Stream(self, topic, wanted, CUSTOM if after else preset, after)
        self.streams.append(stream)
        return stream

    def close(self) -> None:
        """Leave every stream and hang up."""
        for stream in self.streams:
            stream.close()
        self.channel.close()

    def understood(self, event: Any) -> Heard:
        """Decode an event."""
        produced = event.event
        schema = self.schema(produced.schema_id)
        parsed = fastavro.parse_schema(json.loads(json.dumps(schema)))
        values = fastavro.schemaless_reader(io.BytesIO(produced.payload), parsed, None)
        return Heard(produced.id, event.replay_id, schema, produced.schema_id, values)


class Stream:
    """One subscription: what is asked for, and what comes."""

    def __init__(self, subscriber: Subscriber, topic: str, wanted: int, preset: int, after: bytes) -> None:
        self.subscriber = subscriber
        self.requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        first = {"topic_name": topic, "replay_preset": preset, "replay_id": after, "num_requested": wanted}
        self.requests.put(MESSAGES["FetchRequest"](**first))
        stub = subscriber.channel.stream_stream(
            f"{SERVICE}/Subscribe",
            request_serializer=MESSAGES["FetchRequest"].SerializeToString,
            response_deserializer=MESSAGES["FetchResponse"].FromString,
        )
        asked: Iterator[Any] = iter(self.requests.get, None)
        self.responses = stub(asked, metadata=subscriber.metadata, timeout=PATIENCE)

    def ask(self, wanted: int, **values: Any) -> None:
        """Ask for more events."""
        self.requests.put(MESSAGES["FetchRequest"](num_requested=wanted, **values))

    def next(self) -> Any:
        """Return the next response."""
        return next(self.responses)

    def events(self, count: int) -> list[Heard]:
        """Wait for so many events and return them."""
        found: list[Heard] = []
        while len(found) < count:
            found += [self.subscriber.understood(event) for event in self.next().events]
        return found

    def rest(self) -> list[Any]:
        """Return the responses until the stream ends by itself."""
        return list(self.responses)

    def close(self) -> None:
        """Leave."""
        self.requests.put(None)
        self.responses.cancel()


def refusal(error: grpc.RpcError) -> tuple[grpc.StatusCode, str]:
    """Return the status of a refused call, and the error code in its trailers without its prefix."""
    trailers = dict(error.trailing_metadata())
    assert trailers["rpc-id"] in error.details()
    code = trailers["error-code"]
    assert code.startswith("sfdc.platform.eventbus.grpc.")
    return error.code(), code.removeprefix("sfdc.platform.eventbus.grpc.")
