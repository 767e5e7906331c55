"""This package tells whether a customer is one that is known already, and how sure that is."""

from __future__ import annotations

from flows.matching.asked import Alike, Answered, Customer, Likeness
from flows.matching.comparing import Finding, Line, compare, findings, looked_at, score
from flows.matching.finding import Candidate, Decision, Kind, Policy, contradicting, find
from flows.matching.frequencies import Frequencies
from flows.matching.keys import block_keys, terms
from flows.matching.learning import Reviewed, cautious, refit
from flows.matching.merging import MergeRules, Preset, Reason, Side, Survivor, merge_preview
from flows.matching.records import FORM, Normalised, normalise
from flows.matching.stores import InMemoryStore, Store
from flows.matching.weights import Weights, usual

__all__ = [
    "FORM",
    "Alike",
    "Answered",
    "Candidate",
    "Customer",
    "Decision",
    "Finding",
    "Frequencies",
    "InMemoryStore",
    "Kind",
    "Likeness",
    "Line",
    "MergeRules",
    "Normalised",
    "Policy",
    "Preset",
    "Reason",
    "Reviewed",
    "Side",
    "Store",
    "Survivor",
    "Weights",
    "block_keys",
    "cautious",
    "compare",
    "contradicting",
    "find",
    "findings",
    "looked_at",
    "merge_preview",
    "normalise",
    "refit",
    "score",
    "terms",
    "usual",
]
