"""
This module asks an org what its objects consist of, and keeps of the answer what a mapping has to know.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_describeGlobal.htm
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors.base import Answer, Params
from connectors.salesforce.client import Org, json_of
from connectors.salesforce.errors import unreadable
from integrator.kernel import errors
from integrator.kernel.texts import storable

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
RECORD_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
MOST_FIELDS = 2_000  # an object has 800 custom fields at most, and a few hundred of its own
MOST_OBJECTS = 5_000
MOST_VALUES = 1_000  # of a picklist
MOST_TYPES = 40  # of an object's records, about whose picklists it is asked: each costs a call
LONGEST_TEXT = 255
LONGEST_HELP = 510

# What is kept of a field: texts, numbers and yes-or-no under the names that describe has for them.
_TEXTS = ("label", "type", "relationshipName", "controllerName", "compoundFieldName")
_NUMBERS = ("length", "precision", "scale", "digits")
_FLAGS = (
    "nillable", "defaultedOnCreate", "createable", "updateable", "restrictedPicklist", "dependentPicklist",
    "externalId", "idLookup", "unique", "calculated", "autoNumber", "caseSensitive", "nameField", "custom",
    "filterable", "encrypted",
)  # fmt: skip
_OBJECT_TEXTS = ("label", "labelPlural", "keyPrefix")
_OBJECT_FLAGS = ("custom", "createable", "updateable", "deletable", "queryable")


def describe(org: Org, params: Params) -> Answer:
    """
    Ask for the description of one `object`; `since` is the `last_modified` of an earlier answer.

    The date covers rights and labels too, not only fields:
    https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_describeGlobal.htm

    :raises IntegrationError: if the org does not tell
    """
    name = str(params.get("object") or "")
    if not NAME.fullmatch(name):
        raise errors.Refused(f"{name!r} is no API name of an object.", code="INVALID_TYPE", field="object")
    return _asked(org, f"{org.data}/sobjects/{name}/describe", params)


def describe_global(org: Org, params: Params) -> Answer:
    """
    Ask for the list of all objects that the integration user sees; `since` as for `describe`.

    :raises IntegrationError: if the org does not tell
    """
    return _asked(org, f"{org.data}/sobjects", params)


def picklist_values(org: Org, params: Params) -> Answer:
    """
    Ask which values the picklists of an `object` have in records of one `record_type`, named by its id.

    Describe does not tell. Not every object has this, nor may every user ask: then it gives `refused`.
    https://developer.salesforce.com/docs/atlas.en-us.uiapi.meta/uiapi/ui_api_resources_picklist_values_collection.htm

    :raises IntegrationError: if the org cannot be asked now
    """
    name, record_type = str(params.get("object") or ""), str(params.get("record_type") or "")
    if not NAME.fullmatch(name) or not RECORD_ID.fullmatch(record_type):
        raise errors.Refused(f"{name!r} and {record_type!r} name no record type.", code="INVALID_TYPE")
    answer = org.request("GET", f"{org.data}/ui-api/object-info/{name}/picklist-values/{record_type}")
    if answer.status_code >= 300:
        failure = org.failure(answer)
        if isinstance(failure, (errors.Refused, errors.Forbidden, errors.Missing)):
            return {"refused": str(failure)}
        raise failure
    told = json_of(answer)
    fields = told.get("picklistFieldValues") if isinstance(told, dict) else None
    if not isinstance(fields, dict):
        raise unreadable(answer.status_code)
    return {"picklists": {name: _values(one) for name, one in fields.items() if NAME.fullmatch(name)}}


def _values(told: Any) -> list[str]:
    """Return the values in what is told of one picklist."""
    values = told.get("values") if isinstance(told, dict) else None
    return [storable(str(one.get("value") or ""), LONGEST_TEXT) for one in _dicts(values, MOST_VALUES)]


def _asked(org: Org, path: str, params: Params) -> Answer:
    answer = org.request("GET", path, unless_since=str(params.get("since") or ""))
    if answer.status_code == 304:
        return {"unchanged": True}
    if answer.status_code >= 300:
        raise org.failure(answer)
    told = json_of(answer)
    if not isinstance(told, dict):
        raise unreadable(answer.status_code)
    return {**told, "last_modified": answer.headers.get("Last-Modified", "")}


def kept(told: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return of a description what is kept: the object, and its fields in the order in which it names them.

    Whatever is of another shape than Salesforce documents is left out, so that a hostile answer keeps
    nothing that could not be shown or stored.
    """
    fields = [_field(one) for one in _dicts(told.get("fields"), MOST_FIELDS) if _name(one)]
    records = [
        {
            "id": storable(str(one.get("recordTypeId") or ""), 18),
            "name": storable(str(one.get("developerName") or ""), 80),
            "label": storable(str(one.get("name") or ""), LONGEST_TEXT),
            "available": one.get("available") is True,
            "default": one.get("defaultRecordTypeMapping") is True,
            "master": one.get("master") is True,
        }
        for one in _dicts(told.get("recordTypeInfos"), 200)
    ]
    return {**summary(told), "fields": fields, "recordTypes": records}


