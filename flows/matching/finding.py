"""This module decides whether a customer is a known one, may be one, or is new."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from flows.matching.comparing import Line, compare, looked_at, score
from flows.matching.frequencies import Frequencies
from flows.matching.keys import block_keys, external_keys
from flows.matching.likeness import DIFFERENT, NEAR
from flows.matching.names import GIVEN, PART, SURNAME, has_other_ending
from flows.matching.records import Normalised
from flows.matching.stores import Shared, Store
from flows.matching.weights import Weights

LARGEST_BLOCK = 150  # records that share a key; more say nothing, and cost time
MOST_CANDIDATES = (
    24  # that are compared; with 40 the answers to 3,000 questions were the same, and took longer
)
LINKED = 64.0  # bits of an external key: as good as certain
SAME_KEY, OTHER_KEY = "external", "contradiction"  # the fields of lines that tell of external keys

_FINE = 1 << 20  # parts of a bit in which shared keys are counted: whole numbers, in whatever order

NAMES, KEYS = "names", "keys"  # why a person decides, whatever the score

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
    veto: str = ""  # why it is never taken without a person: its names, or external keys


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, and the candidates that speak for it, the best one first."""

    kind: Kind
    candidates: tuple[Candidate, ...] = ()
    beyond: Candidate | None = None  # the best one of those that are not shown

    @property
    def waterfall(self) -> tuple[Line, ...]:
        """What speaks for and against the first candidate."""
        return self.candidates[0].waterfall if self.candidates else ()

    @property
    def by_key(self) -> bool:
        """Tell whether an external key has led to the candidates, and no likeness."""
        return any(line.field == SAME_KEY for line in self.waterfall)


def find(record: Normalised, store: Store, *, policy: Policy) -> Decision:
    """
    Return whether `record` is one of `store`'s customers.

    An external key that both have decides alone, unless several customers have it or another key contradicts.
    The same store and record give the same decision, whatever the order in which customers were added.
    """
    shared = store.sharing(block_keys(record), at_most=LARGEST_BLOCK)
    linked = _all_linked(record, shared, store)
    if linked:
        sure = len(linked) == 1 and not any(line.field == OTHER_KEY for line in linked[0].waterfall)
        return Decision(Kind.AUTO if sure else Kind.REVIEW, linked[: policy.shown])
    known = store.records(_likely(shared)) if shared else {}
    tf = store.frequencies(looked_at(record, known.values())) if known else Frequencies()
    found = [
        _weighed(id, (*compare(record, norm, tf, policy.weights), *_told_otherwise(record, norm, 0.0)))
        for id, norm in known.items()
    ]
    found.sort(key=lambda candidate: (-candidate.score, candidate.id))
    return _decided(record, known, found, policy)


def _decided(
    record: Normalised, known: Mapping[str, Normalised], found: Sequence[Candidate], policy: Policy
) -> Decision:
    shown = tuple(
        replace(candidate, veto=_veto(record, known[candidate.id], candidate))
        for candidate in found[: policy.shown]
        if candidate.score >= policy.review
    )
    if not shown:
        return Decision(Kind.NEW)
    first, others = shown[0], [other.score for other in found[1:2]]
    sure = policy.automatic and is_sure(first.score, others, first.veto, policy)
    return Decision(Kind.AUTO if sure else Kind.REVIEW, shown, next(iter(found[len(shown) :]), None))


def is_sure(score: float, others: Iterable[float], veto: str, policy: Policy) -> bool:
    """Tell whether a candidate may be taken without a person, beside `others` that have these scores."""
    ahead = all(score - other >= policy.margin for other in others)
    return score >= policy.auto and ahead and not veto


def _veto(a: Normalised, b: Normalised, candidate: Candidate) -> str:
    """Return why a person decides: names leave room for another one of the house, or keys contradict."""
    if contradicting(a, b):
        return KEYS
    level = next((line.level for line in candidate.waterfall if line.field == "name"), DIFFERENT)
    return NAMES if level in OTHER_PERSON or (level == NEAR and has_other_ending(a, b)) else ""


def _weighed(id: str, lines: tuple[Line, ...], veto: str = "") -> Candidate:
    return Candidate(id, score(lines), lines, veto)


def _all_linked(record: Normalised, shared: Shared, store: Store) -> tuple[Candidate, ...]:
    """Return the customers that have an external key of `record`, of which likeness decides nothing."""
    ids = {id for key in external_keys(record) for id in shared.get(key, ())}
    known = store.records(sorted(ids)) if ids else {}
    found = [
        _weighed(id, (*by_key(min(keys)[0]), *_told_otherwise(record, norm, -LINKED)), KEYS)
        for id, norm in sorted(known.items())
        if (keys := record.external & norm.external)
    ]
    return tuple(sorted(found, key=lambda candidate: -candidate.score))


def by_key(name: str) -> tuple[Line, ...]:
    """Return the waterfall of a record that has the same external key of that name."""
    return (Line(SAME_KEY, name, LINKED),)


def contradicting(a: Normalised, b: Normalised) -> list[str]:
    """Return the names of the external keys that both records have, with different values."""
    if not (a.external and b.external):
        return []
    mine, others = dict(a.external), dict(b.external)
    return sorted(name for name in mine.keys() & others.keys() if mine[name] != others[name])


def _told_otherwise(a: Normalised, b: Normalised, bits: float) -> tuple[Line, ...]:
    """Return the line that says that external keys contradict: against a likeness it only asks a person."""
    return tuple(Line(OTHER_KEY, name, bits) for name in contradicting(a, b)[:1])


def _likely(shared: Shared) -> list[str]:
    """Return the ids that share the most, and the rarest, keys."""
    said: dict[str, int] = {}
    for ids in shared.values():
        bits = round((8.0 - math.log2(len(ids))) * _FINE)
        for id in ids:
            said[id] = said.get(id, 0) + bits
    least = min(heapq.nlargest(MOST_CANDIDATES, said.values()), default=0)
    ranked = sorted((-bits, id) for id, bits in said.items() if bits >= least)
    return [id for _, id in ranked[:MOST_CANDIDATES]]
