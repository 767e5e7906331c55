"""This module brings Salesforce ids into the one form in which they may be compared."""

from __future__ import annotations

import re
from functools import lru_cache

_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def as_18(value: str) -> str:
    """
    Return an id with its checksum: 15-character ids differ by case alone, 18-character ones do not.

    :raises ValueError: if `value` is no id
    """
    if not _ID.fullmatch(value):
        raise ValueError(f"{value!r} is no Salesforce id")
    return value[:15] + _checksum(value[:5]) + _checksum(value[5:10]) + _checksum(value[10:15])


@lru_cache(maxsize=4_096)  # every record that was written has one, and ids of one time begin alike
def _checksum(five: str) -> str:
    """Return the letter that tells which of five characters are capitals."""
    return _LETTERS[sum(1 << place for place, letter in enumerate(five) if letter.isupper())]
