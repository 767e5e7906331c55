"""
This module reads the source of the package: components as XML in the layout of an SFDX project.

The files are the one place where objects, fields and rights are written down. What is deployed is made from
them, and what an org has is compared with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

PROJECT = Path(__file__).parent / "source"
COMPONENTS = PROJECT / "force-app" / "main" / "default"
NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
PERMISSION_SET = "Stripe_Integration"

# Custom fields of tasks and events stand at the object that both share, which nobody can describe.
DESCRIBED_AS = {"Activity": "Task"}


@dataclass(frozen=True, slots=True)
class PackagedField:
    """One custom field, as the package declares it; numbers are 0 where the type has none."""

    name: str
    type: str  # Metadata API: Text, Picklist, Lookup ...
    length: int = 0
    precision: int = 0
    scale: int = 0
    key: bool = False  # external id, unique, and case counts
    refers_to: str = ""
    relationship: str = ""
    choices: tuple[str, ...] = ()
    restricted: bool = False


@dataclass(frozen=True, slots=True)
class PackagedObject:
    """One object with the fields that the package adds to it; a custom one is added as a whole."""

    name: str
    label: str
    fields: tuple[PackagedField, ...]

    @property
    def custom(self) -> bool:
        """Tell whether the package makes the object, rather than only adding to it."""
        return self.name.endswith(("__c", "__e"))

    @property
    def event(self) -> bool:
        """Tell whether it is a platform event: published, never changed."""
        return self.name.endswith("__e")


@lru_cache(maxsize=1)
def objects() -> tuple[PackagedObject, ...]:
    """Return every object of the package by name, in the names that the org's own describe uses."""
    found = (_object(folder) for folder in (COMPONENTS / "objects").iterdir())
    return tuple(sorted(found, key=lambda thing: thing.name))


@lru_cache(maxsize=1)
def standard_fields() -> dict[str, tuple[str, ...]]:
    """Return the fields of the org's own that the permission set grants, by object."""
    found: dict[str, tuple[str, ...]] = {}
    for grant in permission_set().iter(tag("fieldPermissions")):
        thing, _, name = text_of(grant, "field").partition(".")
        if not name.endswith("__c"):
            found[thing] = (*found.get(thing, ()), name)
    return found


def permission_set() -> ElementTree.Element:
    """Return the permission set of the integration user."""
    return parsed(COMPONENTS / "permissionsets" / f"{PERMISSION_SET}.permissionset-meta.xml")


def flows() -> Iterator[tuple[str, bool]]:
    """Yield the name of each flow, and whether it is meant to be active from the start."""
    for path in sorted((COMPONENTS / "flows").iterdir()):
        yield path.name.split(".")[0], text_of(parsed(path), "status") == "Active"


def flow(name: str) -> ElementTree.Element:
    """Return a Flow of the package."""
    return parsed(COMPONENTS / "flows" / f"{name}.flow-meta.xml")


def api_version() -> str:
    """Return the version of the Metadata API that the source is written for, such as 67.0."""
    return str(json.loads((PROJECT / "sfdx-project.json").read_text())["sourceApiVersion"])


def parsed(path: Path) -> ElementTree.Element:
    """Return the root of a component."""
    return ElementTree.parse(path).getroot()  # noqa: S314  # a file of this package


def tag(name: str) -> str:
    """Return the name of an element as ElementTree knows it."""
    return f"{{{NAMESPACE}}}{name}"


def text_of(element: ElementTree.Element, *path: str) -> str:
    """Return the text of an element below, or nothing."""
    return element.findtext("/".join(tag(step) for step in path)) or ""


def _object(folder: Path) -> PackagedObject:
    own = folder / f"{folder.name}.object-meta.xml"
    name = DESCRIBED_AS.get(folder.name, folder.name)
    fields = (_field(parsed(path)) for path in sorted((folder / "fields").iterdir()))
    return PackagedObject(name, text_of(parsed(own), "label") if own.exists() else name, tuple(fields))


def _field(element: ElementTree.Element) -> PackagedField:
    values = element.iterfind("/".join(map(tag, ("valueSet", "valueSetDefinition", "value"))))
    return PackagedField(
        name=text_of(element, "fullName"),
        type=text_of(element, "type"),
        length=int(text_of(element, "length") or 0),
        precision=int(text_of(element, "precision") or 0),
        scale=int(text_of(element, "scale") or 0),
        key=text_of(element, "externalId") == "true",
        refers_to=text_of(element, "referenceTo"),
        relationship=text_of(element, "relationshipName"),
        choices=tuple(text_of(value, "fullName") for value in values),
        restricted=text_of(element, "valueSet", "restricted") == "true",
    )
