"""
This module reads what Stripe's writes take out of the source of the installed SDK: names, types and texts.

As with objects (see `connectors.stripe.schema`), the SDK's own annotations are the only description that is
there without asking anybody. A place in a list stands as `[0]`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from connectors.stripe.annotations import Scope, Sdk, attributes
from connectors.stripe.operations import Operation
from connectors.stripe.schema import plain, sharpened, source_root

DEEPEST = 4  # names in a path whose type is known; what lies deeper is taken as it is
MOST = 2_000
# What an answer shows is not a business user's question: steps read the object again where they need more.
_OURS = frozenset({"expand"})
_PLACE = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Parameter:
    """
    One parameter, such as `address.city`, `items[0].price` or `metadata`.

    `type` is one of those of `connectors.stripe.schema.StripeField`. `values` are the words that may be
    given; others too if it is `open`, or numbers where the type is one. `required` means within what it
    stands in.
    """

    path: str
    type: str
    text: str = ""
    values: tuple[str, ...] = ()
    open: bool = False
    required: bool = False
    clears: bool = False  # an empty text takes away what is there


def of(operation: Operation) -> Mapping[str, Parameter]:
    """Return the parameters of `operation` by their paths, in Stripe's order."""
    return {
        path: one
        for path, one in _read(operation.params).items()
        if operation.takes(first(path)) and first(path) not in operation.fixed
    }


def find(operation: Operation, path: str) -> Parameter | None:
    """Return the parameter that `path` names, or None if its type is not known."""
    known, wanted = _read(operation.params), _PLACE.sub("[0]", path)
    found = known.get(wanted)
    if found is None and (above := known.get(_above(wanted))) is not None and above.type == "map":
        return Parameter(wanted, "string", above.text)
    return found


def first(path: str) -> str:
    """Return the name that a path begins with."""
    return re.split(r"[.\[]", path, maxsplit=1)[0]


def faults(operation: Operation, given: Collection[str]) -> list[str]:
    """Return what is wrong with parameters of the paths `given`: what is unknown, and what is missing."""
    known = of(operation)
    paths = [_PLACE.sub("[0]", path) for path in given]
    found = [_unknown(path, known) for path in paths if not _is_known(path, known)]
    for group in operation.needs:
        if not any(first(path) in group for path in paths):
            found.append(f"Stripe needs {' or '.join(group)}")
    for one in known.values():
        if one.required and _is_wanted(one.path, paths) and not _is_given(one.path, paths):
            found.append(f"Stripe needs {one.path}")
    return list(dict.fromkeys(found))


def _is_known(path: str, known: Mapping[str, Parameter]) -> bool:
    """Tell whether a path names a parameter, or something within one that is not gone into."""
    if path in known:
        return known[path].type not in ("object", "list")
    above = _above(path)
    while above and above not in known:
        above = _above(above)
    if not above:
        return False
    return known[above].type in ("map", "unknown") or not _part_of(above, known)


def _unknown(path: str, known: Mapping[str, Parameter]) -> str:
    if path in known:
        part = _part_of(path, known)
        return f"{path} consists of parts: give those{f', such as {part}' if part else ''}"
    near = get_close_matches(path, known, n=1)
    return f"There is no parameter {path}{f'; is {near[0]} meant?' if near else ''}"


def _part_of(path: str, known: Mapping[str, Parameter]) -> str:
    """Return the first parameter within another; empty if what lies in that is not known."""
    return next((other for other in known if other.startswith((f"{path}.", f"{path}["))), "")


def _is_wanted(path: str, given: Collection[str]) -> bool:
    """Tell whether that in which a required parameter stands is given at all."""
    above = path.rpartition(".")[0]
    return not above or any(other.startswith(f"{above}.") for other in given)


def _is_given(path: str, given: Collection[str]) -> bool:
    return any(other == path or other.startswith((f"{path}.", f"{path}[")) for other in given)


def _above(path: str) -> str:
    """Return the path of that in which the last name, or the last place of a list, stands."""
    return path[: max(path.rfind("."), path.rfind("["), 0)]


# How the source is read


class _Kind(NamedTuple):
    type: str = "unknown"
    values: tuple[str, ...] = ()
    open: bool = False
    inside: Scope | None = None  # the class of an object
    element: _Kind | None = None  # of a list; it cannot be called _Kind before it is there
    clears: bool = False


