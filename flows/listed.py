"""This module makes deliveries for the inbox of records that were found by asking, not by hearing."""

from __future__ import annotations

import msgspec

from flows.intake import Delivery
from flows.known import Row
from flows.models import Event

SWEEP = "sweep"
POLL = "poll"

_ENCODER = msgspec.json.Encoder()


def delivery(object_: str, row: Row, type_: str, *, name: str, by: str) -> Delivery:
    """
    Return the event that says that a record is otherwise than it was.

    It is of the form that events of the bus have (see flows.heard), but tells no values: whatever it leads to
    reads the record first.
    """
    stamp = row.modified.isoformat(timespec="milliseconds")
    body = {
        "id": name,
        "found_by": by,
        "type": type_,
        "entity": object_,
        "record_ids": [row.id],
        "reread": True,
        "changed": [],
        "nulled": [],
        "header": {},
        "data": {"object": {"Id": row.id, "SystemModstamp": stamp}},
    }
    return Delivery(
        external_id=name,
        body=_ENCODER.encode(body),
        type=type_,
        object_id=row.id,
        happened_at=row.modified,
        origin=Event.Origin.SWEEP.value if by == SWEEP else Event.Origin.LIVE.value,
    )
