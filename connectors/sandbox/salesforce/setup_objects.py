"""This module lists objects of an org's setup that integrations ask about, and nobody writes."""

from __future__ import annotations

from dataclasses import replace

from connectors.sandbox.salesforce.fields import SObject, flag, link, percent, text, whole


def _setup(thing: SObject) -> SObject:
    return replace(thing, owned=False, read_only=True)


PERMISSION_SET = _setup(
    SObject("PermissionSet", "0PS", (text("Name", 80), text("Label", 80), flag("IsOwnedByProfile")))
)
PERMISSION_SET_ASSIGNMENT = _setup(
    SObject(
        "PermissionSetAssignment",
        "0Pa",
        (link("AssigneeId", "User", required=True), link("PermissionSetId", "PermissionSet", required=True)),
    )
)
FLOW_DEFINITION_VIEW = _setup(
    SObject(
        "FlowDefinitionView",
        "3dd",
        (
            text("ApiName"),
            text("Label"),
            text("ProcessType", 40),
            text("TriggerType", 40),
            flag("IsActive"),
        ),
    )
)
DUPLICATE_RULE = _setup(
    SObject(
        "DuplicateRule",
        "0Bm",
        (text("DeveloperName", 80), text("MasterLabel", 80), text("SobjectType", 40), flag("IsActive")),
    )
)
# https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_recordtype.htm
RECORD_TYPE = _setup(
    SObject(
        "RecordType",
        "012",
        (
            text("Name", 80),
            text("DeveloperName", 80),
            text("NamespacePrefix", 15),
            text("SobjectType", 40),
            flag("IsActive"),
        ),
    )
)

# https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_opportunitystage.htm
OPPORTUNITY_STAGE = _setup(
    SObject(
        "OpportunityStage",
        "01J",
        (
            text("MasterLabel"),
            text("ApiName"),
            flag("IsActive"),
            whole("SortOrder"),
            flag("IsClosed"),
            flag("IsWon"),
            text("ForecastCategory", 40),
            text("ForecastCategoryName", 255),
            percent("DefaultProbability"),
        ),
    )
)
# https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_orderstatus.htm
ORDER_STATUS = _setup(
    SObject(
        "OrderStatus",
        "0OS",
        (text("MasterLabel"), text("ApiName"), whole("SortOrder"), flag("IsDefault"), text("StatusCode", 40)),
    )
)

# https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_objectpermissions.htm
OBJECT_PERMISSIONS = _setup(
    SObject(
        "ObjectPermissions",
        "110",
        (
            link("ParentId", "PermissionSet", required=True),
            text("SobjectType", 40),
            flag("PermissionsRead"),
            flag("PermissionsCreate"),
            flag("PermissionsEdit"),
            flag("PermissionsDelete"),
            flag("PermissionsViewAllRecords"),
            flag("PermissionsModifyAllRecords"),
        ),
    )
)
# https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_fieldpermissions.htm
FIELD_PERMISSIONS = _setup(
    SObject(
        "FieldPermissions",
        "01k",
        (
            link("ParentId", "PermissionSet", required=True),
            text("SobjectType", 40),
            text("Field", 255),
            flag("PermissionsRead"),
            flag("PermissionsEdit"),
        ),
    )
)
# https://developer.salesforce.com/docs/platform/api-tooling/references/tooling-objects/tooling-platformeventchannelmember.html
PLATFORM_EVENT_CHANNEL_MEMBER = _setup(
    SObject(
        "PlatformEventChannelMember",
        "0v8",
        (text("DeveloperName", 80), text("EventChannel", 80), text("SelectedEntity", 255)),
    )
)
# https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_currencytype.htm
CURRENCY_TYPE = _setup(
    SObject("CurrencyType", "01L", (text("IsoCode", 3), flag("IsActive"), flag("IsCorporate")))
)

# What only the Tooling API lists, as on a real org.
TOOLING = frozenset({PLATFORM_EVENT_CHANNEL_MEMBER.name})
OBJECTS = (
    PERMISSION_SET,
    PERMISSION_SET_ASSIGNMENT,
    FLOW_DEFINITION_VIEW,
    DUPLICATE_RULE,
    RECORD_TYPE,
    OPPORTUNITY_STAGE,
    ORDER_STATUS,
    OBJECT_PERMISSIONS,
    FIELD_PERMISSIONS,
    PLATFORM_EVENT_CHANNEL_MEMBER,
    CURRENCY_TYPE,
)
