"""This module describes chips as forms: what each asks for, read from its own model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from flows.mapping import transforms
from flows.mapping.chip import Chip
from flows.mapping.widgets import FORM

Kind = Literal[
    "text", "long", "whole", "flag", "choice", "paths", "scalar", "table", "otherwise", "condition", "json"
]


@dataclass(frozen=True, slots=True)
class Setting:
    """
    One field of a form; `options` are of a choice, `default` is what it means to leave it out.

    `words` is what options are called, and `add` what a button says that adds a path.
    """

    name: str
    label: str
    help: str
    kind: Kind
    required: bool
    default: Any = None
    options: tuple[str, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    add: str = ""


@dataclass(frozen=True, slots=True)
class ChipForm:
    """A chip as it is offered."""

    slug: str
    label: str
    help: str
    takes_empty: bool
    settings: tuple[Setting, ...]


@cache
def chip_forms() -> tuple[ChipForm, ...]:
    """Return every chip that may be added to a line, those of installed packages included."""
    return tuple(_form(slug, chip) for slug, chip in transforms.load().items())


def _form(slug: str, chip: type[Chip]) -> ChipForm:
    schema = chip.model_json_schema(by_alias=True)
    required = set(schema.get("required", ()))
    settings = tuple(
        _setting(name, told, name in required)
        for name, told in schema.get("properties", {}).items()
        if name != "chip"
    )
    return ChipForm(slug, chip.label, (chip.__doc__ or "").strip(), chip.takes_empty, settings)


def _setting(name: str, told: Mapping[str, Any], required: bool) -> Setting:
    form, options = told.get(FORM, {}), _options(told)
    words = form.get("words", {})
    return Setting(
        name=name,
        label=form.get("label") or _as_words(name),
        help=str(told.get("description", "")),
        kind=_kind(name, told),
        required=required,
        default=told.get("default"),
        options=options,
        words={option: words.get(option) or _as_words(option) for option in options},
        add=form.get("add", ""),
    )


def _as_words(name: str) -> str:
    """Return what a setting of an installed package is called if it does not say so itself."""
    return name.replace("_", " ").capitalize()


def _kind(name: str, told: Mapping[str, Any]) -> Kind:
    if _options(told):
        return "choice" if not _names_a_model(told) else "otherwise"
    if told.get("type") == "object" and "additionalProperties" in told:
        return "table"
    if told.get("type") == "array":
        return "paths" if told.get("items", {}).get("type") == "string" else "json"
    if told.get("type") in _SIMPLE:
        return "long" if told.get("maxLength", 0) > _LONGEST_LINE else _SIMPLE[told["type"]]
    types = {part.get("type") for part in told.get("anyOf", ())} - {"null"}
    if types == {"integer"}:
        return "whole"
    if types and types <= {"string", "integer", "number", "boolean"}:
        return "scalar"
    return "condition" if name in ("if", "condition") else "json"


_LONGEST_LINE = 500  # characters that one line of a form has room for
_SIMPLE: Mapping[str, Kind] = {"string": "text", "integer": "whole", "boolean": "flag"}


def _names_a_model(told: Mapping[str, Any]) -> bool:
    return any("$ref" in part for part in told.get("anyOf", ()))


def _options(told: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the words that may be chosen, wherever they stand."""
    for part in (told, *told.get("anyOf", ())):
        if "enum" in part:
            return tuple(str(word) for word in part["enum"])
    return ()
