"""This module ranks the fields of a Salesforce object for each Stripe path, and the other way round."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypedDict, Unpack

from flows.mapping.fields import SObjField, SrcField
from flows.mapping.suggest import changes
from flows.mapping.suggest.embedding import Embedder
from flows.mapping.suggest.phrases import Source, Target
from flows.mapping.suggest.reading import is_readable, is_writable
from flows.mapping.suggest.reasons import bare_reason, reason
from flows.mapping.suggest.scoring import Pair, Scores

STRONG = 0.70
LIKELY = 0.60
LISTED = 0.45
Band = Literal["strong", "likely", "list", ""]

Sources = Iterable[SrcField | Mapping[str, Any]]
Targets = Iterable[SObjField | Mapping[str, Any]]


class More(TypedDict, total=False):
    """
    What else may be known when lines are suggested.

    `examples` are lines that people accepted before, `rejected` those that must not come back: pairs of
    path and field, or whatever has `path` and `field`. `embedder` says which vectors texts have.
    """

    examples: Iterable[Any]
    rejected: Iterable[Any]
    embedder: Embedder | None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A mapping line that may be meant. It does nothing until somebody accepts it."""

    path: str
    field: str
    score: float  # 0 to 1
    parts: Mapping[str, float] = dataclasses.field(
        default_factory=dict
    )  # lexical, type, embedding, value, history
    transform: str | None = None
    reason: str = ""
    line: Mapping[str, Any] | None = None  # the mapping line; None where a person has to complete it

    @property
    def band(self) -> Band:
        """How sure it is: strong, likely, list, or nothing that should be shown."""
        return band(self.score)


def band(score: float) -> Band:
    """Return the band that `score` falls into."""
    if score >= STRONG:
        return "strong"
    if score >= LIKELY:
        return "likely"
    return "list" if score >= LISTED else ""


def suggest(
    source_fields: Sources, target_fields: Targets, *, k: int = 3, **more: Unpack[More]
) -> list[Suggestion]:
    """
    Return the `k` fields that fit each path best, path by path, the best first.

    Fields that no mapping can fill are left out. What `more` may be known stands at `More`.
    """
    scores = Scores(source_fields, target_fields, is_writable, **more)
    return _best(scores.rows(), k, scores)


def suggest_for_fields(
    source_fields: Sources, target_fields: Targets, *, k: int = 3, **more: Unpack[More]
) -> list[Suggestion]:
    """Return the `k` paths that fit each field best, field by field, the best first; else as `suggest`."""
    scores = Scores(source_fields, target_fields, is_writable, **more)
    return _best(scores.columns(), k, scores)


def suggest_reverse(
    target_fields: Targets, source_fields: Sources, *, k: int = 3, **more: Unpack[More]
) -> list[Suggestion]:
    """
    Return the `k` Stripe paths that each field of Salesforce may be written to, the best first.

    Fields that only Salesforce fills are among them. Changes go the other way, such as major_to_minor and
    date_to_unix; there are no lines, since a mapping fills Salesforce.
    """
    scores = Scores(source_fields, target_fields, is_readable, **more)
    return [
        replace(
            one, transform=changes.BACK.get(one.transform or ""), line=None, reason=bare_reason(one.reason)
        )
        for one in _best(scores.columns(), k, scores)
    ]


def _best(groups: Iterable[Sequence[Pair]], k: int, scores: Scores) -> list[Suggestion]:
    """Return the best `k` pairs of each group as suggestions."""
    best = (pair for group in groups for pair in heapq.nsmallest(k, group, key=scores.order))
    return [
        _suggestion(pair, scores.sources[pair.source], scores.targets[pair.target], scores.currencies)
        for pair in best
    ]


def _suggestion(pair: Pair, source: Source, target: Target, currencies: Sequence[str]) -> Suggestion:
    change = changes.propose(source, target.field, currencies)
    return Suggestion(
        path=source.field.path,
        field=target.field.name,
        score=pair.score,
        parts=pair.parts,
        transform=change.name,
        reason=reason(source, target, pair.parts, change),
        line=_line(source, target, change) if change.ready else None,
    )


def _line(source: Source, target: Target, change: changes.Change) -> dict[str, Any]:
    line: dict[str, Any] = {
        "field": change.field or target.field.name,
        "from": [change.path or source.field.path],
    }
    if change.chips:
        line["chips"] = [dict(chip) for chip in change.chips]
    return line
