"""This module makes the messages of the Pub/Sub API from a description, so no code is generated for them."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

PACKAGE = "eventbus.v1"
SERVICE = f"{PACKAGE}.PubSub"
# The fields of a message are numbered from 1 in this order.
# https://github.com/forcedotcom/pub-sub-api/blob/main/pubsub_api.proto
MESSAGES: dict[str, tuple[str, ...]] = {
    "TopicInfo": (
        "string topic_name",
        "string tenant_guid",
        "bool can_publish",
        "bool can_subscribe",
        "string schema_id",
        "string rpc_id",
    ),
    "TopicRequest": ("string topic_name",),
    "EventHeader": ("string key", "bytes value"),
    "ProducerEvent": ("string id", "string schema_id", "bytes payload", "repeated EventHeader headers"),
    "ConsumerEvent": ("ProducerEvent event", "bytes replay_id"),
    "PublishResult": ("bytes replay_id", "Error error", "string correlation_key"),
    "Error": ("ErrorCode code", "string msg"),
    "FetchRequest": (
        "string topic_name",
        "ReplayPreset replay_preset",
        "bytes replay_id",
        "int32 num_requested",
        "string auth_refresh",
    ),
    "FetchResponse": (
        "repeated ConsumerEvent events",
        "bytes latest_replay_id",
        "string rpc_id",
        "int32 pending_num_requested",
    ),
    "SchemaRequest": ("string schema_id",),
    "SchemaInfo": ("string schema_json", "string schema_id", "string rpc_id"),
    "PublishRequest": ("string topic_name", "repeated ProducerEvent events", "string auth_refresh"),
    "PublishResponse": ("repeated PublishResult results", "string schema_id", "string rpc_id"),
}
ENUMS: dict[str, tuple[str, ...]] = {
    "ErrorCode": ("UNKNOWN", "PUBLISH", "COMMIT"),
    "ReplayPreset": ("LATEST", "EARLIEST", "CUSTOM"),
}
LATEST, EARLIEST, CUSTOM = range(3)
PUBLISH_FAILED = 1
SCALARS = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int32": FieldDescriptorProto.TYPE_INT32,
}


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="pubsub_api.proto", package=PACKAGE, syntax="proto3")
    for name, values in ENUMS.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, text in enumerate(fields, start=1):
            _add_field(message, number, text.split())
    return file


def _add_field(message: Any, number: int, words: list[str]) -> None:
    kind, name = words[-2:]
    repeated = words[0] == "repeated"
    field = message.field.add(
        name=name,
        number=number,
        label=FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL,
    )
    if kind in SCALARS:
        field.type = SCALARS[kind]
        return
    field.type = FieldDescriptorProto.TYPE_ENUM if kind in ENUMS else FieldDescriptorProto.TYPE_MESSAGE
    field.type_name = f".{PACKAGE}.{kind}"


def _classes() -> dict[str, Any]:
    # A pool of its own, since a client in the same process may bring messages of the same names.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in MESSAGES
    }


CLASSES = _classes()
TopicInfo = CLASSES["TopicInfo"]
TopicRequest = CLASSES["TopicRequest"]
ProducerEvent = CLASSES["ProducerEvent"]
ConsumerEvent = CLASSES["ConsumerEvent"]
PublishResult = CLASSES["PublishResult"]
PublishError = CLASSES["Error"]
FetchRequest = CLASSES["FetchRequest"]
FetchResponse = CLASSES["FetchResponse"]
SchemaRequest = CLASSES["SchemaRequest"]
SchemaInfo = CLASSES["SchemaInfo"]
PublishRequest = CLASSES["PublishRequest"]
PublishResponse = CLASSES["PublishResponse"]
