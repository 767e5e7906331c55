"""This module looks what an org has of that which flows need, with as few questions as possible."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from connectors.base import Params, Result
from connectors.salesforce.package import needs
from connectors.salesforce.package.choosing import CHANNEL, Found
from connectors.salesforce.package.rights import SET, Rights
from connectors.salesforce.package.wanted import Wanted
from integrator.kernel import errors

Ask = Callable[[str, Sequence[Params]], list[Result]]

FLOWS = "SELECT ApiName, IsActive FROM FlowDefinitionView WHERE ApiName IN {names}"
MEMBERS = "SELECT SelectedEntity FROM PlatformEventChannelMember WHERE EventChannel = {channel}"
OBJECT_RIGHTS = (
    "SELECT SobjectType, PermissionsRead, PermissionsCreate, PermissionsEdit, PermissionsDelete, "
    "PermissionsViewAllRecords, PermissionsModifyAllRecords FROM ObjectPermissions "
    "WHERE Parent.Name = {name}"
)
FIELD_RIGHTS = "SELECT Field, PermissionsEdit FROM FieldPermissions WHERE Parent.Name = {name}"
FLAGS = {
    "PermissionsRead": "allowRead",
    "PermissionsCreate": "allowCreate",
    "PermissionsEdit": "allowEdit",
    "PermissionsDelete": "allowDelete",
    "PermissionsViewAllRecords": "viewAllRecords",
    "PermissionsModifyAllRecords": "modifyAllRecords",
}


def look(ask: Ask, wanted: Wanted, known: Mapping[str, Result] | None = None) -> Found:
    """
    Return what the org has; what is `known` of its objects is not asked for again.

    What whoever asks may not see is None, or the failure of its object.
    """
    needed = needs.needs_of(wanted)
    descriptions = dict(known or {})
    missing = [name for name in sorted(needed.objects) if name not in descriptions]
    told = ask("describe", [{"object": name} for name in missing])
    descriptions.update(zip(missing, told, strict=True))
    queries = [
        (FLOWS, {"names": sorted(needed.flows) or [needs.RUNNER]}),
        (OBJECT_RIGHTS, {"name": SET}),
        (FIELD_RIGHTS, {"name": SET}),
    ]
    flows, objects, fields = ask(
        "query", [{"soql": soql, "bindings": bindings} for soql, bindings in queries]
    )
    return Found(
        descriptions=descriptions,
        entities=members(ask) if wanted.captured else frozenset(),
        flows=_flows(flows),
        rights=_rights(objects, fields),
    )


def members(ask: Ask) -> frozenset[str] | None:
    """Return the entities that are selected for Change Data Capture; None where the org does not tell."""
    (told,) = ask("setup_query", [{"soql": MEMBERS, "bindings": {"channel": CHANNEL}}])
    if isinstance(told, errors.IntegrationError):
        return None
    return frozenset(str(row.get("SelectedEntity")) for row in told["records"])


def _flows(told: Result) -> dict[str, bool] | None:
    if isinstance(told, errors.IntegrationError):
        return None
    return {str(row.get("ApiName")): bool(row.get("IsActive")) for row in told["records"]}


def _rights(objects: Result, fields: Result) -> Rights | None:
    if isinstance(objects, errors.IntegrationError) or isinstance(fields, errors.IntegrationError):
        return None
    given = {
        str(row.get("SobjectType")): frozenset(flag for column, flag in FLAGS.items() if row.get(column))
        for row in objects["records"]
    }
    return Rights(given, {str(row["Field"]): bool(row.get("PermissionsEdit")) for row in fields["records"]})