def narrowing(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return of what is kept the record types to ask about: their picklists may have not all the values."""
    found = [one for one in content.get("recordTypes", ()) if one["available"] and not one["master"]]
    return found[:MOST_TYPES]


def with_values(
    content: Mapping[str, Any], told: Mapping[str, Mapping[str, list[str]] | None]
) -> dict[str, Any]:
    """
    Return what is kept of an object with what its record types take, by their ids; None where it is unknown.

    Kept are only the picklists that have not all the values of their field.
    """
    active = {
        str(field["name"]): {one["value"] for one in field["picklistValues"] if one["active"]}
        for field in content["fields"]
    }

    def fewer(picklists: Mapping[str, list[str]] | None) -> dict[str, list[str]] | None:
        if picklists is None:
            return None
        return {
            name: values
            for name, values in sorted(picklists.items())
            if name in active and set(values) != active[name]
        }

    records = [
        {**one, "picklists": fewer(told[one["id"]])} if one["id"] in told else dict(one)
        for one in content["recordTypes"]
    ]
    return {**content, "recordTypes": records}


def kept_list(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return of the list of objects what is kept, in alphabetical order of their API names."""
    found = [summary(one) for one in _dicts(told.get("sobjects"), MOST_OBJECTS) if _name(one)]
    return {"objects": sorted(found, key=lambda one: str(one["name"]).casefold())}


def summary(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of an object apart from its fields."""
    return {
        "name": _name(told),
        **{name: storable(str(told.get(name) or ""), LONGEST_TEXT) for name in _OBJECT_TEXTS},
        **{name: told.get(name) is True for name in _OBJECT_FLAGS},
    }


def _field(told: Mapping[str, Any]) -> dict[str, Any]:
    targets = told.get("referenceTo")
    return {
        "name": _name(told),
        **{name: storable(str(told.get(name) or ""), LONGEST_TEXT) for name in _TEXTS},
        **{name: _number(told.get(name)) for name in _NUMBERS},
        **{name: told.get(name) is True for name in _FLAGS},
        "inlineHelpText": storable(str(told.get("inlineHelpText") or ""), LONGEST_HELP),
        "referenceTo": [
            str(one) for one in (targets if isinstance(targets, list) else []) if NAME.fullmatch(str(one))
        ],
        "picklistValues": [
            {
                "value": storable(str(one.get("value") or ""), LONGEST_TEXT),
                "label": storable(str(one.get("label") or ""), LONGEST_TEXT),
                "active": one.get("active") is True,
            }
            for one in _dicts(told.get("picklistValues"), MOST_VALUES)
        ],
    }


def _name(told: Mapping[str, Any]) -> str:
    """Return the API name of what is told of; empty if it has none."""
    name = told.get("name")
    return name if isinstance(name, str) and NAME.fullmatch(name) else ""


def _number(value: Any) -> int:
    return value if type(value) is int and 0 <= value < 1 << 31 else 0


def _dicts(value: Any, most: int) -> list[Mapping[str, Any]]:
    found = value if isinstance(value, list) else []
    return [one for one in found[:most] if isinstance(one, dict)]
