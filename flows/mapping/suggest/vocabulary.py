"""This module reads the words of the payments domain that suggestions know, from a file beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path

_FILE = Path(__file__).with_name("vocabulary.json")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What suggestions know of words; every word stands in its canonical form."""

    forms: Mapping[str, str]  # an abbreviation or a form -> its words
    phrases: Mapping[tuple[str, ...], tuple[str, ...]]
    close: Mapping[str, Mapping[str, float]]  # how near two different words are, 0 to 1
    weights: Mapping[str, float]  # of words that tell less (or more) than others
    ignored: frozenset[str]
    vendors: frozenset[str]  # words that only say where a field comes from
    noise: frozenset[str]  # names inside of a path that say nothing
    generic: frozenset[str]  # names that need the one before them to be understood
    objects: frozenset[str]  # Stripe fields that hold the id of an object, or the object
    meanings: Mapping[str, tuple[str, ...]]  # the end of a path -> what else it may be called
    known: frozenset[str]  # words into which a name without separators may be taken apart


@cache
def vocabulary() -> Vocabulary:
    """Return the vocabulary, read once."""
    told = json.loads(_FILE.read_text(encoding="utf-8"))
    forms = told["forms"]
    close = _closeness(told["alike"])
    phrases = {tuple(old.split()): tuple(new.split()) for old, new in told["phrases"].items()}
    words = {*close, *told["weights"], *forms, *told["vendors"]}
    words.update(word for old, new in phrases.items() for word in (*old, *new))
    words.update(word for texts in told["meanings"].values() for text in texts for word in text.split())
    return Vocabulary(
        forms=forms,
        phrases=phrases,
        close=close,
        weights=told["weights"],
        ignored=frozenset(told["ignored"]),
        vendors=frozenset(told["vendors"]),
        noise=frozenset(told["noise"]),
        generic=frozenset(told["generic"]),
        objects=frozenset(told["objects"]),
        meanings={end: tuple(texts) for end, texts in told["meanings"].items()},
        known=frozenset(word for word in words if word.isalpha() and len(word) > 1),
    )


def _closeness(groups: list[Mapping[str, object]]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for one, other, closeness in _pairs(groups):
        for a, b in ((one, other), (other, one)):
            near = found.setdefault(a, {})
            near[b] = max(closeness, near.get(b, 0.0))
    return found


def _pairs(groups: list[Mapping[str, object]]) -> Iterator[tuple[str, str, float]]:
    for group in groups:
        words = group["words"]
        assert isinstance(words, list)
        for one, other in combinations(words, 2):
            yield one, other, float(str(group["closeness"]))
