"""
This module makes the zip that an org deploys: the package's source in the layout of the Metadata API.

The same source always gives the same bytes, so that a checksum says what was deployed.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from connectors.salesforce.package.source import COMPONENTS, NAMESPACE, api_version, parsed, tag, text_of

FILE_NAME = "integrator-salesforce-package.zip"
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_BEGINNING_OF_ZIP = (1980, 1, 1, 0, 0, 0)  # the format knows no earlier moment


def archive() -> bytes:
    """Return the zip, `package.xml` first, everything else by name."""
    members = dict(_objects()) | dict(_copied("flows")) | dict(_copied("permissionsets"))
    return packed({"package.xml": manifest(_everything()), **dict(sorted(members.items()))})


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return the zip of `files`, in their order."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name, content in files.items():
            # Stored, not deflated: what the compression makes of it differs between versions of zlib.
            entry = zipfile.ZipInfo(name, date_time=_BEGINNING_OF_ZIP)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            packed.writestr(entry, content)
    return made.getvalue()


def _objects() -> Iterator[tuple[str, bytes]]:
    """Yield one file for each object: its own elements, and its fields, which SFDX keeps one by one."""
    for folder in folders():
        yield f"objects/{folder.name}.object", object_file(folder, fields_in(folder), whole=True)


def object_file(folder: Path, fields: Sequence[ElementTree.Element], *, whole: bool) -> bytes:
    """Return the file of an object with these fields; only a `whole` one has elements of its own."""
    own = folder / f"{folder.name}.object-meta.xml"
    elements = list(parsed(own)) if whole and own.exists() else []
    elements += [_as_part(field) for field in fields]
    # The Metadata API wants elements of one name to stand together.
    elements.sort(key=lambda element: element.tag)
    root = ElementTree.Element(tag("CustomObject"))
    root.extend(elements)
    return written(root)


def _copied(folder: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted((COMPONENTS / folder).iterdir()):
        yield f"{folder}/{path.name.removesuffix('-meta.xml')}", path.read_bytes()


def _as_part(field: ElementTree.Element) -> ElementTree.Element:
    part = ElementTree.Element(tag("fields"))
    part.extend(field)
    return part


def _everything() -> dict[str, list[str]]:
    """Return everything in the package; a standard object is not listed, only what it gains."""
    return {
        "CustomField": [
            f"{folder.name}.{text_of(f, 'fullName')}" for folder in folders() for f in fields_in(folder)
        ],
        "CustomObject": [folder.name for folder in folders() if folder.name.endswith(("__c", "__e"))],
        "Flow": [path.name.split(".")[0] for path in sorted((COMPONENTS / "flows").iterdir())],
        "PermissionSet": [
            path.name.split(".")[0] for path in sorted((COMPONENTS / "permissionsets").iterdir())
        ],
    }


def manifest(listed: Mapping[str, Sequence[str]]) -> bytes:
    """Return the list of what is in a zip, by kind."""
    package = ElementTree.Element(tag("Package"))
    for kind, members in listed.items():
        types = ElementTree.SubElement(package, tag("types"))
        for member in members:
            ElementTree.SubElement(types, tag("members")).text = member
        ElementTree.SubElement(types, tag("name")).text = kind
    ElementTree.SubElement(package, tag("version")).text = api_version()
    return written(package)


def folders() -> list[Path]:
    """Return the folders of the objects."""
    return sorted((COMPONENTS / "objects").iterdir())


def fields_in(folder: Path) -> list[ElementTree.Element]:
    """Return the fields of the object in a folder."""
    return [parsed(path) for path in sorted((folder / "fields").iterdir())]


def written(root: ElementTree.Element) -> bytes:
    """Return a component as the bytes of its file."""
    ElementTree.indent(root, "    ")
    # No prefixes: the namespace is the default one, as in the source.
    text = ElementTree.tostring(root, encoding="unicode", default_namespace=NAMESPACE)
    return _DECLARATION + text.encode() + b"\n"
