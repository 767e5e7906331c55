"""This module makes text fit for a Salesforce field: without control characters, and not too long."""

from __future__ import annotations

import re
import unicodedata

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Control characters but for tab and line ends, lone surrogates, and what is never a character.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ZERO_WIDTH_JOINER = "\u200d"
_LONGEST_CLUSTER = 64  # code points; a "character" of more is hostile, and is cut


def clean(text: str) -> str:
    """Return `text` with every character that PostgreSQL, JSON or Salesforce would choke on replaced."""
    return text if text.isprintable() else _UNFIT.sub(REPLACEMENT, text)


def length(text: str) -> int:
    """Return how long Salesforce finds a clean `text`: in UTF-16 units, where an emoji counts two or more."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def cut(text: str, longest: int) -> str:
    """
    Return as much of a clean `text` as `longest` UTF-16 units hold.

    What a reader sees as one character is not split, unless it has more than 64 code points
    or does not fit alone: nothing would be left of it.
    """
    if length(text) <= longest:
        return text
    units = text.encode("utf-16-le")[: longest * 2]
    end = len(units.decode("utf-16-le", "ignore"))  # which drops the half of a pair at the end
    for place in range(end, max(0, end - _LONGEST_CLUSTER), -1):
        if _is_boundary(text, place):
            return text[:place]
    return text[:end]


def _is_boundary(text: str, place: int) -> bool:
    """Tell whether a reader sees the characters before and after `place` as two."""
    before, after = text[place - 1], text[place]
    if before == _ZERO_WIDTH_JOINER or _extends(after):
        return False
    if before == "\r" and after == "\n":
        return False
    if _is_flag_letter(after) and _is_flag_letter(before):
        flags = place
        while flags and _is_flag_letter(text[flags - 1]):
            flags -= 1
        return (place - flags) % 2 == 0  # flags are pairs of letters
    return True


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _extends(character: str) -> bool:
    """Tell whether `character` is drawn onto the one before it: marks, joiners, skin tones, Hangul vowels."""
    return (
        unicodedata.category(character) in {"Mn", "Me", "Mc"}
        or character in "\u200c\u200d"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\U000e0020" <= character <= "\U000e007f"
        or "\u1160" <= character <= "\u11ff"
    )
