"""
This module builds the messages of the Pub/Sub API from a description of our own.

Classes made by protoc would pin the version of the runtime that may load them. The API is described at
https://github.com/forcedotcom/pub-sub-api/blob/main/pubsub_api.proto; what we do not use is left out, and
protobuf passes over fields that it does not know.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

PACKAGE = "eventbus.v1"
SERVICE = f"/{PACKAGE}.PubSub"

LATEST, EARLIEST, CUSTOM = range(3)
_PRESETS = ("LATEST", "EARLIEST", "CUSTOM")

# The fields of each message in the order of their numbers, which begin with 1 and leave none out. A star
# stands before what is repeated.
_MESSAGES: dict[str, str] = {
    "TopicRequest": "string topic_name",
    "TopicInfo": "string topic_name, string tenant_guid, bool can_publish, bool can_subscribe, "
    "string schema_id, string rpc_id",
    "SchemaRequest": "string schema_id",
    "SchemaInfo": "string schema_json, string schema_id, string rpc_id",
    "EventHeader": "string key, bytes value",
    "ProducerEvent": "string id, string schema_id, bytes payload, *EventHeader headers",
    "ConsumerEvent": "ProducerEvent event, bytes replay_id",
    "FetchRequest": "string topic_name, ReplayPreset replay_preset, bytes replay_id, int32 num_requested, "
    "string auth_refresh",
    "FetchResponse": "*ConsumerEvent events, bytes latest_replay_id, string rpc_id, "
    "int32 pending_num_requested",
}
_PLAIN = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int32": FieldDescriptorProto.TYPE_INT32,
}


def _description() -> FileDescriptorProto:
    file = FileDescriptorProto(name="pubsub_api.proto", package=PACKAGE, syntax="proto3")
    presets = file.enum_type.add(name="ReplayPreset")
    for number, preset in enumerate(_PRESETS):
        presets.value.add(name=preset, number=number)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field in enumerate(fields.split(", "), start=1):
            _add(message, number, *field.split(" "))
    return file


def _add(message: Any, number: int, kind: str, name: str) -> None:
    repeated = kind.startswith("*")
    field = message.field.add(name=name, number=number)
    field.label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
    kind = kind.removeprefix("*")
    if kind in _PLAIN:
        field.type = _PLAIN[kind]
        return
    field.type = (
        FieldDescriptorProto.TYPE_ENUM if kind == "ReplayPreset" else FieldDescriptorProto.TYPE_MESSAGE
    )
    field.type_name = f".{PACKAGE}.{kind}"


# A pool of our own: another part of the process may know messages of the same names.
_pool = DescriptorPool()
_pool.Add(_description())


def _class(name: str) -> Any:
    return GetMessageClass(_pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))


TopicRequest = _class("TopicRequest")
TopicInfo = _class("TopicInfo")
SchemaRequest = _class("SchemaRequest")
SchemaInfo = _class("SchemaInfo")
FetchRequest = _class("FetchRequest")
FetchResponse = _class("FetchResponse")
