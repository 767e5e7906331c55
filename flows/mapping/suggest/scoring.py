"""This module weighs what speaks for a path and a field: words, types, values, meaning and history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.mapping.fields import SObjField, SrcField
from flows.mapping.suggest import changes
from flows.mapping.suggest.embedding import Embedder, near
from flows.mapping.suggest.evidence import agreement
from flows.mapping.suggest.kinds import TELLING, fit
from flows.mapping.suggest.likeness import Likeness
from flows.mapping.suggest.phrases import Source, ends_of, names_of, read_source, read_target
from flows.mapping.suggest.reading import source_of, usable

ACCEPTED = 0.15  # what a line weighs that somebody accepted before
_SUREST = 0.99  # of what nobody accepted yet
_OF_TYPE = 0.45  # how much of the score a type that hardly fits takes away
_OF_VALUES = 0.08
_VALUES_COUNT = 0.225  # how like the words have to be before values say anything
_BY_TYPE = 0.15  # for a type that few fields have; far below what is shown
_FOUND = 0.60  # from here on words have found somebody, and meaning is not asked
_OF_MEANING = 0.45  # how much of what words leave open an embedding may say
_MOST_BY_MEANING = 0.69  # less than what may be chosen beforehand


@dataclass(slots=True)
class Pair:
    """A path and a field, by their numbers, with what speaks for them."""

    source: int
    target: int
    score: float
    parts: dict[str, float]


class Scores:
    """Everything that is known of both sides, and the scores of their pairs."""

    def __init__(
        self,
        source_fields: Iterable[SrcField | Mapping[str, Any]],
        target_fields: Iterable[SObjField | Mapping[str, Any]],
        test: Callable[[SObjField], bool],
        *,
        examples: Iterable[Any] = (),
        rejected: Iterable[Any] = (),
        embedder: Embedder | None = None,
    ) -> None:
        told = [source_of(one) for one in source_fields]
        accepted = [_pair_of(one) for one in examples]
        self.targets = [read_target(one) for one in usable(target_fields, test)]
        lessons = _Lessons(accepted, {one.field.name for one in self.targets})
        self.sources = [read_source(one, lessons.of(one.path)) for one in told]
        self.currencies = changes.currencies_among(told)
        self._numbers = {one.field.name: number for number, one in enumerate(self.targets)}
        self._by_type: dict[str, list[int]] = defaultdict(list)
        for number, one in enumerate(self.targets):
            self._by_type[one.field.type].append(number)
        likeness = Likeness(self.sources, self.targets)
        self._alike = [likeness.of(one) for one in self.sources]
        self._accepted, self._rejected = set(accepted), {_pair_of(one) for one in rejected}
        self._near = self._nearness(embedder) if embedder else {}

    def rows(self) -> Iterator[list[Pair]]:
        """Yield what may go with each source."""
        for number, alike in enumerate(self._alike):
            others = self._worth_a_look(self.sources[number], alike).union(self._near.get(number, ()))
            pairs = (self._pair(number, other, alike.get(other, 0.0)) for other in others)
            yield [pair for pair in pairs if pair is not None]

    def _nearness(self, embedder: Embedder) -> dict[int, dict[int, float]]:
        """Return how near in meaning those paths and fields are for which words find nobody."""
        found = [
            (number, other)
            for number, alike in enumerate(self._alike)
            for other, lexical in alike.items()
            if self._by_words(number, other, lexical) >= _FOUND
        ]
        paths, fields = {number for number, _ in found}, {other for _, other in found}
        return near(
            embedder,
            {number: one for number, one in enumerate(self.sources) if number not in paths},
            {number: one for number, one in enumerate(self.targets) if number not in fields},
        )

    def _by_words(self, number: int, other: int, lexical: float) -> float:
        source = self.sources[number]
        return _weighed(lexical, fit(source.kind, self.targets[other].field), source)

    def _worth_a_look(self, source: Source, alike: Iterable[int]) -> set[int]:
        """Return the fields that are like a source by words, by type alone, or by history."""
        path = source.field.path
        found = {
            self._numbers[name] for other, name in self._accepted if other == path and name in self._numbers
        }
        for type_ in TELLING.get(source.kind, ()):
            found.update(self._by_type.get(type_, ()))
        return found.union(alike)

    def columns(self) -> Iterator[list[Pair]]:
        """Yield what may go with each field that has anything."""
        found: dict[int, list[Pair]] = defaultdict(list)
        for row in self.rows():
            for pair in row:
                found[pair.target].append(pair)
        return (found[number] for number in sorted(found))

    def order(self, pair: Pair) -> tuple[float, float, bool, int, int]:
        """Return what sorts the best pair first: of equals the external id, then the first field told."""
        external = self.targets[pair.target].field.external_id
        return (-pair.score, -pair.parts["type"], not external, pair.target, pair.source)

    def _pair(self, number: int, other: int, lexical: float) -> Pair | None:
        source, target = self.sources[number], self.targets[other]
        key = (source.field.path, target.field.name)
        types = fit(source.kind, target.field)
        accepted = key in self._accepted
        if key in self._rejected or not (types or accepted):
            return None
        cosine = self._near.get(number, {}).get(other, 0.0)
        meant = _meant(lexical, cosine)
        if target.field.type in TELLING.get(source.kind, ()):
            meant = max(meant, _BY_TYPE)
        if meant <= 0 and not accepted:
            return None
        value = agreement(source, target.field) if lexical >= _VALUES_COUNT else 0.0
        history = ACCEPTED if accepted else 0.0
        guessed = _weighed(meant, types, source) + _OF_VALUES * value * source.weight
        score = min(1.0, max(0.0, min(_SUREST, guessed)) + history)
        parts = {"lexical": lexical, "type": types, "embedding": cosine, "value": value, "history": history}
        rounded = {name: round(part, 4) for name, part in parts.items()}
        return Pair(number, other, round(score, 4), rounded)


def _meant(lexical: float, cosine: float) -> float:
    """Return how far words and meaning speak for a pair: meaning alone makes nothing sure."""
    return max(lexical, min(lexical + (1 - lexical) * _OF_MEANING * cosine, _MOST_BY_MEANING))


def _weighed(meant: float, types: float, source: Source) -> float:
    return meant * (1 - _OF_TYPE + _OF_TYPE * types) * source.weight


class _Lessons:
    """What was accepted elsewhere teaches what the ends of paths are called here."""

    def __init__(self, accepted: Sequence[tuple[str, str]], here: Collection[str]) -> None:
        self._here = here
        self._by_end: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for path, name in dict.fromkeys(accepted):
            for end in _telling_ends(path):
                self._by_end[end].append((path, name))

    def of(self, path: str) -> list[str]:
        """Return the fields that paths like this one went to; its own here has the weight of history."""
        found = (pair for end in _telling_ends(path) for pair in self._by_end.get(end, ()))
        return [name for other, name in dict.fromkeys(found) if other != path or name not in self._here]


def _telling_ends(path: str) -> list[str]:
    return list(ends_of(names_of(path)))[:-1]  # the last name alone teaches too little


def _pair_of(told: Any) -> tuple[str, str]:
    if isinstance(told, Mapping):
        return str(told["path"]), str(told["field"])
    if isinstance(told, tuple | list):
        return str(told[0]), str(told[1])
    return str(told.path), str(told.field)
