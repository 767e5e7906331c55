"""
This module judges suggestions on pairs that people judged by meaning, in two files of `tests/data`.

Suggestions may be tuned on one half of the pairs; the other half is there to notice when they get worse. The
pairs of USUAL are called as orgs call them, those of PARAPHRASED with as good as no word of Stripe's.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from flows.mapping.suggest import Embedder, SrcField, Suggestion, suggest

USUAL, PARAPHRASED = "mapping_pairs", "mapping_paraphrases"
HALVES = ("tuned", "held out")
# What a program that only sees JSON would call the types.
UNTYPED = {
    "amount": "integer",
    "timestamp": "integer",
    "currency": "string",
    "id": "string",
    "enum": "string",
}


@dataclass(frozen=True)
class Pair:
    """A path, the object it is mapped to, and the field that fits; None where none does."""

    path: str
    object: str
    field: str | None
    transform: str | None


Ranked = list[tuple[Pair, list[Suggestion]]]


@cache
def data(name: str = USUAL) -> dict[str, Any]:
    """Return a file: `sources` by path, `objects` with their fields, and the `pairs`."""
    file = Path(__file__).parent / "data" / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8"))


def source(path: str, *, typed: bool = True, name: str = USUAL) -> SrcField:
    """Return the field at `path`, with the type that a schema knows or with that of JSON."""
    told = data(name)["sources"][path]
    kind = told["type"] if typed else UNTYPED.get(told["type"], told["type"])
    return SrcField(path, kind, values=tuple(told.get("values", ())) if typed else ())


@cache
def ranked(half: str, typed: bool = True, name: str = USUAL, embedder: Embedder | None = None) -> Ranked:
    """Return each pair of `half` with everything that is suggested for its path, the best first."""
    rows: dict[str, list[Pair]] = defaultdict(list)
    for told in data(name)["pairs"]:
        if told["half"] == half:
            rows[told["object"]].append(Pair(told["path"], told["object"], told["field"], told["transform"]))
    return [
        found
        for object_, pairs in rows.items()
        for found in _ranked(pairs, data(name)["objects"][object_], typed, name, embedder)
    ]


def _ranked(
    pairs: list[Pair], targets: list[dict[str, Any]], typed: bool, name: str, embedder: Embedder | None
) -> Iterator[tuple[Pair, list[Suggestion]]]:
    given = [source(pair.path, typed=typed, name=name) for pair in pairs]
    by_path: dict[str, list[Suggestion]] = defaultdict(list)
    for one in suggest(given, targets, k=100, embedder=embedder):
        by_path[one.path].append(one)
    return ((pair, by_path[pair.path]) for pair in pairs)


def places(rows: Ranked) -> list[int]:
    """Return the place of the right field for each pair that has one, 0 where it was not suggested."""
    found = []
    for pair, suggestions in rows:
        names = [one.field for one in suggestions]
        if pair.field is not None:
            found.append(names.index(pair.field) + 1 if pair.field in names else 0)
    return found


def share(rows: Sequence[bool]) -> float:
    """Return how many of `rows` are true, 0 to 1; of none nothing."""
    return sum(rows) / len(rows) if rows else 0.0


def figures(
    half: str, *, typed: bool = True, name: str = USUAL, embedder: Embedder | None = None
) -> dict[str, float]:
    """
    Return how good the suggestions for a half are.

    top1, top3 and mrr; `listed`: the right field comes first and is shown at all; `shown`: what is shown
    first is right; precision and recall of the strong band; how many changes are right.
    """
    rows = ranked(half, typed, name, embedder)
    found = places(rows)
    first = [(pair, one) for pair, (one, *_) in _with_any(rows)]
    strong = [one.field == pair.field for pair, one in first if one.band == "strong"]
    right = [(pair, one) for pair, one in first if one.field == pair.field]
    return {
        "top1": share([place == 1 for place in found]),
        "top3": share([0 < place <= 3 for place in found]),
        "mrr": sum(1 / place for place in found if place) / len(found),
        "shown": share([one.field == pair.field for pair, one in first if one.band]),
        "listed": sum(bool(one.band) for _, one in right) / len(found),
        "strong": share(strong),
        "recall": sum(strong) / len(found),
        "changes": share([one.transform == pair.transform for pair, one in right if pair.transform]),
    }


def _with_any(rows: Ranked) -> Ranked:
    return [(pair, suggestions) for pair, suggestions in rows if suggestions]
