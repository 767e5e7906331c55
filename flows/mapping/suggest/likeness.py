"""This module compares what paths and fields are called, word by word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rapidfuzz import fuzz, process

from flows.mapping.suggest.phrases import Phrase, Source, Target, unsaid_weight
from flows.mapping.suggest.vocabulary import vocabulary

_ALIKE = 84.0  # below this, two spellings are two words: `price` and `prize` are 80
_SHORTEST = 4  # letters of a word whose spelling may differ
_LONG = 6  # letters that a word has more than, if the beginning of it is to tell something
_SPELLING = 0.9
_BEGINNING = 0.75  # `desc` of `description`, where the list of abbreviations does not know it

Near = Mapping[str, Mapping[str, float]]  # a word of a path -> the words of fields that are like it


class Likeness:
    """The words of all paths against those of all fields, compared once."""

    def __init__(self, sources: Iterable[Source], targets: Sequence[Target]) -> None:
        phrases = [phrase for source in sources for phrase in source.phrases]
        words = {word for phrase in phrases for word, _ in phrase.words}
        words.update(word for phrase in phrases for word in phrase.helping)
        self._where: dict[str, list[tuple[int, int]]] = {}  # a word of fields -> the phrases that have it
        self._targets = targets
        for number, target in enumerate(targets):
            for place, phrase in enumerate(target.phrases):
                for word, _ in phrase.words:
                    self._where.setdefault(word, []).append((number, place))
        self._near = _nearness(words, list(self._where))

    def of(self, source: Source) -> dict[int, float]:
        """Return how like each field is to `source`, 0 to 1, by its number; others are not."""
        best: dict[int, float] = {}
        for phrase in source.phrases:
            said = self._said(phrase)
            places = {place for word in said for place in self._where[word]}
            for number, place in places:
                other = self._targets[number].phrases[place]
                alike = self._compare(phrase, said, other)
                if alike > best.get(number, 0.0):
                    best[number] = alike
        return best

    def _said(self, phrase: Phrase) -> dict[str, float]:
        """Return the words of fields that `phrase` covers, and how well."""
        said: dict[str, float] = {}
        for word, share in (*((word, 1.0) for word, _ in phrase.words), *phrase.helping.items()):
            for other, alike in self._near.get(word, {}).items():
                said[other] = max(alike * share, said.get(other, 0.0))
        return said

    def _compare(self, phrase: Phrase, said: Mapping[str, float], other: Phrase) -> float:
        """Return the harmonic mean of how much of either phrase the other one says."""
        whole = covered = 0.0
        for word, weight in other.words:
            alike = said.get(word, 0.0)
            whole += weight if alike else unsaid_weight(word, weight, other)
            covered += weight * alike
        forth = covered / whole if whole else 0.0
        if not forth:
            return 0.0
        whole = covered = 0.0
        for word, weight in phrase.words:
            near = self._near.get(word, {})
            whole += weight
            covered += weight * max((near.get(one, 0.0) for one, _ in other.words), default=0.0)
        back = covered / whole if whole else 0.0
        return phrase.factor * other.factor * 2 * forth * back / (forth + back) if back else 0.0


def _nearness(words: Iterable[str], others: Sequence[str]) -> dict[str, dict[str, float]]:
    long = [other for other in others if len(other) >= _SHORTEST]
    return {word: near for word in words if (near := _near_of(word, others, long))}


def _near_of(word: str, others: Sequence[str], long: Sequence[str]) -> dict[str, float]:
    known = vocabulary()
    listed = known.close.get(word, {})
    near = {other: listed[other] for other in others if other in listed}
    if word in others:
        near[word] = 1.0
    if len(word) < _SHORTEST:
        return near
    # Two known words are two words, however little they differ: `charge` and `chargeback`, `paid` and `said`.
    unknown = [
        other for other in long if other not in near and not (word in known.close and other in known.close)
    ]
    for other in unknown:
        shorter, longer = sorted((word, other), key=len)
        if len(longer) > _LONG and longer.startswith(shorter):
            near[other] = _BEGINNING
    for other, ratio, _ in process.extract(word, unknown, scorer=fuzz.ratio, score_cutoff=_ALIKE, limit=None):
        near[other] = ratio / 100 * _SPELLING
    return near
