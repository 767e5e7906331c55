"""This module holds the chips that put texts together and take them apart: names, addresses, sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from flows.mapping.chip import Chip, Transform, text_of
from flows.mapping.failure import MappingFailed, Notes
from flows.mapping.reading import Context, Paths, first_of
from flows.mapping.template import Template, compile_template, places_in
from flows.mapping.widgets import shown


class Join(Chip):
    """Join several values with a separator; those that are empty are left out."""

    label: ClassVar[str] = "Join"
    takes_empty: ClassVar[bool] = True

    chip: Literal["join"]
    parts: Paths = Field(
        json_schema_extra=shown("Values that follow", offers="paths", of="read", add="Add a value"),
        min_length=1,
        description="Where the values are read that follow the one of the line, in order.",
    )
    separator: str = Field(
        json_schema_extra=shown("Separator"),
        default=" ",
        max_length=20,
        description="What stands between two of them.",
    )

    def sources(self) -> list[str]:
        """Return the paths of the parts."""
        return list(self.parts)

    def compile(self, field: str) -> Transform:
        """Return the chip as a function."""
        readers, separator = [first_of([path]) for path in self.parts], self.separator

        def transform(value: Any, context: Context, notes: Notes) -> Any:
            values = [value, *(read(context) for read in readers)]
            texts = [text_of(one, field) for one in values if one is not None]
            return separator.join(text for text in texts if text.strip()) or None

        return transform


class TextTemplate(Chip):
    """Write a text with values in it; it is empty where none of its places has a value."""

    label: ClassVar[str] = "Text with values"
    takes_empty: ClassVar[bool] = True

    chip: Literal["template"]
    text: Template = Field(
        json_schema_extra=shown("Text", offers="places", of="read"),
        description="The text, with places such as {charge.id} for values.",
    )

    def sources(self) -> list[str]:
        """Return the paths of the places."""
        return places_in(self.text)

    def compile(self, field: str) -> Transform:
        """Return the chip as a function."""
        render = compile_template(self.text)

        def transform(value: Any, context: Context, notes: Notes) -> Any:
            rendered = render(context)
            if rendered.whole:
                raise MappingFailed(field, "not_a_value", f"{rendered.whole} is not one value")
            return rendered.text if rendered.found else None

        return transform


class SplitName(Chip):
    """Take the first or the last name out of a whole name; a single word is a last name."""

    label: ClassVar[str] = "Part of a name"

    chip: Literal["split_name"]
    part: Literal["first", "last"] = Field(
        json_schema_extra=shown("Part", words={"first": "First name", "last": "Last name"}),
        description="Which part.",
    )

    def compile(self, field: str) -> Transform:
        """Return the chip as a function."""
        place = 0 if self.part == "first" else 1
        return lambda value, _context, _notes: split_name(text_of(value, field))[place] or None


class Address(Chip):
    """Take a part out of an address as Stripe keeps it. An address that is one text is all street."""

    label: ClassVar[str] = "Part of an address"

    chip: Literal["address"]
    part: Literal["street", "city", "state", "postal_code", "country", "one_line"] = Field(
        json_schema_extra=shown("Part", words={"one_line": "The whole address in one line"}),
        description="Which part; the street has both lines.",
    )

    def compile(self, field: str) -> Transform:
        """Return the chip as a function."""
        part = self.part

        def transform(value: Any, context: Context, notes: Notes) -> Any:
            if not isinstance(value, Mapping):
                whole = text_of(value, field)
                return whole if part in ("street", "one_line") else None
            return in_address(value, part, field) or None

        return transform


class Digits(Chip):
    """Keep only the digits of a text, such as of a telephone number or a tax id."""

    label: ClassVar[str] = "Digits"

    chip: Literal["digits"]

    def compile(self, field: str) -> Transform:
        """Return the chip as a function."""
        return lambda value, _context, _notes: only_digits(text_of(value, field)) or None


def only_digits(text: str) -> str:
    """Return the digits of `text`, in order."""
    return re.sub(r"[^0-9]", "", text)


# Small words that belong to the last name behind them, in the languages that Stripe's customers have most.
_SMALL_WORDS = """
    af al ap av bin bint da das de degli dei del della den der des di do dos du el ibn la las le lo los
    ten ter van von vom zu zum zur
"""
_PARTICLES = frozenset(_SMALL_WORDS.split())
_ENDINGS = frozenset({"jr", "sr", "ii", "iii", "iv", "phd", "md", "esq"})


def split_name(name: str) -> tuple[str, str]:
    """
    Return the first and the last name in `name`, one of which may be empty.

    The last word is the last name, with the small words before it ("van", "de la") and the endings
    behind it ("Jr."). "Last, First" is turned round. A single word is a last name, since Salesforce
    requires one.
    """
    before, comma, behind = (part.strip() for part in name.partition(","))
    if comma and not _is_ending(behind):
        # "Last, First"; what stands behind a second comma is an ending.
        first, _, ending = (" ".join(part.split()) for part in behind.partition(","))
        last = " ".join(before.split())
        return (first, f"{last} {ending}".strip()) if last else ("", first)
    words = name.replace(",", " ").split()
    begin = len(words) - 1
    while begin > 0 and _is_ending(words[begin]):
        begin -= 1
    while begin > 0 and _is_particle(words[begin - 1], first=begin == 1):
        begin -= 1
    return " ".join(words[: max(begin, 0)]), " ".join(words[max(begin, 0) :])


def _is_ending(word: str) -> bool:
    return word.replace(".", "").lower() in _ENDINGS


def _is_particle(word: str, *, first: bool) -> bool:
    """Tell whether `word` belongs to what follows; in front, with a capital, it is a name: "Van Morrison"."""
    return word.lower() in _PARTICLES and not (first and word[0].isupper())


def in_address(address: Mapping[str, Any], part: str, field: str) -> str:
    """
    Return the part of an address that `Address.part` names; empty where there is none.

    :raises MappingFailed: if it is no single value
    """

    def text(name: str) -> str:
        value = address.get(name)
        return "" if value is None else text_of(value, field).strip()

    if part == "street":
        return "\n".join(line for line in (text("line1"), text("line2")) if line)
    if part != "one_line":
        return text(part)
    town = " ".join(word for word in (text("postal_code"), text("city")) if word)
    parts = (text("line1"), text("line2"), town, text("state"), text("country"))
    return ", ".join(one for one in parts if one)
