"""This module makes a permission set from its metadata and says what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.sandbox.salesforce.metadata.markup import Node, Unreadable
from connectors.sandbox.salesforce.security import FULL, HIDDEN, READ_ONLY, PermissionSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.sandbox.salesforce.fields import Field, SObject

RIGHTS = {
    "allowRead": "read",
    "allowCreate": "create",
    "allowEdit": "edit",
    "allowDelete": "delete",
    "viewAllRecords": "view all",
    "modifyAllRecords": "modify all",
}


def permission_set_of(name: str, node: Node, objects: Mapping[str, SObject]) -> PermissionSet:
    """
    Return a permission set; `objects` are those of the org, and of the deployment.

    :raises Unreadable: if it names what is not there, or what has no rights of its own
    """
    if not node.get("label"):
        raise Unreadable("Must specify a non-empty label for the PermissionSet")
    rights: dict[str, frozenset[str]] = {}
    for given in node.all("objectPermissions"):
        object_ = given.get("object")
        if object_ not in objects:
            raise Unreadable(f"In field: field - no CustomObject named {object_} found")
        rights[object_] = frozenset(ours for theirs, ours in RIGHTS.items() if given.flag(theirs))
        _check_rights(object_, rights[object_])
    levels: dict[tuple[str, str], str] = {}
    for given in node.all("fieldPermissions"):
        object_, field = _field(given.get("field"), objects)
        readable, editable = given.flag("readable"), given.flag("editable")
        levels[object_, field.name] = FULL if editable else READ_ONLY if readable else HIDDEN
    for given in node.all("recordTypeVisibilities"):
        object_, right = _record_type(given.get("recordType"), objects)
        levels[object_, right] = FULL if given.flag("visible") else HIDDEN
    return PermissionSet(name, node.get("label"), rights, levels)


def _check_rights(object_: str, rights: frozenset[str]) -> None:
    needs = {"create": {"read"}, "edit": {"read"}, "delete": {"read", "edit"}}
    for right, needed in needs.items():
        if right in rights and not needed <= rights:
            lacking = ", ".join(sorted(needed - rights)).capitalize()
            raise Unreadable(
                f"Permission {right.capitalize()} {object_} depends on permission(s): {lacking} {object_}"
            )


def _field(path: str, objects: Mapping[str, SObject]) -> tuple[str, Field]:
    object_, _, name = path.partition(".")
    actual = "Task" if object_ == "Activity" else object_
    thing = objects.get(actual)
    field = next((each for each in thing.fields if each.name == name), None) if thing else None
    if field is None:
        raise Unreadable(f"In field: field - no CustomField named {path} found")
    if field.required or field.cascade:
        raise Unreadable(f"You cannot deploy to a required field: {path}")
    return actual, field


def _record_type(path: str, objects: Mapping[str, SObject]) -> tuple[str, str]:
    object_, _, name = path.partition(".")
    thing = objects.get(object_)
    kind = next((each for each in thing.record_types if each.name == name), None) if thing else None
    if kind is None:
        raise Unreadable(f"In field: recordType - no RecordType named {path} found")
    return object_, kind.right
