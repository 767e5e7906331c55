"""This module decides whether a customer is a known one, may be one, or is new."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from flows.matching.comparing import Line, compare, score
from flows.matching.keys import block_keys, external_keys, terms, word_term
from flows.matching.likeness import DIFFERENT, NEAR
from flows.matching.names import GIVEN, PART, SURNAME, has_other_ending
from flows.matching.records import Normalised
from flows.matching.stores import Shared, Store
from flows.matching.weights import Weights

LARGEST_BLOCK = 150  # records that share a key; more say nothing, and cost time
MOST_CANDIDATES = (
    40  # that are compared; of 2,500 duplicates among 100,000 the right one was among the first 10
)
LINKED = 64.0  # bits of an external key: as good as certain

# Of names that are so, a person decides, whatever else is the same: a household shares all of it.
OTHER_PERSON = frozenset({PART, GIVEN, SURNAME, DIFFERENT})


class Kind(StrEnum):
    """What is to be done with a customer."""

    AUTO = "auto"  # it is the first candidate
    REVIEW = "review"  # a person decides
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Policy:
    """Where a workspace draws its lines, in bits."""

    automatic: bool = False  # whether anything but an external key merges without a person
    auto: float = 5.0
    review: float = -3.25
    margin: float = 3.0  # that the first candidate has before the second one, to be merged without a person
    shown: int = 3  # candidates that a person sees
    weights: Weights | None = None  # nothing: the usual ones


@dataclass(frozen=True, slots=True)
class Candidate:
    """A known customer that may be the same."""

    id: str
    score: float
    waterfall: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, and the candidates that speak for it, the best one first."""

    kind: Kind
    candidates: tuple[Candidate, ...] = ()

    @property
    def waterfall(self) -> tuple[Line, ...]:
        """What speaks for and against the first candidate."""
        return self.candidates[0].waterfall if self.candidates else ()


def find(record: Normalised, store: Store, *, policy: Policy) -> Decision:
    """
    Return whether `record` is one of `store`'s customers.

    An external key that both have decides alone, unless several customers have it. The same store and record
    give the same decision, whatever the order in which customers were added.
    """
    linked = _all_linked(record, store)
    if linked:
        return Decision(Kind.AUTO if len(linked) == 1 else Kind.REVIEW, linked[: policy.shown])
    known = store.records(_likely(store.sharing(block_keys(record), at_most=LARGEST_BLOCK)))
    words = {word_term(word) for norm in known.values() for name in norm.names for word in name.words}
    tf = store.frequencies(terms(record) | words)
    found = [_weighed(id, compare(record, norm, tf, policy.weights)) for id, norm in known.items()]
    found.sort(key=lambda candidate: (-candidate.score, candidate.id))
    return _decided(record, known, found, policy)


def _decided(
    record: Normalised, known: Mapping[str, Normalised], found: list[Candidate], policy: Policy
) -> Decision:
    shown = tuple(candidate for candidate in found[: policy.shown] if candidate.score >= policy.review)
    if not shown:
        return Decision(Kind.NEW)
    first = shown[0]
    sure = (
        policy.automatic
        and first.score >= policy.auto
        and all(first.score - other.score >= policy.margin for other in found[1:2])
        and not _may_be_another(record, known[first.id], first)
    )
    return Decision(Kind.AUTO if sure else Kind.REVIEW, shown)


def _may_be_another(a: Normalised, b: Normalised, candidate: Candidate) -> bool:
    """Tell whether names leave room for another person of the house, or external keys contradict."""
    # Keys of one name that were the same would have decided already.
    if dict(a.external).keys() & dict(b.external).keys():
        return True
    level = next((line.level for line in candidate.waterfall if line.field == "name"), DIFFERENT)
    return level in OTHER_PERSON or (level == NEAR and has_other_ending(a, b))


def _weighed(id: str, lines: tuple[Line, ...]) -> Candidate:
    return Candidate(id, score(lines), lines)


def _all_linked(record: Normalised, store: Store) -> tuple[Candidate, ...]:
    """Return the customers that have an external key of `record`."""
    if not record.external:
        return ()
    known = store.records(list(store.sharing(external_keys(record), at_most=LARGEST_BLOCK)))
    same = ((id, record.external & norm.external) for id, norm in sorted(known.items()))
    return tuple(
        Candidate(id, LINKED, (Line("external", min(keys)[0], LINKED),)) for id, keys in same if keys
    )


def _likely(shared: Shared) -> list[str]:
    """Return the ids that share the most, and the rarest, keys."""
    sizes = Counter(key for keys in shared.values() for key in keys)
    said = {key: 8.0 - math.log2(size) for key, size in sizes.items()}
    ranked = sorted((-math.fsum(said[key] for key in keys), id) for id, keys in shared.items())
    return [id for _, id in ranked[:MOST_CANDIDATES]]
