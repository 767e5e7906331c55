"""This module holds an event bus that a test fills: as much of the Pub/Sub API as a listener needs."""

from __future__ import annotations

import ipaddress
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from connectors.models import Topic
from connectors.salesforce.pubsub import messages
from flows.listening import Listener
from flows.models import Event
from tests.stage import until
from tests.unit.connectors.salesforce.pubsub import avro

TOPIC = "/data/AccountChangeEvent"
FIELDS: dict[str, str | list[str]] = {"Name": "string", "Phone": "string"}
PREFIX = "sfdc.platform.eventbus.grpc."


@dataclass
class Refusal:
    """How a call ends."""

    status: grpc.StatusCode
    code: str

    def end(self, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata((("error-code", PREFIX + self.code), ("rpc-id", "rpc-1")))
        context.abort(self.status, "refused")


EXPIRED = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "subscription.fetch.replayid.corrupted")
DENIED = Refusal(grpc.StatusCode.PERMISSION_DENIED, "subscription.topic.cannot.subscribe")
SESSION_OVER = Refusal(grpc.StatusCode.UNAUTHENTICATED, "service.auth.error")
GONE = Refusal(grpc.StatusCode.UNAVAILABLE, "service.unavailable")


@dataclass
class EventBus:
    """One topic with its events. A position is the number of events before it, which is nobody's business."""

    address: str = ""
    certificate: str = ""
    events: list[tuple[str, bytes]] = field(default_factory=list)
    starts: list[tuple[int, int]] = field(default_factory=list)  # preset and position of each stream
    tokens: list[str] = field(default_factory=list)  # that GetTopic was asked with
    most_outstanding: int = 0
    refuses: dict[str, Refusal] = field(default_factory=dict)  # by method; Subscribe refuses at its beginning
    over: set[str] = field(default_factory=set)  # tokens that are valid no more
    moved: threading.Condition = field(default_factory=threading.Condition)
    cut_with: Refusal | None = None
    keepalive: bool = False
    closed: bool = False

    def happen(self, *names: str, header: dict[str, Any] | None = None, at: datetime | None = None) -> None:
        """Let events happen, each known by its name."""
        told = {"changedFields": [avro.bitmap([1])], "commitTimestamp": _stamp(at)} | (header or {})
        with self.moved:
            for name in names:
                self.events.append((name, avro.payload(FIELDS, told, {"Name": name})))
            self.moved.notify_all()

    def send(self, name: str, payload: bytes) -> None:
        """Let something happen that is written by nobody's schema."""
        with self.moved:
            self.events.append((name, payload))
            self.moved.notify_all()

    def cut(self, refusal: Refusal = GONE) -> None:
        """End the streams that are open."""
        with self.moved:
            self.cut_with = refusal
            self.moved.notify_all()

    def stay_silent(self) -> None:
        """Say how far the bus has come, and no more."""
        with self.moved:
            self.keepalive = True
            self.moved.notify_all()

    # What gRPC asks

    def topic(self, request: Any, context: grpc.ServicerContext) -> Any:
        token = self._session(context)
        self.tokens.append(token)
        self._refuse("GetTopic", context)
        return messages.TopicInfo(topic_name=request.topic_name, schema_id="s1", can_subscribe=True)

    def schema(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._session(context)
        self._refuse("GetSchema", context)
        return messages.SchemaInfo(
            schema_json=json.dumps(avro.schema("AccountChangeEvent", FIELDS)), schema_id=request.schema_id
        )

    def subscribe(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        self._session(context)
        first = next(requests)
        self._refuse("Subscribe", context)
        position = self._position(first)
        with self.moved:
            self.starts.append((first.replay_preset, position))
            self.cut_with = None
        wanted = [first.num_requested]
        threading.Thread(target=self._count, args=(requests, wanted), daemon=True).start()
        while True:
            with self.moved:
                self._wait(position, wanted)
                if not context.is_active() or self.closed:
                    return
                if self.cut_with is not None:
                    break
                batch = self.events[position : position + min(wanted[0], 100)]
                if not batch and not self.keepalive:
                    continue
                self.keepalive = False
                position += len(batch)
                wanted[0] -= len(batch)
            yield self._response(batch, position, wanted[0])
        self.cut_with.end(context)

    def _position(self, first: Any) -> int:
        if first.replay_preset == messages.CUSTOM:
            return int.from_bytes(first.replay_id)
        return 0 if first.replay_preset == messages.EARLIEST else len(self.events)

    def _wait(self, position: int, wanted: list[int]) -> None:
        def due() -> bool:
            more = len(self.events) > position and wanted[0] > 0
            return more or self.keepalive or self.cut_with is not None or self.closed

        self.moved.wait_for(due, timeout=0.5)

    def _count(self, requests: Iterator[Any], wanted: list[int]) -> None:
        try:
            for request in requests:
                with self.moved:
                    wanted[0] += request.num_requested
                    self.most_outstanding = max(self.most_outstanding, wanted[0])
                    self.moved.notify_all()
        except Exception:  # the call is over, which gRPC tells in many ways
            return

    def _response(self, batch: list[tuple[str, bytes]], position: int, pending: int) -> Any:
        answer = messages.FetchResponse(
            latest_replay_id=position.to_bytes(8), rpc_id="rpc-1", pending_num_requested=pending
        )
        for number, (name, payload) in enumerate(batch, start=position - len(batch) + 1):
            one = answer.events.add(replay_id=number.to_bytes(8))
            one.event.id, one.event.schema_id, one.event.payload = name, "s1", payload
        return answer

    def _session(self, context: grpc.ServicerContext) -> str:
        token = str(dict(context.invocation_metadata())["accesstoken"])
        if token in self.over:
            SESSION_OVER.end(context)
        return token

    def _refuse(self, method: str, context: grpc.ServicerContext) -> None:
        if method in self.refuses:
            self.refuses[method].end(context)


def _stamp(at: datetime | None) -> int:
    return int((at or datetime.now(UTC)).timestamp() * 1000)


@contextmanager
def an_event_bus() -> Iterator[EventBus]:
    """Serve an event bus on loopback."""
    bus = EventBus()
    server = grpc.server(ThreadPoolExecutor(max_workers=12), options=(("grpc.so_reuseport", 0),))
    fetch, response = messages.FetchRequest, messages.FetchResponse
    handlers = {
        "GetTopic": grpc.unary_unary_rpc_method_handler(
            bus.topic, messages.TopicRequest.FromString, messages.TopicInfo.SerializeToString
        ),
        "GetSchema": grpc.unary_unary_rpc_method_handler(
            bus.schema, messages.SchemaRequest.FromString, messages.SchemaInfo.SerializeToString
        ),
        "Subscribe": grpc.stream_stream_rpc_method_handler(
            bus.subscribe, fetch.FromString, response.SerializeToString
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("eventbus.v1.PubSub", handlers),))
    key, certificate = _certificate()
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    bus.address, bus.certificate = f"127.0.0.1:{port}", certificate.decode()
    server.start()
    try:
        yield bus
    finally:
        bus.closed = True
        server.stop(grace=None).wait(5)


def _certificate() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "event bus of a test")])
    now = datetime.now(UTC)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(loopback, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    return (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        certificate.public_bytes(Encoding.PEM),
    )


# What a listener makes of it


def hears(listener: Listener, bus: EventBus, *, streams: int = 1) -> None:
    """Turn until the topic is heard."""

    def turned() -> bool:
        listener.turn()
        return len(bus.starts) >= streams

    until(turned, seconds=60, what="the topic is heard", found=lambda: list(Topic.objects.values()))


def kept(*names: str) -> None:
    def all_there() -> bool:
        return list(Event.objects.order_by("id").values_list("external_id", flat=True)) == list(names)

    until(all_there, seconds=60, what=f"{names} are kept", found=lambda: list(Event.objects.values()))


def stands(topic: Topic, **values: Any) -> None:
    rows = Topic.objects.filter(pk=topic.pk)
    until(
        lambda: rows.filter(**values).exists(),
        seconds=60,
        what=f"{values}",
        found=lambda: list(rows.values()),
    )
