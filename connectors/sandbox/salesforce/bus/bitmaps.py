"""This module writes the bitmaps in which a change event names fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connectors.sandbox.salesforce.bus.schemas import Schema


def bitmaps(schema: Schema, names: Iterable[str]) -> list[str]:
    """
    Return the bitmaps that name these fields of a record, as in `["0x650004E0", "4-0x10"]`.

    The first is of the plain fields, and left out if it names none; each other one is of the components of
    the compound field in the place before the hyphen. Fields that events leave out are not named.
    https://developer.salesforce.com/docs/platform/pub-sub-api/guide/event-deserialization-considerations.html
    """
    wanted = set(names)
    plain = bitmap(slot.place for slot in schema.slots if not slot.parts and slot.field.name in wanted)
    told = [plain] if plain else []
    for slot in schema.slots:
        nested = bitmap(part.place for part in slot.parts if part.field.name in wanted)
        if nested:
            told.append(f"{slot.place}-{nested}")
    return told


def bitmap(places: Iterable[int]) -> str:
    """Return whole bytes in hexadecimal, the highest first; the lowest bit is place 0. No place: no text."""
    number = 0
    for place in places:
        number |= 1 << place
    size = (number.bit_length() + 7) // 8
    return f"0x{number:0{size * 2}X}" if number else ""
