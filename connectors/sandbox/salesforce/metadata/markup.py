"""This module reads the XML of metadata into plain nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.etree import ElementTree

NAMESPACE = "{http://soap.sforce.com/2006/04/metadata}"


class Unreadable(Exception):
    """A file of a deployment is not what it should be; the text is what the org says about it."""


@dataclass(slots=True)
class Node:
    """An element: its text, and its children by name, in their order."""

    name: str
    text: str = ""
    children: dict[str, list[Node]] = field(default_factory=dict)

    def all(self, name: str) -> list[Node]:
        """Return the children of that name."""
        return self.children.get(name, [])

    def one(self, name: str) -> Node:
        """Return the first child of that name, or an empty one."""
        return next(iter(self.all(name)), Node(name))

    def get(self, *path: str) -> str:
        """Return the text at the end of a path, empty if there is nothing."""
        here = self
        for name in path:
            here = here.one(name)
        return here.text

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a child that is true or false."""
        return self.get(name) == "true" if self.all(name) else default

    def number(self, name: str) -> int:
        """
        Return a child that is a whole number, 0 if there is none.

        :raises Unreadable: if it is something else
        """
        text = self.get(name)
        if text and not text.isdigit():
            raise Unreadable(f"'{text}' is not a valid value for the type xsd:int")
        return int(text or 0)


def parse(raw: bytes, root: str) -> Node:
    """
    Return the root element of a file, which has to be a `root`.

    A document type is refused: it could hold entities that grow without end, or name files of this machine.

    :raises Unreadable: if it is no XML, or of another kind
    """
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        raise Unreadable("Error parsing file: DOCTYPE is not allowed")
    try:
        tree = ElementTree.fromstring(raw)  # noqa: S314 - no document type, so no entities
    except ElementTree.ParseError as reason:
        raise Unreadable(f"Error parsing file: {reason}") from reason
    if tree.tag != f"{NAMESPACE}{root}":
        raise Unreadable(f"Error parsing file: {tree.tag.rpartition('}')[2]} found where {root} is expected")
    return _node(tree)


def _node(element: ElementTree.Element) -> Node:
    node = Node(element.tag.removeprefix(NAMESPACE), (element.text or "").strip())
    for child in element:
        made = _node(child)
        node.children.setdefault(made.name, []).append(made)
    return node
