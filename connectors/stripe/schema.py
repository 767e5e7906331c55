"""
This module reads what Stripe's objects consist of out of the source of the installed SDK.

Stripe has no describe call. What its own SDK says of each attribute, type and text, stands in the source
only: it is read without importing the SDK, at the first question, once in each process.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from connectors.stripe.annotations import Meaning, Reading, Scope, Sdk, attributes, type_of
from connectors.stripe.moved import MOVED

DEEPEST = 8  # names in a path
MOST_OBJECTS = 2  # of the API, one inside of the other; in a list one more: an item's price
MOST_FIELDS = 4_000
LONGEST_TEXT = 400


@dataclass(frozen=True, slots=True)
class StripeField:
    """
    A place in an object, such as `billing_details.email`; the first element of a list is `[0]`.

    `type` is one of those of `flows.mapping.fields.SrcField`. A reference that may be expanded is an `id`
    and names in `expands` what it leads to. `removed` says what to use instead of what is no longer there.
    """

    path: str
    type: str
    text: str = ""
    values: tuple[str, ...] = ()
    open: bool = False  # Stripe may add values
    nullable: bool = False
    expands: tuple[str, ...] = ()
    deprecated: bool = False
    removed: str = ""


class NoSuchObject(LookupError):
    """The SDK knows no object of that type."""


class Release(NamedTuple):
    """Which SDK, and which version of the API its source describes."""

    sdk: str
    api: str

    def __str__(self) -> str:
        return f"{self.api} (stripe {self.sdk})"


@lru_cache(maxsize=1)
def release() -> Release:
    """Return what is installed."""
    root = source_root()
    sdk = _constants((root / "_version.py").read_text(encoding="utf-8"))["VERSION"]
    return Release(sdk, _constants((root / "_api_version.py").read_text(encoding="utf-8"))["CURRENT"])


@lru_cache(maxsize=1)
def objects() -> tuple[str, ...]:
    """Return the types of all objects that can be read, in alphabetical order."""
    return tuple(sorted(_classes()))


@lru_cache(maxsize=128)
def fields_of(kind: str, expand: tuple[str, ...] = ()) -> tuple[StripeField, ...]:
    """
    Return every field of an object of type `kind`, those of nested objects behind the one they are in.

    References in `expand` (https://docs.stripe.com/api/expanding_objects) are gone into.

    :raises NoSuchObject: if the SDK has no such type
    """
    found = _read(kind)
    if not expand:
        return found
    expanded = {field.path for field in found if field.expands and _inner(field, expand) is not None}
    parts: list[StripeField] = []
    for field in found:
        if field.path.removesuffix(".id") in expanded and field.path not in expanded:
            continue  # the object that stands here has an id of its own
        parts.append(field)
        if field.path in expanded:
            parts += _brought(field, _inner(field, expand) or ())
    return tuple(parts)


def _inner(field: StripeField, expand: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return what of `expand` lies inside of a reference, or None if it stays an id."""
    name = re.sub(r"\[\d+\]", "", field.path)
    inside = tuple(one[len(name) + 1 :] for one in expand if one.startswith(f"{name}."))
    return inside if inside or name in expand else None


def _brought(field: StripeField, expand: tuple[str, ...]) -> Iterator[StripeField]:
    """Yield the fields of what a reference leads to; what several kinds of object have is told once."""
    seen: set[str] = set()
    for kind in field.expands:
        for inner in fields_of(kind, expand) if kind in _classes() else ():
            if inner.path not in seen:
                seen.add(inner.path)
                instead = f"{field.path}.{inner.removed}" if inner.removed else ""
                yield replace(inner, path=f"{field.path}.{inner.path}", removed=instead)


# What was read once in this process, or elsewhere with the same release.
_known: dict[str, tuple[StripeField, ...]] = {}


def is_known(kind: str) -> bool:
    """Tell whether the fields of `kind` are at hand, so that no source has to be read for them."""
    return kind in _known


def learn(kind: str, fields: Iterable[StripeField]) -> None:
    """Take the fields of `kind` as they were read before, with this very release."""
    _known.setdefault(kind, tuple(fields))


def _read(kind: str) -> tuple[StripeField, ...]:
    if kind not in _classes():
        raise NoSuchObject(f"Stripe has no objects of type {kind!r}.")
    if kind not in _known:
        module, name = _classes()[kind]
        sdk = Sdk(source_root())
        scope = Scope(module, (sdk.module(module).classes[name],))
        learn(kind, islice(_Walk(sdk).fields(scope, "", (name,)), MOST_FIELDS))
    return _known[kind]


def text_of(kind: str) -> str:
    """
    Return what Stripe says of objects of type `kind`, its first sentence.

    :raises NoSuchObject: if the SDK has no such type
    """
    if kind not in _classes():
        raise NoSuchObject(f"Stripe has no objects of type {kind!r}.")
    module, name = _classes()[kind]
    # Looked for as text: to understand the source of all objects takes seconds.
    source = source_root().joinpath(*module.split(".")[1:]).with_suffix(".py").read_text(encoding="utf-8")
    found = re.search(rf'^class {name}\b[^:]*:\s*"""(.*?)"""', source, re.DOTALL | re.MULTILINE)
    return re.split(r"(?<=\.)\s", plain(found[1] if found else ""), maxsplit=1)[0]


@lru_cache(maxsize=1)
def event_types() -> tuple[str, ...]:
    """Return every type of event that an endpoint can be told of, in alphabetical order."""
    tree = ast.parse(
        (source_root() / "params/_webhook_endpoint_create_params.py").read_text(encoding="utf-8")
    )
    found = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return tuple(
        sorted(one for one in found if isinstance(one, str) and re.fullmatch(r"[a-z_]+(\.\w+)+", one))
    )


# How the source is read


def source_root() -> Path:
    """Return where the SDK is installed, without importing it."""
    spec = find_spec("stripe")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _constants(source: str) -> dict[str, str]:
    """Return the texts that names are given anywhere in a module."""
    return {
        node.targets[0].id: node.value.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


@lru_cache(maxsize=1)
def _classes() -> dict[str, tuple[str, str]]:
    """Return module and class of every object type; what only carries others is left out."""
    tree = ast.parse((source_root() / "_object_classes.py").read_text(encoding="utf-8"))
    table = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id == "OBJECT_CLASSES"
    )
    assert table is not None
    carriers = {"list", "search_result", "file_upload", "event"}
    told: dict[str, tuple[str, str]] = ast.literal_eval(table)
    return {kind: place for kind, place in told.items() if kind not in carriers}


# What the texts and names add


_MOMENT = re.compile(r"unix epoch|\btimestamp\b", re.IGNORECASE)
_MOMENT_NAME = re.compile(
    r"(?:^|_)(?:at|date|start|end|on|by|until|anchor|before|after|timestamp|created|updated)$"
    r"|^next_payment_attempt$|^next_pending_invoice_item_invoice$"
)
_MONEY = re.compile(r"smallest currency unit|\bin cents\b|unit amount", re.IGNORECASE)
_MONEY_NAME = re.compile(r"(?:^|_)(?:amount|total|subtotal|fee|net|balance|cost)(?:_|$)")
_OUTDATED = ("[deprecated]", "deprecated", "this field has been deprecated", "this is a legacy field")
_ID = re.compile(r"^(?:the |unique )?(?:id\b|identifier)", re.IGNORECASE)


def sharpened(kind: str, name: str, text: str) -> str:
    """Return the type that a plain one turns out to be: money, a moment, a currency, an id."""
    match kind:
        case "integer" if _MONEY_NAME.search(name) or _MONEY.search(text):
            return "amount"
        case "integer" if _MOMENT.search(text) or _MOMENT_NAME.search(name):
            return "timestamp"
        case "string" if name == "currency" or name.endswith("_currency"):
            return "currency"
        case "string" if name.endswith("_decimal"):
            return "number"
        case "string" if name == "id" or _ID.match(text):
            return "id"
        case _:
            return kind


def plain(text: str) -> str:
    """Return a text of the SDK without its links and line breaks, cut to a length."""
    said = " ".join(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("`", "").split())
    return said if len(said) <= LONGEST_TEXT else f"{said[: LONGEST_TEXT - 1]}…"


def _objects_in(inside: tuple[str, ...]) -> int:
    """Return how many of the classes are objects of the API; what is only a part of one stands in it."""
    return sum("." not in name for name in inside)


class _Walk:
    """Goes through an object and what is in it."""

    def __init__(self, sdk: Sdk) -> None:
        self._reading = Reading(sdk)

    def fields(
        self, scope: Scope, prefix: str, inside: tuple[str, ...], *, deep: bool = True
    ) -> Iterator[StripeField]:
        """
        Yield the fields of one class below `prefix`; `inside` are the classes that it stands in.

        What may be one of several kinds of object is told without what is in it, which would be long.
        """
        for name, annotation, said in attributes(scope.nest[-1]):
            meaning, text = self._reading.of(annotation, scope), plain(said)
            path = f"{prefix}{name}"
            yield StripeField(
                path,
                sharpened(meaning.type, name, text),
                text,
                meaning.values,
                meaning.open,
                meaning.nullable,
                tuple(map(type_of, meaning.inside)) if meaning.type == "id" else (),
                text.casefold().startswith(_OUTDATED),
            )
            if deep:  # what may be one of several kinds of object would be told at great length
                yield from self._below(meaning, path, inside)
        for name, instead in MOVED.get(type_of(scope), {}).items():
            yield StripeField(f"{prefix}{name}", "unknown", nullable=True, removed=f"{prefix}{instead}")

    def _below(self, meaning: Meaning, path: str, inside: tuple[str, ...]) -> Iterator[StripeField]:
        """Yield what is in a field."""
        if meaning.element is not None:
            place = f"{path}.data[0]" if meaning.paged else f"{path}[0]"
            element: Meaning = meaning.element
            if element.type not in ("object", "list"):
                yield StripeField(place, element.type, values=element.values, open=element.open)
            yield from self._below(element, place, inside)
        elif meaning.type == "object":
            yield from self._parts(meaning, path, inside)
        elif meaning.type == "id":
            yield StripeField(f"{path}.id", "id", "The id, where the reference is expanded.", nullable=True)

    def _parts(self, meaning: Meaning, path: str, inside: tuple[str, ...]) -> Iterator[StripeField]:
        """Yield the fields of an object that stands in a field, unless it is too far from the whole."""
        most = MOST_OBJECTS + path.count("[0]")
        if path.count(".") + 2 > DEEPEST:
            return
        seen: set[str] = set()
        for scope in meaning.inside:
            known = ".".join(node.name for node in scope.nest)
            if known in inside or (len(scope.nest) == 1 and _objects_in(inside) >= most):
                continue
            for found in self.fields(scope, f"{path}.", (*inside, known), deep=len(meaning.inside) == 1):
                if found.path not in seen:
                    seen.add(found.path)
                    yield found
