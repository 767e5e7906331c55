"""This module answers `ui-api`: which values the picklists of an object have for a record type."""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.answers import Answer, as_json, nothing_there
from connectors.sandbox.salesforce.ids import full_id
from connectors.sandbox.salesforce.record_types import MASTER

if TYPE_CHECKING:
    from connectors.sandbox.salesforce.calls import Call
    from connectors.sandbox.salesforce.fields import Field, RecordType

# What texts are told with, unless a header wants them as they are:
# https://developer.salesforce.com/docs/atlas.en-us.uiapi.meta/uiapi/intro_encoding.htm
_ENTITIES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\\": "&#92;"}
)


def ui(call: Call) -> Answer:
    """
    Answer the values of every picklist of an object for one record type.

    https://developer.salesforce.com/docs/atlas.en-us.uiapi.meta/uiapi/ui_api_resources_picklist_values_collection.htm

    :raises Refused: for an address that leads nowhere
    """
    call.allow("GET")
    match call.segments[1:]:
        case ["object-info", name, "picklist-values", id_text]:
            thing = call.table(name).shape.object
        case _:
            raise nothing_there()
    id18 = full_id(id_text) if id_text != MASTER else MASTER
    kind = next((each for each in thing.record_types if each.id == id18), None)
    if kind is None and id18 != MASTER:
        raise nothing_there()
    address = f"/services/data/v{call.version}/ui-api/object-info/{thing.name}/picklist-values/{id18}"
    told = {each.name: _values(each, kind, f"{address}/{each.name}") for each in thing.fields if each.choices}
    is_plain = call.headers.get("x-chatter-entity-encoding", "").lower() == "false"
    return as_json({"eTag": _tag(told), "picklistFieldValues": told if is_plain else _encoded(told)})


def _encoded(value: Any) -> Any:
    if isinstance(value, str):
        return value.translate(_ENTITIES)
    if isinstance(value, dict):
        return {name: _encoded(part) for name, part in value.items()}
    return [_encoded(part) for part in value] if isinstance(value, list) else value


def _values(field: Field, kind: RecordType | None, address: str) -> dict[str, Any]:
    taken = kind.picklists.get(field.name, field.choices) if kind is not None else field.choices
    values = [_value(value) for value in field.choices if value in taken]
    default = _value(str(field.default)) if field.default in taken else None
    told = {"controllerValues": {}, "defaultValue": default, "url": address, "values": values}
    return {**told, "eTag": _tag(values)}


def _value(value: str) -> dict[str, Any]:
    return {"attributes": None, "label": value, "validFor": [], "value": value}


def _tag(told: object) -> str:
    return md5(repr(told).encode(), usedforsecurity=False).hexdigest()
