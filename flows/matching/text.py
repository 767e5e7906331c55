"""This module folds text, so that spellings which mean the same are the same."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 200  # characters of a value that are looked at; names and addresses are shorter

_STROKES = str.maketrans(
    {
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "ı": "i",
        "'": "",
        "’": "",
    }
)
_WORD = re.compile(r"[^\W_]+")
_DIGITS = re.compile(r"\d")


def folded(text: str) -> str:
    """Return `text` in small letters without accents, cut to `LONGEST` characters."""
    lower = text[:LONGEST].lower()
    if lower.isascii():
        return lower.replace("'", "")
    decomposed = unicodedata.normalize("NFKD", lower.translate(_STROKES))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))[:LONGEST]


def tokens(text: str) -> tuple[str, ...]:
    """Return the words and numbers of `text`, folded."""
    return tuple(_WORD.findall(folded(text)))


def skeleton(word: str) -> str:
    """Return the first letter of `word` and its later consonants, each once in a row."""
    kept = word[:1]
    for letter in word[1:]:
        if letter not in "aeiouyhw" and letter != kept[-1]:
            kept += letter
    return kept


def has_digit(text: str) -> bool:
    """Tell whether `text` has a digit."""
    return _DIGITS.search(text) is not None
