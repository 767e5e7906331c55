"""This module tells what the setup objects hold: the org's Flows, rules and permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.bus.topics import CHANNEL, captured, entity_of, member_name
from connectors.sandbox.salesforce.ids import new_id
from connectors.sandbox.salesforce.security import FULL, HIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from connectors.sandbox.salesforce.bus.settings import Streaming
    from connectors.sandbox.salesforce.duplicates import DuplicateRules
    from connectors.sandbox.salesforce.fields import SObject
    from connectors.sandbox.salesforce.flows import Flows
    from connectors.sandbox.salesforce.oauth import User
    from connectors.sandbox.salesforce.security import Security

    Row = dict[str, Any]


# Column of ObjectPermissions -> right.
OBJECT_RIGHTS = {
    "PermissionsRead": "read",
    "PermissionsCreate": "create",
    "PermissionsEdit": "edit",
    "PermissionsDelete": "delete",
    "PermissionsViewAllRecords": "view all",
    "PermissionsModifyAllRecords": "modify all",
}


def permission_sets(security: Security) -> Iterator[Row]:
    """Yield the rows of PermissionSet."""
    for each in security.sets.values():
        yield {"Name": each.name, "Label": each.label, "IsOwnedByProfile": False}


def assignments(security: Security, users: Mapping[str, User], prefix: str) -> Iterator[Row]:
    """Yield the rows of PermissionSetAssignment; `prefix` is the one of the ids of permission sets."""
    numbers = {name: number for number, name in enumerate(security.sets, start=1)}
    for username, names in security.assigned.items():
        user = users.get(username)
        for name in sorted(names & set(numbers)):
            if user is not None:
                yield {"AssigneeId": user.id, "PermissionSetId": new_id(prefix, numbers[name])}


def flows(flows_: Flows) -> Iterator[Row]:
    """Yield the rows of FlowDefinitionView."""
    for flow in flows_.known.values():
        yield {
            "ApiName": flow.name,
            "Label": flow.label,
            "ProcessType": "AutoLaunchedFlow",
            "TriggerType": "RecordAfterSave" if flow.trigger else None,
            "IsActive": flow.active,
        }


def duplicate_rules(duplicates: DuplicateRules) -> Iterator[Row]:
    """Yield the rows of DuplicateRule."""
    for rule in duplicates.rules:
        yield {
            "DeveloperName": rule.name,
            "MasterLabel": rule.name.replace("_", " "),
            "SobjectType": rule.object,
            "IsActive": True,
        }


def record_types(objects: Iterable[SObject]) -> Iterator[Row]:
    """Yield the rows of RecordType, each with the id that describe tells of it."""
    for thing in objects:
        for each in thing.record_types:
            yield {
                "Id": each.id,
                "Name": each.label,
                "DeveloperName": each.name,
                "SobjectType": thing.name,
                "IsActive": each.active,
            }


def object_permissions(security: Security, prefix: str) -> Iterator[Row]:
    """Yield the rows of ObjectPermissions; `prefix` is the one of the ids of permission sets."""
    for number, each in enumerate(security.sets.values(), start=1):
        for name, rights in each.objects.items():
            given = {column: right in rights for column, right in OBJECT_RIGHTS.items()}
            yield {"ParentId": new_id(prefix, number), "SobjectType": name, **given}


def field_permissions(security: Security, prefix: str) -> Iterator[Row]:
    """Yield the rows of FieldPermissions; `prefix` is the one of the ids of permission sets."""
    for number, each in enumerate(security.sets.values(), start=1):
        for (object_, name), level in each.fields.items():
            yield {
                "ParentId": new_id(prefix, number),
                "SobjectType": object_,
                "Field": f"{object_}.{name}",
                "PermissionsRead": level != HIDDEN,
                "PermissionsEdit": level == FULL,
            }


def channel_members(objects: Iterable[SObject], streaming: Streaming) -> Iterator[Row]:
    """Yield the rows of PlatformEventChannelMember: the objects that are selected for Change Data Capture."""
    for thing in objects:
        if captured(thing) and streaming.selects(thing.name):
            entity = entity_of(thing)
            yield {"DeveloperName": member_name(entity), "EventChannel": CHANNEL, "SelectedEntity": entity}
