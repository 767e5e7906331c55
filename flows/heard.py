"""This module makes deliveries for the inbox of what an org's event bus brought."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import msgspec

from connectors.salesforce.pubsub.client import Heard
from connectors.salesforce.pubsub.events import Read
from flows.intake import Delivery

_ID = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def delivery(topic: str, heard: Heard, read: Read) -> Delivery:
    """
    Return an event of `topic` for the inbox.

    Its body holds the values that are to be believed under `data.object`, by the names of the API: a field
    that is absent is unchanged, one that is null was emptied. `reread` says that the record has to be read
    first.
    """
    first = read.record_ids[0] if read.record_ids else ""
    body = {
        **_label(topic, heard),
        "type": read.type,
        "entity": read.object,
        "record_ids": read.record_ids,
        "reread": read.reread or read.unnamed,
        "changed": read.changed,
        "nulled": read.nulled,
        "header": read.header,
        "data": {"object": ({"Id": first} if first else {}) | read.values},
    }
    return Delivery(
        external_id=name_of(topic, heard),
        body=_ENCODER.encode(body),
        type=read.type,
        object_id=first,
        happened_at=read.happened_at,
    )


def unreadable(topic: str, heard: Heard, reason: str) -> Delivery:
    """Return an event that nobody can read, as it came: it is kept and shown to a person."""
    body = {**_label(topic, heard), "payload": base64.b64encode(heard.payload).decode()}
    return Delivery(external_id=name_of(topic, heard), body=_ENCODER.encode(body), unreadable=reason[:200])


def name_of(topic: str, heard: Heard) -> str:
    """
    Return the name by which a second delivery of an event is known: Salesforce's own, which is unique.

    The position is not; it may come again after an org was moved:
    https://developer.salesforce.com/docs/platform/pub-sub-api/guide/event-message-durability.html
    """
    if _ID.fullmatch(heard.id):
        return heard.id
    told = b"\0".join((topic.encode(), heard.replay_id, heard.id.encode("utf-8", "replace"), heard.payload))
    return f"bus:{hashlib.sha256(told).hexdigest()}"


def _label(topic: str, heard: Heard) -> dict[str, Any]:
    return {
        "id": name_of(topic, heard),
        "topic": topic,
        "replay_id": heard.replay_id.hex(),
        "schema_id": heard.schema_id,
    }
