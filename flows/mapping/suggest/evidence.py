"""This module looks at values: do those that Stripe sends look like those that the field holds?"""

from __future__ import annotations

from collections.abc import Sequence

from flows.mapping.fields import SObjField
from flows.mapping.suggest.changes import picks
from flows.mapping.suggest.phrases import Source
from flows.mapping.text import clean, length

_PICKLISTS = frozenset({"picklist", "multipicklist"})


def agreement(source: Source, target: SObjField) -> float:
    """Return how far the values of `source` speak for `target`, -1 to 1; 0 where they say nothing."""
    texts = [one for one in source.field.samples[:20] if isinstance(one, str) and one]
    if target.type in _PICKLISTS and target.picklist:
        return _in_picklist(source.field.values or tuple(dict.fromkeys(texts)), target)
    if texts and target.type == "string" and target.length:
        too_long = sum(length(clean(text)) > target.length for text in texts)
        return -too_long / len(texts) if source.kind != "long_text" else 0.0
    return 0.0


def _in_picklist(values: Sequence[str], target: SObjField) -> float:
    if not values:
        return 0.0
    same = len(picks(values, target)) / len(values)
    return same if same else -0.5
