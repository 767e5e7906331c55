"""This module answers `composite/sobjects`: up to 200 records in one call."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.answers import Answer, Problem, Refused, as_json, nothing_there, refused
from connectors.sandbox.salesforce.calls import truth
from connectors.sandbox.salesforce.ids import full_id
from connectors.sandbox.salesforce.record_resources import shown
from connectors.sandbox.salesforce.saving import Several

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connectors.sandbox.salesforce.calls import Call
    from connectors.sandbox.salesforce.fields import Field
    from connectors.sandbox.salesforce.saving import Saved, Saving
    from connectors.sandbox.salesforce.tables import Table

    Save = Callable[[Saving, dict[str, Any]], Saved]

MOST = 200
ROLLED_BACK = Problem(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)


def collections(call: Call) -> Answer:
    """
    Answer everything below `composite/sobjects`.

    https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm

    :raises Refused: with the error of the real resource
    """
    segments = call.segments[2:]
    if not segments:
        return _any_object(call)
    table = call.table(segments[0])
    if len(segments) == 1:
        return _retrieve(call, table)
    if len(segments) == 2:
        call.allow("PATCH")
        return _upsert(call, table, segments[1])
    raise nothing_there()


def _any_object(call: Call) -> Answer:
    call.allow("POST", "PATCH", "DELETE")
    if call.method == "DELETE":
        return _delete(call)
    items, all_or_none = _items(call)
    save = _create(call) if call.method == "POST" else _update(call, items)
    return _save_all(call, items, save, all_or_none=all_or_none, upsert=False)


def _items(call: Call) -> tuple[list[dict[str, Any]], bool]:
    """Return the records of the body, each with its type, and whether all of them stand or fall together."""
    body = call.json()
    items = body.get("records")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise refused("JSON_PARSER_ERROR", "records: a list of objects is expected at [line:1, column:1]")
    _refuse_too_many(len(items))
    for item in items:
        attributes = item.get("attributes")
        if not isinstance(attributes, dict) or not isinstance(attributes.get("type"), str):
            raise refused("MISSING_ARGUMENT", "Each record needs attributes with its type.")
    return items, truth(body.get("allOrNone", False))


def _refuse_too_many(count: int) -> None:
    if count > MOST:
        message = f"record limit reached. cannot submit more than {MOST} records into this call"
        raise refused("EXCEEDED_ID_LIMIT", message)


def _table(call: Call, item: dict[str, Any]) -> Table:
    name = item["attributes"]["type"]
    try:
        return call.table(name)
    except Refused:
        raise refused("INVALID_TYPE", f"sObject type '{name}' is not supported.", dml=True) from None


def _create(call: Call) -> Save:
    def save(saving: Saving, item: dict[str, Any]) -> Saved:
        return saving.create(_table(call, item), item)

    return save


def _update(call: Call, items: list[dict[str, Any]]) -> Save:
    named = Counter(full_id(_pop_id(dict(item))) for item in items)

    def save(saving: Saving, item: dict[str, Any]) -> Saved:
        body = dict(item)
        table, id_text = _table(call, item), _pop_id(body)
        if id_text is None:
            raise refused("MISSING_ARGUMENT", "Id not specified in an update call", dml=True)
        record = saving.record(table, id_text)
        if named[record.id] > 1:
            raise refused("DUPLICATE_VALUE", f"Duplicate id specified: {record.id}", "Id")
        return saving.update(table, record, body)

    return save


def _pop_id(body: dict[str, Any]) -> object:
    """Take the id out of a record's body; its name may be written in any case."""
    name = next((key for key in body if key.lower() == "id"), None)
    return None if name is None else body.pop(name)


def _upsert(call: Call, table: Table, field_name: str) -> Answer:
    items, all_or_none = _items(call)
    field = table.shape.lowered.get(field_name.lower())
    if field is None or not (field.external_id or field.id_lookup):
        message = f"Provided external ID field does not exist or is not accessible: {field_name}"
        raise refused("NOT_FOUND", message)
    save = _upsert_by_id(table, items, field) if field.type == "id" else _upsert_by_key(table, items, field)
    return _save_all(call, items, save, all_or_none=all_or_none, upsert=True)