_PLAIN = {"str": "string", "int": "integer", "float": "number", "Decimal": "number", "bool": "boolean"}
_MAPS = frozenset({"Dict", "UntypedStripeObject"})


@lru_cache(maxsize=64)
def _read(params: str) -> dict[str, Parameter]:
    """Return the parameters that stand in the SDK's class `params`."""
    words = re.sub(r"(?<!^)(?=[A-Z])", "_", params).lower()
    module, sdk = f"stripe.params._{words}", Sdk(source_root())
    scope = Scope(module, (sdk.module(module).classes[params],))
    return {one.path: one for one in islice(_Walk(sdk).parameters(scope, "", 1), MOST)}


class _Walk:
    """Goes through the classes of parameters."""

    def __init__(self, sdk: Sdk) -> None:
        self._sdk = sdk

    def parameters(self, scope: Scope, prefix: str, depth: int) -> Iterator[Parameter]:
        """Yield the parameters of one class below `prefix`, those within one behind it."""
        for name, annotation, said in attributes(scope.nest[-1]):
            if name in _OURS:
                continue
            kind, text = self._kind(annotation, scope), plain(said)
            yield Parameter(
                f"{prefix}{name}",
                sharpened(kind.type, name, text),
                text,
                kind.values,
                kind.open,
                not _is_optional(annotation),
                kind.clears,
            )
            yield from self._below(kind, f"{prefix}{name}", depth)

    def _below(self, kind: _Kind, path: str, depth: int) -> Iterator[Parameter]:
        if kind.element is not None:
            path, kind = f"{path}[0]", kind.element
            if kind.inside is None:
                yield Parameter(path, kind.type, values=kind.values, open=kind.open)
        if kind.inside is not None and depth < DEEPEST:
            yield from self.parameters(kind.inside, f"{path}.", depth + 1)

    def _kind(self, node: ast.expr, scope: Scope) -> _Kind:
        match node:
            case ast.Constant(value=str(text)):
                return self._kind(ast.parse(text, mode="eval").body, scope)
            case ast.BinOp(op=ast.BitOr()):
                return self._union(_alternatives(node), scope)
            case ast.Subscript(value=ast.Name(id=name), slice=inner):
                return self._generic(name, inner, scope)
            case ast.Name(id=name):
                return self._named(name, scope)
            case _:
                return _Kind()

    def _named(self, name: str, scope: Scope) -> _Kind:
        if name in _PLAIN:
            return _Kind(_PLAIN[name])
        found = self._sdk.find(name, scope)
        return _Kind() if found is None else _Kind("object", inside=found)

    def _generic(self, name: str, inner: ast.expr, scope: Scope) -> _Kind:
        match name:
            case "NotRequired" | "Optional":
                return self._kind(inner, scope)
            case "Literal":
                return _Kind("enum", tuple(_words(inner)))
            case "List":
                return _Kind("list", element=self._kind(inner, scope))
            case "Union":
                return self._union(inner.elts if isinstance(inner, ast.Tuple) else [inner], scope)
            case _:
                return _Kind("map") if name in _MAPS else _Kind()

    def _union(self, members: Collection[ast.expr], scope: Scope) -> _Kind:
        """Return what several alternatives come to; an empty text among them takes away what is there."""
        parts = [self._kind(member, scope) for member in members]
        words = tuple(value for part in parts for value in part.values if value)
        rest = [part for part in parts if part.type != "enum"]
        clears = any("" in part.values for part in parts)
        if not rest:
            return _Kind("enum" if words else "string", words, clears=clears)
        if words and rest[0].type == "string" and len(rest) == 1:
            return _Kind("enum", words, open=True, clears=clears)
        return rest[0]._replace(values=words, clears=clears)


def _alternatives(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp):
        return [*_alternatives(node.left), *_alternatives(node.right)]
    return [node]


def _words(inner: ast.expr) -> Iterator[str]:
    for node in ast.walk(inner):
        if isinstance(node, ast.Constant):
            yield str(node.value)


def _is_optional(annotation: ast.expr) -> bool:
    return (
        isinstance(annotation, ast.Subscript)
        and isinstance(annotation.value, ast.Name)
        and annotation.value.id == "NotRequired"
    )
