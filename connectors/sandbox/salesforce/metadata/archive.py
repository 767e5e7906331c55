"""This module unpacks the zip of a deployment: the manifest, and the components that it lists."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from connectors.sandbox.salesforce.deployments import Message
from connectors.sandbox.salesforce.metadata.markup import Node, Unreadable, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 39 * 1024 * 1024  # bytes of the zip, and here of every file in it
# Folder -> type, ending of its files. What else there is on a real org is not simulated.
FOLDERS = {
    "objects": ("CustomObject", ".object"),
    "permissionsets": ("PermissionSet", ".permissionset"),
    "flows": ("Flow", ".flow"),
    "platformEventChannelMembers": ("PlatformEventChannelMember", ".platformEventChannelMember"),
}


@dataclass(frozen=True, slots=True)
class Component:
    """One file of a deployment."""

    type: str
    name: str
    file_name: str
    node: Node
    listed: bool = True  # an object that is not lends its name to the fields that are

    def message(self, problem: str = "", *, type_: str = "", name: str = "") -> Message:
        """Return what became of it, or of the part `name` of it."""
        return Message(type_ or self.type, name or self.name, self.file_name, problem)


@dataclass(frozen=True, slots=True)
class Archive:
    """The contents of a zip: what can be read, and what is to be said about the rest."""

    components: list[Component]
    problems: list[Message]


def unpack(raw: bytes) -> Archive:
    """
    Return the contents of a zip, whose manifest stands at its top or in its one folder.

    :raises Unreadable: if it is no zip, or has no manifest
    """
    files = _files(raw)
    manifest = next((name for name in files if name == "package.xml" or name.endswith("/package.xml")), None)
    if manifest is None:
        raise Unreadable("No package.xml found")
    root = manifest.removesuffix("package.xml")
    listed = _listed(parse(files[manifest], "Package"))
    components: list[Component] = []
    problems: list[Message] = []
    for name, content in sorted(files.items()):
        path = name.removeprefix(root)
        if path == "package.xml" or not name.startswith(root):
            continue
        try:
            components.append(_component(path, content))
        except Unreadable as reason:
            problems.append(Message("", path.rpartition("/")[2], path, str(reason)))
    problems += _absent(listed, components)
    lent = {name.partition(".")[0] for type_, name in listed if type_ == "CustomField"}
    lent -= {name for type_, name in listed if type_ == "CustomObject"}
    return Archive([replace(each, listed=each.name not in lent) for each in components], problems)


def _files(raw: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            entries = [entry for entry in packed.infolist() if not entry.is_dir()]
            if len(raw) > LARGEST or sum(entry.file_size for entry in entries) > LARGEST:
                raise Unreadable("The zip file is too large")
            return {entry.filename: packed.read(entry) for entry in entries}
    except zipfile.BadZipFile as reason:
        raise Unreadable(f"Not a valid zip file: {reason}") from reason


def _component(path: str, content: bytes) -> Component:
    folder, _, file_name = path.partition("/")
    type_, ending = FOLDERS.get(folder, ("", ""))
    if not type_ or not file_name.endswith(ending):
        raise Unreadable(f"Unknown file type: {path}")
    return Component(type_, file_name.removesuffix(ending), path, parse(content, type_))


def _listed(package: Node) -> list[tuple[str, str]]:
    return [
        (types.get("name"), member.text) for types in package.all("types") for member in types.all("members")
    ]


def _absent(listed: list[tuple[str, str]], components: list[Component]) -> Iterator[Message]:
    """Yield a failure for everything that the manifest names and the zip does not hold."""
    there = {(component.type, component.name) for component in components}
    there |= {
        (type_, f"{component.name}.{part.get('fullName')}")
        for component in components
        if component.type == "CustomObject"
        for type_, parts in (("CustomField", "fields"), ("RecordType", "recordTypes"))
        for part in component.node.all(parts)
    }
    for type_, name in listed:
        if name != "*" and (type_, name) not in there:
            said = (
                f"An object '{name}' of type {type_} was named in package.xml, but was not found in zipped"
                " directory"
            )
            yield Message(type_, name, "package.xml", said)