def _upsert_by_key(table: Table, items: list[dict[str, Any]], field: Field) -> Save:
    values = Counter(value for item in items if isinstance(value := item.get(field.name), str))
    twice = {value for value, count in values.items() if count > 1}
    name = table.shape.object.name

    def save(saving: Saving, item: dict[str, Any]) -> Saved:
        _refuse_other_type(item, name)
        value = item.get(field.name)
        if isinstance(value, str) and value in twice:
            raise refused("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", field.name)
        body = {key: given for key, given in item.items() if key not in {field.name, "attributes"}}
        if any(key.lower() == "id" for key in body):
            message = "The Id field should not be specified in the sobject data."
            raise refused("INVALID_FIELD", message, dml=True)
        try:
            return saving.upsert(table, field, value, body)
        except Several as several:
            ids = ", ".join(record.id for record in several.records)
            message = f"{value}: more than one record found for external id field: [{ids}]"
            raise refused("DUPLICATE_EXTERNAL_ID", message, field.name) from several

    return save


def _upsert_by_id(table: Table, items: list[dict[str, Any]], field: Field) -> Save:
    """Return the save for `.../Id`: records with an id are changed, the others made."""
    named = Counter(full_id(_pop_id(dict(item))) for item in items)
    name = table.shape.object.name

    def save(saving: Saving, item: dict[str, Any]) -> Saved:
        _refuse_other_type(item, name)
        body = dict(item)
        id_text = _pop_id(body)
        if id_text is None:
            return saving.create(table, body)
        if named[full_id(id_text)] > 1:
            raise refused("DUPLICATE_VALUE", f"Duplicate id specified: {id_text}", field.name)
        return saving.upsert(table, field, id_text, body)

    return save


def _refuse_other_type(item: dict[str, Any], name: str) -> None:
    if item["attributes"]["type"].lower() != name.lower():
        message = f"The type of the record must be {name}, as in the address."
        raise refused("INVALID_TYPE", message, dml=True)


def _save_all(
    call: Call, items: list[dict[str, Any]], save: Save, *, all_or_none: bool, upsert: bool
) -> Answer:
    """Save each record on its own and answer in the order of the request, 200 even if every one failed."""
    saving = call.saving()
    results: list[dict[str, Any]] = []
    for item in items:
        try:
            saved = save(saving, item)
        except Refused as refusal:
            results.append(_failed(refusal.problems, upsert=upsert))
            continue
        result: dict[str, Any] = {
            "id": saved.id,
            "success": True,
            "errors": saved.errors,
        }
        if upsert:
            result["created"] = saved.created
        results.append(result)
    return _conclude(saving, results, all_or_none=all_or_none, upsert=upsert)


def _conclude(saving: Saving, results: list[dict[str, Any]], *, all_or_none: bool, upsert: bool) -> Answer:
    if all_or_none and not all(result["success"] for result in results):
        saving.undo()
        rolled_back = _failed((ROLLED_BACK,), upsert=upsert)
        results = [rolled_back if result["success"] else result for result in results]
    else:
        saving.settle()
    return as_json(results)


def _failed(problems: Sequence[Problem], *, upsert: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"success": False, "errors": [problem.as_item() for problem in problems]}
    if upsert:
        result["created"] = False
    return result


def _delete(call: Call) -> Answer:
    ids = [text.strip() for text in call.query.get("ids", "").split(",") if text.strip()]
    _refuse_too_many(len(ids))
    if not ids:
        raise refused("MISSING_ARGUMENT", "The ids parameter is required.")
    saving = call.saving()
    results: list[dict[str, Any]] = []
    for text in ids:
        try:
            table = _table_of_id(call, text)
            record = saving.record(table, text)
            saving.delete(table, record)
        except Refused as refusal:
            results.append({"id": text, **_failed(refusal.problems, upsert=False)})
        else:
            results.append({"id": record.id, "success": True, "errors": []})
    return _conclude(saving, results, all_or_none=truth(call.query.get("allOrNone")), upsert=False)


def _table_of_id(call: Call, text: str) -> Table:
    id18 = full_id(text)
    for table in call.tables.values():
        if id18 is not None and id18.startswith(table.shape.object.prefix):
            return table
    raise refused("MALFORMED_ID", f"malformed id {text[:100]}", "Id")


def _retrieve(call: Call, table: Table) -> Answer:
    """Return the records with the given ids, null in place of those that are not there."""
    call.allow("GET", "POST")
    if call.method == "GET":
        ids, names = call.query.get("ids", "").split(","), call.query.get("fields", "").split(",")
    else:
        body = call.json()
        ids, names = list(body.get("ids") or ()), list(body.get("fields") or ())
    _refuse_too_many(len(ids) if call.method == "GET" else min(len(ids), MOST))
    wanted = [name.strip() for name in names if name.strip()]
    if not wanted or not any(ids):
        raise refused("MISSING_ARGUMENT", "The ids and fields parameters are required.")
    records = [table.records.get(full_id(text) or "") for text in ids]
    return as_json(
        [
            shown(table, record, call.version, wanted) if record is not None and not record.deleted else None
            for record in records
        ]
    )
