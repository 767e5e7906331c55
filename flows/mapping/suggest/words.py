"""This module takes names and labels apart into words that can be compared."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from flows.mapping.suggest.vocabulary import vocabulary

LONGEST = 200  # characters of a label that are read; longer ones are hostile
_SHORTEST_JOINED = 6  # a shorter word is not taken apart

_SUFFIX = re.compile(r"__(c|r|pc|pr|e|mdt|x|kav)$", re.IGNORECASE)
_NAMESPACE = re.compile(r"^[A-Za-z][A-Za-z0-9]{0,14}__(?=.)")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[a-z]+|[0-9]+")


def bare(name: str) -> str:
    """Return an API name without its namespace and the suffix of custom fields."""
    return _NAMESPACE.sub("", _SUFFIX.sub("", name))


@lru_cache(maxsize=20_000)
def words_of(text: str) -> tuple[str, ...]:
    """
    Return the words in `text` in their canonical form: `PayerZip` is `customer`, `postal_code`.

    Vendors' names are left out unless nothing else is there.
    """
    known = vocabulary()
    raw = [part for word in _pieces(text) for part in _apart(word)]
    formed = [part for word in raw for part in known.forms.get(word, word).split()]
    formed = _rewrite([_singular(word) for word in formed])
    formed = _rewrite([part for word in formed for part in known.forms.get(word, word).split()])
    told = tuple(word for word in formed if word not in known.vendors and word not in known.ignored)
    return told or tuple(formed)


def _pieces(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text[:LONGEST])
    plain = plain.encode("ascii", "ignore").decode("ascii").replace("#", " number ").replace("%", " percent ")
    return _WORD.findall(_HUMP.sub(" ", plain).lower())


def _apart(word: str) -> list[str]:
    """Take a word like `paymentstatus` apart, if it consists of known words and is none itself."""
    known = vocabulary().known
    if len(word) < _SHORTEST_JOINED or len(word) > 40 or word in known or _singular(word) in known:
        return [word]
    # The fewest words that make up the beginning of the word, for every length of it.
    best: list[list[str] | None] = [[], *[None] * len(word)]
    for end in range(1, len(word) + 1):
        for begin in range(max(0, end - 20), end):
            before, part = best[begin], word[begin:end]
            if before is None or (len(part) < 3 and part not in _SHORT) or part not in known:
                continue
            now = best[end]
            if now is None or len(before) + 1 < len(now):
                best[end] = [*before, part]
    return best[-1] or [word]


_SHORT = frozenset({"id", "no", "cd", "dt"})


def _singular(word: str) -> str:
    known = vocabulary()
    if word in known.forms or len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-2] if word.endswith(("sses", "xes", "ches")) else word[:-1]


def _rewrite(words: list[str]) -> list[str]:
    """Exchange known phrases for what they mean, the longest first, until none is left."""
    phrases = vocabulary().phrases
    place, out = 0, list(words)
    while place < len(out):
        for size in (4, 3, 2, 1):
            old = tuple(out[place : place + size])
            new = phrases.get(old, old)
            if new != old:
                out[place : place + size] = new
                break
        else:
            place += 1
            continue
        place = max(0, place - 2)
    return out
