"""This module answers `sobjects`: describe, single records, and upsert by external id."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce import describe
from connectors.sandbox.salesforce.answers import Answer, as_json, nothing_there, refused
from connectors.sandbox.salesforce.bus.topics import captured
from connectors.sandbox.salesforce.calls import truth
from connectors.sandbox.salesforce.deletions import deletions
from connectors.sandbox.salesforce.ids import full_id
from connectors.sandbox.salesforce.saving import Several

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connectors.sandbox.salesforce.calls import Call
    from connectors.sandbox.salesforce.fields import Field
    from connectors.sandbox.salesforce.tables import Record, Table


def sobjects(call: Call) -> Answer:
    """
    Answer everything below `sobjects`.

    https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_basic_info.htm

    :raises Refused: with the error of the real resource
    """
    segments = call.segments[1:]
    if not segments:
        return _global(call)
    table = call.table(segments[0])
    if len(segments) == 1:
        return _basic(call, table)
    if segments[1] == "describe" and len(segments) == 2:
        return _describe(call, table)
    if segments[1] == "deleted" and len(segments) == 2:
        return deletions(call, table)
    if len(segments) == 2:
        return _by_id(call, table, segments[1])
    if len(segments) == 3:
        return _by_external_id(call, table, segments[1], segments[2])
    raise nothing_there()


def _global(call: Call) -> Answer:
    call.allow("GET", "HEAD")
    if _unchanged(call):
        return Answer(304)
    objects = call.objects.values()
    told = [describe.summary(thing, call.version) for thing in objects]
    told += [describe.change_event(thing, call.version) for thing in objects if captured(thing)]
    return as_json({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": told}, Last_Modified=_changed(call))


def _describe(call: Call, table: Table) -> Answer:
    call.allow("GET", "HEAD")
    if _unchanged(call):
        return Answer(304)
    thing = table.shape.object
    told = describe.full(thing, call.objects, call.version, call.org.offers(call.user.id, thing))
    return as_json(told, Last_Modified=_changed(call))


def _changed(call: Call) -> str:
    return format_datetime(datetime.fromtimestamp(call.org.schema_changed, UTC), usegmt=True)


def _unchanged(call: Call) -> bool:
    """Say whether the caller's `If-Modified-Since` is as new as the schema."""
    since = call.headers.get("if-modified-since")
    if not since:
        return False
    try:
        return parsedate_to_datetime(since).timestamp() >= call.org.schema_changed
    except ValueError:
        return False


def _basic(call: Call, table: Table) -> Answer:
    call.allow("GET", "POST")
    if call.method == "GET":
        told = describe.summary(table.shape.object, call.version)
        return as_json({"objectDescribe": told, "recentItems": []})
    saving = call.saving()
    saved = saving.create(table, call.json())
    saving.settle()
    address = f"/services/data/v{call.version}/sobjects/{table.shape.object.name}/{saved.id}"
    told = {"id": saved.id, "success": True, "errors": saved.errors}
    return as_json(told, 201, Location=address)


def _by_id(call: Call, table: Table, id_text: str) -> Answer:
    call.allow("GET", "PATCH", "DELETE")
    id18 = full_id(id_text)
    if id18 is None or not id18.startswith(table.shape.object.prefix):
        message = f"Provided external ID field does not exist or is not accessible: {id_text}"
        raise refused("NOT_FOUND", message)
    record = table.records.get(id18)
    if record is None:
        raise nothing_there()
    if call.method == "GET":
        return _show(call, table, record)
    saving = call.saving()
    if call.method == "DELETE":
        saving.delete(table, record)
    else:
        body = call.json()
        _refuse_key(body, "Id")
        saving.update(table, record, body)
    saving.settle()
    return Answer(204)


def _by_external_id(call: Call, table: Table, field_name: str, value: str) -> Answer:
    call.allow("GET", "PATCH", "DELETE")
    field = _key_field(table, field_name)
    if not value:
        raise nothing_there()
    if call.method == "PATCH":
        return _upsert(call, table, field, value)
    if field.type == "id":
        return _by_id(call, table, value)
    found = table.find(field, table.shape.value_of(field, value))
    if not found:
        raise nothing_there()
    if len(found) > 1:
        return _several(call, table, found)
    if call.method == "GET":
        return _show(call, table, found[0])
    saving = call.saving()
    saving.delete(table, found[0])
    saving.settle()
    return Answer(204)


def _key_field(table: Table, name: str) -> Field:
    field = table.shape.lowered.get(name.lower())
    if field is None or not (field.external_id or field.id_lookup):
        message = f"Provided external ID field does not exist or is not accessible: {name}"
        raise refused("NOT_FOUND", message)
    return field


def _upsert(call: Call, table: Table, field: Field, value: str) -> Answer:
    body = call.json()
    _refuse_key(body, "Id")
    _refuse_key(body, field.name)
    saving = call.saving()
    try:
        saved = saving.upsert(table, field, value, body, update_only=truth(call.query.get("updateOnly")))
    except Several as several:
        return _several(call, table, several.records)
    saving.settle()
    status = 201 if saved.created else 200
    return as_json({"id": saved.id, "success": True, "errors": [], "created": saved.created}, status)


def _refuse_key(body: dict[str, Any], name: str) -> None:
    if any(key.lower() == name.lower() for key in body):
        raise refused("INVALID_FIELD", f"The {name} field should not be specified in the sobject data.")


def _several(call: Call, table: Table, records: Iterable[Record]) -> Answer:
    """Return the addresses of the records among which the caller has to choose."""
    name = table.shape.object.name
    return as_json([f"/services/data/v{call.version}/sobjects/{name}/{record.id}" for record in records], 300)


def _show(call: Call, table: Table, record: Record) -> Answer:
    if record.deleted:
        raise nothing_there()
    wanted = call.query.get("fields")
    names = [name.strip() for name in wanted.split(",")] if wanted else None
    return as_json(shown(table, record, call.version, names))


def shown(table: Table, record: Record, version: str, names: Iterable[str] | None = None) -> dict[str, Any]:
    """
    Return a record as `sobjects` shows it, whole or only the fields called `names`.

    :raises Refused: if there is no such field
    """
    name = table.shape.object.name
    told: dict[str, Any] = {
        "attributes": {"type": name, "url": f"/services/data/v{version}/sobjects/{name}/{record.id}"}
    }
    fields = table.shape.object.fields if names is None else [table.shape.field(each) for each in names]
    for field in fields:
        told[field.name] = (
            _address(field, record) if field.type == "address" else record.values.get(field.name)
        )
    if names is not None:
        told.setdefault("Id", record.id)
    return told


def _address(field: Field, record: Record) -> dict[str, Any] | None:
    stem = field.name.removesuffix("Address")
    parts = {
        part: record.values.get(f"{stem}{part[0].upper()}{part[1:]}")
        for part in ("city", "country", "latitude", "longitude", "postalCode", "state", "street")
    }
    return {**parts, "geocodeAccuracy": None} if any(v is not None for v in parts.values()) else None
