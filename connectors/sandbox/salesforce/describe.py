"""This module renders objects and fields the way the describe resources do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce import record_types
from connectors.sandbox.salesforce.bus.topics import topic_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connectors.sandbox.salesforce.fields import Field, SObject
    from connectors.sandbox.salesforce.record_types import Offered

SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "address": "urn:address",
}


# What this org says of every field alike.
FIELD_ALWAYS: dict[str, Any] = {
    "aiPredictionField": False,
    "calculatedFormula": None,
    "controllerName": None,
    "defaultValueFormula": None,
    "dependentPicklist": False,
    "deprecatedAndHidden": False,
    "displayLocationInDecimal": False,
    "encrypted": False,
    "filteredLookupInfo": None,
    "formulaTreatNullNumberAsZero": False,
    "highScaleNumber": False,
    "htmlFormatted": False,
    "inlineHelpText": None,
    "mask": None,
    "maskType": None,
    "namePointing": False,
    "referenceTargetField": None,
    "restrictedDelete": False,
    "writeRequiresMasterRead": False,
}
# The key of describe and the quality of our field that it shows as it is.
FIELD_PLAIN = (
    ("autoNumber", "auto_number"),
    ("calculated", "calculated"),
    ("cascadeDelete", "cascade"),
    ("caseSensitive", "case_sensitive"),
    ("createable", "createable"),
    ("custom", "custom"),
    ("defaultValue", "default"),
    ("defaultedOnCreate", "defaulted"),
    ("digits", "digits"),
    ("externalId", "external_id"),
    ("idLookup", "id_lookup"),
    ("label", "label"),
    ("length", "length"),
    ("name", "name"),
    ("nameField", "name_field"),
    ("nillable", "nillable"),
    ("precision", "precision"),
    ("restrictedPicklist", "restricted"),
    ("scale", "scale"),
    ("type", "type"),
    ("unique", "unique"),
    ("updateable", "updateable"),
)
UNGROUPED = frozenset({"currency", "double", "percent", "datetime"})


def field_dict(field: Field) -> dict[str, Any]:
    """Return all 57 keys that describe has for a field."""
    plain = field.filterable and field.type != "address"
    told = {
        **FIELD_ALWAYS,
        **{name: getattr(field, quality) for name, quality in FIELD_PLAIN},
        "aggregatable": plain and field.type != "boolean",
        "byteLength": field.length if field.type in {"id", "reference"} else field.length * 3,
        "compoundFieldName": field.compound or None,
        "extraTypeInfo": "plaintextarea" if field.type == "textarea" else None,
        "filterable": plain,
        "groupable": plain and field.type not in UNGROUPED,
        "permissionable": field.nillable and (field.createable or field.updateable),
        "picklistValues": [_picklist_value(value, field) for value in field.choices],
        "polymorphicForeignKey": len(field.refers_to) > 1,
        "queryByDistance": field.type == "address",
        "referenceTo": list(field.refers_to),
        "relationshipName": field.relationship or None,
        "relationshipOrder": 0 if field.cascade else None,
        "searchPrefilterable": field.type == "reference",
        "soapType": SOAP_TYPES.get(field.type, "xsd:string"),
        "sortable": plain,
    }
    return dict(sorted(told.items()))


def _picklist_value(value: str, field: Field) -> dict[str, Any]:
    default = value == field.default
    return {"active": True, "defaultValue": default, "label": value, "validFor": None, "value": value}


# What this org says of every object alike, in the global describe and in its own.
OBJECT_ALWAYS: dict[str, Any] = {
    "activateable": False,
    "associateEntityType": None,
    "associateParentEntity": None,
    "customSetting": False,
    "deepCloneable": False,
    "deprecatedAndHidden": False,
    "feedEnabled": False,
    "hasSubtypes": False,
    "isInterface": False,
    "isSubtype": False,
    "layoutable": True,
    "mruEnabled": True,
    "queryable": True,
    "replicateable": True,
    "retrieveable": True,
    "searchable": True,
}
# What a platform event says otherwise: it can be published, and nothing else.
EVENT: dict[str, Any] = {
    "createable": True,
    "layoutable": False,
    "mruEnabled": False,
    "queryable": False,
    "replicateable": False,
    "retrieveable": False,
    "searchable": False,
}
# What only an object's own describe says besides.
OWN_ALWAYS: dict[str, Any] = {
    "actionOverrides": [],
    "compactLayoutable": True,
    "defaultImplementation": None,
    "extendedBy": None,
    "extendsInterfaces": None,
    "implementedBy": None,
    "implementsInterfaces": None,
    "listviewable": None,
    "lookupLayoutable": None,
    "namedLayoutInfos": [],
    "networkScopeFieldName": None,
    "searchLayoutable": True,
    "sobjectDescribeOption": "FULL",
}


def summary(thing: SObject, version: str) -> dict[str, Any]:
    """Return what the global describe says about an object."""
    address = f"/services/data/v{version}/sobjects/{thing.name}"
    writable = ("createable", "deletable", "triggerable", "undeletable", "updateable")
    told = {
        **OBJECT_ALWAYS,
        **dict.fromkeys(writable, not thing.read_only and not thing.event),
        **(EVENT if thing.event else {}),
        "custom": thing.custom,
        "keyPrefix": thing.prefix,
        "label": thing.label,
        "labelPlural": thing.plural,
        "mergeable": thing.mergeable,
        "name": thing.name,
        "urls": {
            "rowTemplate": f"{address}/{{ID}}",
            "describe": f"{address}/describe",
            "sobject": address,
        },
    }
    return dict(sorted(told.items()))


def change_event(thing: SObject, version: str) -> dict[str, Any]:
    """
    Return what the global describe says about the events of an object's changes.

    https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_associated_objects_change_event.htm
    """
    name = topic_of(thing).rpartition("/")[2]
    told = summary(thing, version)
    address = f"/services/data/v{version}/sobjects/{name}"
    none = ("createable", "deletable", "mergeable", "triggerable", "undeletable", "updateable")
    return {
        **told,
        **EVENT,
        **dict.fromkeys(none, False),
        "associateEntityType": "ChangeEvent",
        "associateParentEntity": thing.name,
        "custom": False,
        "keyPrefix": None,
        "label": f"{thing.label} Change Event",
        "labelPlural": f"{thing.label} Change Event",
        "name": name,
        "urls": {kind: link.replace(told["urls"]["sobject"], address) for kind, link in told["urls"].items()},
    }


def full(thing: SObject, everything: Mapping[str, SObject], version: str, offered: Offered) -> dict[str, Any]:
    """Return the describe of one object, for a user to whom these record types are `offered`."""
    address = f"/services/data/v{version}/sobjects/{thing.name}"
    told = summary(thing, version)
    urls = {
        **told["urls"],
        "layouts": f"{address}/describe/layouts",
        "compactLayouts": f"{address}/describe/compactLayouts",
        "approvalLayouts": f"{address}/describe/approvalLayouts",
        "uiDetailTemplate": f"/{{ID}}?{thing.name}",
        "uiEditTemplate": f"/{{ID}}/e?{thing.name}",
        "uiNewRecord": f"/{thing.prefix}/e",
    }
    told.update(
        **OWN_ALWAYS,
        childRelationships=list(_children(thing, everything.values())),
        fields=[field_dict(field) for field in thing.fields],
        recordTypeInfos=record_types.infos(thing, offered, address),
        supportedScopes=[
            {"label": f"All {thing.plural.lower()}", "name": "everything"},
            {"label": f"My {thing.plural.lower()}", "name": "mine"},
        ],
        urls=urls,
    )
    return dict(sorted(told.items()))


def _children(thing: SObject, everything: Iterable[SObject]) -> Iterable[dict[str, Any]]:
    for child in everything:
        for field in child.fields:
            if thing.name not in field.refers_to:
                continue
            yield {
                "cascadeDelete": field.cascade,
                "childSObject": child.name,
                "deprecatedAndHidden": False,
                "field": field.name,
                "junctionIdListNames": [],
                "junctionReferenceTo": [],
                "relationshipName": child.child_relation(field),
                "restrictedDelete": False,
            }
