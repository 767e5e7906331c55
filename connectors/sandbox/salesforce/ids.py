"""This module makes and reads Salesforce record ids of 15 and 18 characters."""

from __future__ import annotations

import re

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECKSUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
SHAPE = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
POD = "gK"  # the two characters that name the instance where the record was made
FIRST = 62**3 * 7 + 11  # so that ids do not look like 1, 2, 3 and hold both cases early


def checksum(id15: str) -> str:
    """
    Return the three characters that make a case-sensitive id safe where case is lost.

    Each is one of 32 and stands for the upper-case letters among five characters.
    https://help.salesforce.com/s/articleView?id=000385585
    """
    return "".join(
        CHECKSUM[sum(1 << place for place, char in enumerate(id15[start : start + 5]) if "A" <= char <= "Z")]
        for start in (0, 5, 10)
    )


def new_id(prefix: str, number: int) -> str:
    """Return the 18 characters of the `number`th id of the object with the key prefix `prefix`."""
    tail, rest = "", FIRST + number
    for _ in range(9):
        rest, digit = divmod(rest, 62)
        tail = DIGITS[digit] + tail
    id15 = f"{prefix}{POD}0{tail}"
    return id15 + checksum(id15)


def full_id(text: object) -> str | None:
    """Return `text` as an id of 18 characters, or None if it is no id (wrong checksum included)."""
    if not isinstance(text, str) or SHAPE.fullmatch(text) is None:
        return None
    if len(text) == 15:
        return text + checksum(text)
    return text if checksum(text[:15]) == text[15:].upper() else None
