"""This package suggests mapping lines: which Stripe path may belong into which Salesforce field, and why."""

from __future__ import annotations

from flows.mapping.fields import PickValue, SObjField, SrcField
from flows.mapping.suggest.assigning import assign
from flows.mapping.suggest.embedding import Embedder
from flows.mapping.suggest.ranking import (
    Suggestion,
    band,
    suggest,
    suggest_for_fields,
    suggest_reverse,
)

__all__ = [
    "Embedder",
    "PickValue",
    "SObjField",
    "SrcField",
    "Suggestion",
    "assign",
    "band",
    "suggest",
    "suggest_for_fields",
    "suggest_reverse",
]
