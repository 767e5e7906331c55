"""This module makes text from elsewhere fit for a database column."""

from __future__ import annotations

import re

# What an error may add to a row. No name and no code of either system comes near.
LONGEST_CODE = 100
LONGEST_FIELD = 100
LONGEST_MESSAGE = 2_000
LONGEST_REQUEST_ID = 100

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str, longest: int | None = None) -> str:
    """
    Return at most `longest` characters of `text`, with what no database column takes replaced by U+FFFD.

    That is NUL, which PostgreSQL refuses, and lone surrogates, which no encoding has. Both can be written in
    JSON as an escape, so whoever answers us can send them.
    """
    return _UNSTORABLE.sub("\ufffd", text[:longest])


def within(text: str, longest: int) -> str:
    """
    Return at most `longest` characters of `text`, with what is too much left out of its middle.

    What was sent stands in the middle of a message; which field it was, and what would be allowed, such as
    "(max length=255)", stand at its ends.
    """
    if len(text) <= longest:
        return text
    behind = longest // 3
    return f"{text[: longest - behind - 3]} … {text[-behind:]}"
