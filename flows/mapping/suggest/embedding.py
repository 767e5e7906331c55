"""This module asks an embedder how near paths and fields are in meaning, whatever their words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from heapq import nlargest
from operator import itemgetter
from typing import Any, Protocol, runtime_checkable

from flows.mapping.suggest.phrases import Source, Target, meanings_of

FLOOR = 0.2  # what is less near than that is as good as not near at all
_NEAREST = 12  # fields for each path; farther ones are never the best


@runtime_checkable
class Matrix(Protocol):
    """Vectors that can be multiplied with others at once, such as those of numpy."""

    @property
    def T(self) -> Any:  # noqa: N802  # as numpy calls it
        """Return the same with rows and columns exchanged."""
        ...

    def __matmul__(self, other: Any) -> Any:
        """Return the products of each row with each column of `other`."""
        ...


# Texts -> vectors in the same order, equal for equal texts: of length 1, or 0 for what it cannot tell yet.
# It is called once for the paths and once for the fields.
Embedder = Callable[[Sequence[str]], Sequence[Sequence[float]] | Matrix]


def near(
    embedder: Embedder, sources: Mapping[int, Source], targets: Mapping[int, Target]
) -> dict[int, dict[int, float]]:
    """
    Return for each source how near which fields are to it, by their numbers; others are not near.

    A source has several names, of which the nearest counts; a field has one.
    """
    # The fields and the likeliest paths first, for an embedder that takes its time.
    its = embedder([one.field.label or one.field.name for one in targets.values()])
    likely = sorted(sources.items(), key=lambda item: -item[1].weight)
    spoken = [(number, text) for number, one in likely for text in _spoken(one)]
    mine = embedder([text for _, text in spoken])
    found: dict[int, dict[int, float]] = {number: {} for number in sources}
    for (number, _), row in zip(spoken, _cosines(mine, its), strict=True):
        best = found[number]
        for other, cosine in zip(targets, row, strict=True):
            if cosine >= FLOOR and cosine > best.get(other, 0.0):
                best[other] = cosine
    return {
        number: dict(nlargest(_NEAREST, best.items(), key=itemgetter(1))) for number, best in found.items()
    }


def _cosines(mine: Any, its: Any) -> Any:
    if isinstance(mine, Matrix):
        return (mine @ its.T).tolist()
    return [[sum(map(float.__mul__, a, b)) for b in its] for a in mine]


def _spoken(source: Source) -> list[str]:
    """Return what a path is called without its object, and its other names."""
    own = " ".join(name.replace("_", " ") for name in source.names[1:] or source.names)
    return list(dict.fromkeys((own, *meanings_of(source.names))))
