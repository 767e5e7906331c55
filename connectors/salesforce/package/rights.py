"""
This module says which rights flows need, and writes the permission set that gives them.

The set is one of its own: deploying a permission set replaces the one of that name, and people may have added
to `Stripe_Integration`. https://help.salesforce.com/articleView?id=changesets_perm_sets_profiles.htm
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from connectors.salesforce.package import source
from connectors.salesforce.package.needs import Needs, packaged, packaged_field
from connectors.salesforce.package.source import tag, text_of
from connectors.salesforce.package.wanted import Wanted

SET = "Stripe_Integration_Flows"
LABEL = "Stripe Integration: flows in use"
READ, CREATE, EDIT = "allowRead", "allowCreate", "allowEdit"
FLAGS = (CREATE, "allowDelete", EDIT, READ, "modifyAllRecords", "viewAllRecords")

# A right on one object that is worth nothing, or refused, without a right on another.
BESIDE = {
    "Case": ("Account", "Contact"),
    "Contact": ("Account",),
    "Contract": ("Account",),
    "Opportunity": ("Account", "Pricebook2"),
    "Order": ("Account", "Contract", "Pricebook2", "Product2"),
    "PricebookEntry": ("Pricebook2", "Product2"),
    "Subscription_Contract__c": ("Contract",),
}


@dataclass(frozen=True, slots=True)
class Rights:
    """What a permission set gives: rights on objects, and fields, each with whether it may be written."""

    objects: Mapping[str, frozenset[str]] = field(default_factory=dict)
    fields: Mapping[str, bool] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Return how many rights there are."""
        return sum(map(len, self.objects.values())) + len(self.fields) + sum(self.fields.values())

    def together(self, other: Rights) -> Rights:
        """Return the rights of both."""
        none: frozenset[str] = frozenset()
        objects = {
            name: self.objects.get(name, none) | other.objects.get(name, none)
            for name in (*self.objects, *other.objects)
        }
        fields = {
            name: self.fields.get(name, False) or other.fields.get(name, False)
            for name in (*self.fields, *other.fields)
        }
        return Rights(objects, fields)


def rights_of(
    wanted: Wanted,
    needs: Needs,
    objects: Collection[str],
    fields: Collection[str],
    described: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> Rights:
    """
    Return the rights that flows need, on `objects` and `fields` that are there or will be.

    `described` are the org's fields by object and name in small letters.
    """
    given = dict(_static())
    beside = {other for name in objects for other in BESIDE.get(name, ())}
    reached = {name: given[name] for name in (*objects, *sorted(beside)) if name in given}
    for name in objects:
        if name.endswith("__c") and packaged(name) is None:
            reached[name] = frozenset({READ, CREATE, EDIT} if name in wanted.written else {READ})
    granted = {
        f"{object_}.{name}": True
        for object_, names in source.standard_fields().items()
        if object_ in objects
        for name in names
    }
    for object_, name in needs.fields:
        told = described.get(object_, {}).get(name.lower(), {})
        if f"{object_}.{name}" in fields and _is_grantable(object_, name, told):
            ours = packaged_field(packaged(object_), name) is not None
            may_edit = ours or (object_, name) in wanted.filled
            granted[f"{object_}.{name}"] = may_edit and not told.get("calculated")
    return Rights(reached, granted)


def _is_grantable(object_: str, name: str, told: Mapping[str, Any]) -> bool:
    """Tell whether field security is for a field at all: not for events, masters and required ones."""
    own = packaged_field(packaged(object_), name)
    if not name.endswith("__c") or object_.endswith("__e"):
        return False
    if own is not None:
        return own.type != "MasterDetail"
    return bool(told.get("nillable", True)) or told.get("type") == "boolean"


def _static() -> Iterator[tuple[str, frozenset[str]]]:
    for grant in source.permission_set().iter(tag("objectPermissions")):
        given = frozenset(flag for flag in FLAGS if text_of(grant, flag) == "true")
        yield text_of(grant, "object"), given


def permission_set(rights: Rights) -> ElementTree.Element:
    """Return the permission set, which gives these rights and what every user of the API needs."""
    root = ElementTree.Element(tag("PermissionSet"))
    told = "Made by Integrator for the flows in use. Leave it as it is: deploying it again replaces it."
    _add(root, description=told)
    for name, editable in sorted(rights.fields.items()):
        grant = ElementTree.SubElement(root, tag("fieldPermissions"))
        _add(grant, editable=_truth(editable), field=name, readable="true")
    _add(root, hasActivationRequired="false", label=LABEL)
    for name, flags in sorted(rights.objects.items()):
        grant = ElementTree.SubElement(root, tag("objectPermissions"))
        told_of = {flag: _truth(flag in flags) for flag in FLAGS} | {"object": name}
        _add(grant, **dict(sorted(told_of.items())))
    root.extend(deepcopy(each) for each in source.permission_set().iter(tag("userPermissions")))
    return root


def _add(element: ElementTree.Element, **texts: str) -> None:
    for name, text in texts.items():
        ElementTree.SubElement(element, tag(name)).text = text


def _truth(value: bool) -> str:
    return "true" if value else "false"
