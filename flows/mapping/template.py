"""This module fills values into texts: `{charge.id}` is replaced by what is read there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, StringConstraints
from pydantic.fields import FieldInfo

from flows.mapping.reading import Context, Read, first_of
from flows.mapping.text import clean, cut
from integrator.kernel.paths import BadPath, compile_path

LONGEST = 2000  # characters of a template, and of what becomes of it
MOST_PLACES = 50
_LARGEST_NUMBER = 1000  # bits; Python refuses to write numbers that are much larger
_MOST_DIGITS = 100  # above this a number is written with an exponent
_WHOLE = "…"  # stands for an object or a list
_PLACE = re.compile(r"\{([^{}]*)\}")


def places_in(text: str) -> list[str]:
    """
    Return the paths that `text` has places for, in order.

    :raises ValueError: if a brace is no part of a place, a place holds no path, or there are too many
    """
    if re.search(r"[{}]", _PLACE.sub("", text)):
        raise ValueError("A brace begins or ends a place such as {charge.id}, and nothing else")
    paths = _PLACE.findall(text)
    if len(paths) > MOST_PLACES:
        raise ValueError(f"A text has at most {MOST_PLACES} places")
    for path in paths:
        try:
            compile_path(path)
        except BadPath as error:
            raise ValueError(str(error)) from None
    return paths


def pieces_of(text: str) -> tuple[list[str], list[str]]:
    """
    Return the texts between the places of `text`, one more than there are places, and their paths.

    :raises ValueError: as `places_in`
    """
    paths = places_in(text)
    return _PLACE.split(text)[::2], paths


def _checked(text: str) -> str:
    places_in(text)
    return text


# A text with places for values.
Template = Annotated[str, StringConstraints(max_length=LONGEST), AfterValidator(_checked)]


def is_template(field: FieldInfo) -> bool:
    """Tell whether a setting is a text with places."""
    return any(isinstance(mark, AfterValidator) and mark.func is _checked for mark in field.metadata)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text whose places were filled."""

    text: str
    found: bool  # whether any place had a value; true where there are no places
    whole: str = ""  # the first place that holds an object or a list, of which nothing can be written


def compile_template(text: str) -> Callable[[Context], Rendered]:
    """
    Return what fills the places of `text`; what has no value leaves nothing behind.

    :raises ValueError: as `places_in`
    """
    between, paths = pieces_of(text)
    readers: list[Read] = [first_of([path]) for path in paths]

    def render(context: Context) -> Rendered:
        values = [read(context) for read in readers]
        parts = [between[0]]
        for value, after in zip(values, between[1:], strict=True):
            parts += [_as_text(value), after]
        found = not paths or any(value not in (None, "") for value in values)
        whole = next((path for path, value in zip(paths, values, strict=True) if _is_whole(value)), "")
        return Rendered(cut(clean("".join(parts)), LONGEST), found, whole)

    return render


def _is_whole(value: Any) -> bool:
    if isinstance(value, int):
        return value.bit_length() > _LARGEST_NUMBER
    return not isinstance(value, (str, float, Decimal, type(None)))


def _as_text(value: Any) -> str:
    """Return `value` as JSON would write it; nothing for null, and a mark for what is no single value."""
    if value is None:
        return ""
    if _is_whole(value):
        return _WHOLE
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal) and abs(value.adjusted()) <= _MOST_DIGITS:
        return format(value, "f")
    return str(value)
