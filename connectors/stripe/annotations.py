"""This module understands the source of Stripe's SDK: its classes, what they declare, and the annotations."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Module(NamedTuple):
    """One module of the SDK: its classes, and where the names come from that it imports."""

    classes: dict[str, ast.ClassDef]
    imports: dict[str, tuple[str, str]]


class Scope(NamedTuple):
    """A class and what it stands in, the outermost first."""

    module: str
    nest: tuple[ast.ClassDef, ...]


class Sdk:
    """The source of the SDK, of which each module is read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._modules: dict[str, Module] = {}

    def module(self, name: str) -> Module:
        """Return the module called `name`; one that is not there is empty."""
        if name not in self._modules:
            path = self._root.joinpath(*name.split(".")[1:]).with_suffix(".py")
            tree = ast.parse(path.read_text(encoding="utf-8") if path.is_file() else "")
            self._modules[name] = Module(
                {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)},
                {
                    alias.asname or alias.name: (node.module, alias.name)
                    for node in ast.walk(tree)
                    if isinstance(node, ast.ImportFrom) and node.module
                    for alias in node.names
                },
            )
        return self._modules[name]

    def find(self, name: str, scope: Scope) -> Scope | None:
        """Return the class that `name` means inside of `scope`, the innermost first."""
        for depth in range(len(scope.nest), 0, -1):
            for node in scope.nest[depth - 1].body:
                if isinstance(node, ast.ClassDef) and node.name == name:
                    return Scope(scope.module, (*scope.nest[:depth], node))
        module = self.module(scope.module)
        if name in module.classes:
            return Scope(scope.module, (module.classes[name],))
        where, original = module.imports.get(name, ("", ""))
        found = self.module(where).classes.get(original) if where.startswith("stripe.") else None
        return None if found is None else Scope(where, (found,))


class Meaning(NamedTuple):
    """What an annotation says."""

    type: str
    nullable: bool = False
    values: tuple[str, ...] = ()
    open: bool = False
    inside: tuple[Scope, ...] = ()  # the classes of an object, or of what a reference leads to
    element: Any = None  # the meaning of a list's elements
    paged: bool = False  # the elements stand under `data`


_UNKNOWN = Meaning("unknown")
_PLAIN = {"str": "string", "int": "integer", "float": "number", "Decimal": "number", "bool": "boolean"}
_MAPS = frozenset({"Dict", "UntypedStripeObject"})


class Reading:
    """Finds out what annotations mean."""

    def __init__(self, sdk: Sdk) -> None:
        self._sdk = sdk

    def of(self, node: ast.expr, scope: Scope) -> Meaning:
        """Return what `node` says inside of `scope`."""
        match node:
            case ast.Constant(value=str(name)):
                return self._named(name, scope)
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return self._named(name, scope)
            case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
                return self._generic(name, inner, scope)
            case _:
                return _UNKNOWN

    def _named(self, name: str, scope: Scope) -> Meaning:
        if name in _PLAIN:
            return Meaning(_PLAIN[name])
        if name in _MAPS:
            return Meaning("map")
        found = self._sdk.find(name.rpartition(".")[2], scope)
        return _UNKNOWN if found is None else Meaning("object", inside=(found,))

    def _generic(self, name: str, inner: ast.expr, scope: Scope) -> Meaning:
        match name:
            case "Optional":
                return self.of(inner, scope)._replace(nullable=True)
            case "Union":
                return self._union(inner, scope)
            case "Literal":
                return _literal(inner)
            case "List" | "ListObject":
                return Meaning("list", element=self.of(inner, scope), paged=name == "ListObject")
            case "ExpandableField":
                return Meaning("id", inside=self.of(inner, scope).inside)
            case _:
                return Meaning("map") if name in _MAPS else _UNKNOWN

    def _union(self, inner: ast.expr, scope: Scope) -> Meaning:
        members = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        parts = [self.of(member, scope) for member in members]
        kinds = {part.type for part in parts}
        if kinds == {"enum", "string"}:
            return next(part for part in parts if part.type == "enum")._replace(open=True)
        if kinds == {"object"}:
            return Meaning("object", inside=tuple(one for part in parts for one in part.inside))
        return parts[0] if len(kinds) == 1 else _UNKNOWN


def _literal(inner: ast.expr) -> Meaning:
    values = [each.value for each in ast.walk(inner) if isinstance(each, ast.Constant)]
    if all(isinstance(value, bool) for value in values):
        return Meaning("boolean")
    return Meaning("enum", values=tuple(str(value) for value in values))


def attributes(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr, str]]:
    """Yield name, annotation and text of what a class declares."""
    for place, declared in enumerate(node.body):
        if not isinstance(declared, ast.AnnAssign) or not isinstance(declared.target, ast.Name):
            continue
        behind = node.body[place + 1] if place + 1 < len(node.body) else None
        text = ""
        if isinstance(behind, ast.Expr) and isinstance(behind.value, ast.Constant):
            text = str(behind.value.value)
        name = declared.target.id
        if not name.startswith("_") and name != "OBJECT_NAME":
            yield name.rstrip("_"), declared.annotation, text


def type_of(scope: Scope) -> str:
    """Return the type of the objects that a class stands for; the class's name if it is only a part."""
    for node in scope.nest[-1].body:
        match node:
            case ast.AnnAssign(target=ast.Name(id="OBJECT_NAME"), value=ast.Constant(value=str(kind))):
                return kind
    return scope.nest[-1].name
