"""This module writes events in Avro, and reads those that are published."""

from __future__ import annotations

import difflib
import hashlib
import io
import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import fastavro

from connectors.sandbox.salesforce.bus.bitmaps import bitmaps
from connectors.sandbox.salesforce.bus.changes import Change, is_told_as_difference
from connectors.sandbox.salesforce.values import stored_moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.sandbox.salesforce.bus.events import Published
    from connectors.sandbox.salesforce.bus.schemas import Schema, Schemas, Slot
    from connectors.sandbox.salesforce.fields import Field, SObject

Encoded = tuple[str, bytes]  # the id of the schema, and the payload
UNREADABLE = (EOFError, ValueError, IndexError, TypeError, OverflowError, struct.error)
TOLD_WHOLE = frozenset({"CREATE", "UNDELETE"})


def encode(fact: Published | Change, schemas: Schemas, hidden: frozenset[str]) -> Encoded:
    """Return an event as it is delivered to somebody from whom these fields are `hidden`."""
    if not isinstance(fact, Change):
        return _published(fact, schemas.of(fact.object))
    known = fact.encoded.get(hidden)
    if known is None:
        known = fact.encoded[hidden] = _change(fact, schemas.of(fact.object), hidden)
    return known


def _published(event: Published, schema: Schema) -> Encoded:
    stamps = {"CreatedDate": stored_moment(datetime.fromtimestamp(event.at, UTC)), "CreatedById": event.user}
    values = {**event.values, **stamps}
    return schema.id, _written(schema, {slot.field.name: _value(slot, values) for slot in schema.slots})


def _change(change: Change, schema: Schema, hidden: frozenset[str]) -> Encoded:
    shown = change.changed if change.kind == "UPDATE" else ()
    changed = [name for name in shown if name not in hidden]
    differing = [name for name in changed if is_told_as_difference(change, name)]
    values: dict[str, Any] = {}
    if change.kind in TOLD_WHOLE:
        values = {name: value for name, value in change.after.items() if name not in hidden}
    elif change.kind == "UPDATE":
        values = {name: change.after.get(name) for name in changed}
        values.update({name: difference(change.before[name], change.after[name]) for name in differing})
    record: dict[str, Any] = {slot.field.name: _value(slot, values) for slot in schema.slots}
    transaction = change.transaction
    record["ChangeEventHeader"] = {
        "entityName": change.object.name,
        "recordIds": change.ids,
        "changeType": change.kind,
        "changeOrigin": transaction.origin,
        "transactionKey": transaction.key,
        "sequenceNumber": change.sequence,
        "commitTimestamp": transaction.at,
        "commitNumber": transaction.number,
        "commitUser": transaction.user_id,
        "nulledFields": bitmaps(schema, [name for name in changed if values[name] is None]),
        "diffFields": bitmaps(schema, differing),
        "changedFields": bitmaps(schema, changed),
    }
    return schema.id, _written(schema, record)


def _written(schema: Schema, record: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema.parsed, record)
    return out.getvalue()


def _value(slot: Slot, values: Mapping[str, Any]) -> Any:
    """Return what fills a slot; a compound field without any component is empty as a whole."""
    if not slot.parts:
        return _avro(slot.field, values.get(slot.field.name))
    given = {part.name: _avro(part.field, values.get(part.field.name)) for part in slot.parts}
    if all(value is None for value in given.values()):
        return None
    return {name: given.get(name) for name in slot.width}


def _avro(field: Field, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, Decimal):
        return float(value)
    if field.type in {"date", "datetime"}:
        moment = datetime.fromisoformat(value)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
    return value


def difference(before: str, after: str) -> str:
    """Return how a text differs from what it was, with the SHA-256 of what it is."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    told = list(lines)[2:]
    digest = hashlib.sha256(after.encode()).hexdigest()
    return "\n".join(["--- ", f"+++ {digest}", *told]) + "\n"


def decode(payload: bytes, schema: Schema, thing: SObject) -> dict[str, Any]:
    """
    Return the values of a platform event that a client has published, as the REST API would take them.

    :raises ValueError: if the payload does not fit the schema
    """
    try:
        record = fastavro.schemaless_reader(io.BytesIO(payload), schema.parsed, None)
    except UNREADABLE as reason:
        raise ValueError(f"The payload can't be read with the schema {schema.id}: {reason}") from reason
    assert isinstance(record, dict)
    fields = {field.name: field for field in thing.fields if field.createable}
    return {name: _json(fields[name], record[name]) for name in record if name in fields}


def _json(field: Field, value: Any) -> Any:
    """
    Return a value of Avro as the REST API would have it.

    :raises ValueError: if it is a time beyond all calendars
    """
    if isinstance(value, float):
        return Decimal(str(value))
    if field.type not in {"date", "datetime"} or value is None:
        return value
    try:
        moment = datetime.fromtimestamp(value / 1_000, UTC)
    except (OverflowError, OSError) as reason:
        raise ValueError(f"{field.name} is out of range") from reason
    return moment.date().isoformat() if field.type == "date" else stored_moment(moment)
