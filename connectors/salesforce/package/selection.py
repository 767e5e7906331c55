"""
This module makes the zip that brings an org what it lacks for some flows, and nothing else.

The same choice always gives the same bytes. Nothing is ever deleted: there is no list for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from connectors.salesforce.package import archive, source
from connectors.salesforce.package.choosing import (
    CHANNEL,
    FIELD,
    FLOW,
    MEMBER,
    OBJECT,
    PERMISSIONS,
    Choice,
)
from connectors.salesforce.package.rights import SET, permission_set
from connectors.salesforce.package.source import tag

FILE_NAME = "integrator-flows-in-use.zip"


def packed(choice: Choice) -> bytes:
    """Return the zip with what is new in `choice`, `package.xml` first."""
    members = dict(_objects(choice)) | dict(_flows(choice)) | dict(_members(choice))
    if SET in choice.new(PERMISSIONS):
        members[f"permissionsets/{SET}.permissionset"] = archive.written(permission_set(choice.rights))
    listed = {kind: sorted(choice.new(kind)) for kind in (FIELD, OBJECT, FLOW, PERMISSIONS, MEMBER)}
    manifest = archive.manifest({kind: names for kind, names in listed.items() if names})
    return archive.packed({"package.xml": manifest, **dict(sorted(members.items()))})


def _objects(choice: Choice) -> Iterator[tuple[str, bytes]]:
    """Yield one file for each object that is new or gets new fields; one that is there lends its name."""
    whole, fields = set(choice.new(OBJECT)), set(choice.new(FIELD))
    for folder in archive.folders():
        name = source.DESCRIBED_AS.get(folder.name, folder.name)
        chosen = [
            each
            for each in archive.fields_in(folder)
            if f"{folder.name}.{source.text_of(each, 'fullName')}" in fields
        ]
        if chosen or name in whole:
            yield f"objects/{folder.name}.object", archive.object_file(folder, chosen, whole=name in whole)


def _flows(choice: Choice) -> Iterator[tuple[str, bytes]]:
    """Yield the Flows, switched on: they are needed."""
    for name in choice.new(FLOW):
        root = source.flow(name)
        for status in root.iterfind(tag("status")):
            status.text = "Active"
        yield f"flows/{name}.flow", archive.written(root)


def _members(choice: Choice) -> Iterator[tuple[str, bytes]]:
    entities = {one.name: one.about for one in choice.components if one.kind == MEMBER}
    for name in choice.new(MEMBER):
        root = ElementTree.Element(tag("PlatformEventChannelMember"))
        ElementTree.SubElement(root, tag("eventChannel")).text = CHANNEL
        ElementTree.SubElement(root, tag("selectedEntity")).text = entities[name]
        yield f"platformEventChannelMembers/{name}.platformEventChannelMember", archive.written(root)
