"""This package holds the nouns of the product, a file for each group of them."""

from __future__ import annotations

from flows.models.awaited import AwaitedEvent
from flows.models.budgets import FlowPriority
from flows.models.cases import TestCase
from flows.models.causes import Cause, CauseTag, GroupRetry
from flows.models.changes import Change
from flows.models.design import Flow, Integration, Pair
from flows.models.drafts import Draft, DraftEdit
from flows.models.duplicates import (
    Directory,
    KnownKey,
    KnownRecord,
    KnownTerm,
    MatchDecision,
    MatchPolicy,
)
from flows.models.effects import Effect
from flows.models.impacts import Impact
from flows.models.inbox import Event, Fate
from flows.models.lanes import Doorbell, Lane, LateTarget, TargetLease, Worker
from flows.models.links import AppliedVersion, Link, LinkChange
from flows.models.mendings import Mending, SavedFix
from flows.models.merging import Merge
from flows.models.missed import Purge, SweptObject
from flows.models.notices import Notice
from flows.models.pacing import Burst, Gate
from flows.models.parents import MissingParent
from flows.models.passages import Passage
from flows.models.rates import ExchangeRate
from flows.models.resyncs import PolledObject, Resync
from flows.models.reviews import Review
from flows.models.runs import Attempt, DeadLetter, Run
from flows.models.saved_views import FirstView, SavedView
from flows.models.suggestions import MappingDecision
from flows.models.versions import Deployment, FlowVersion

__all__ = [
    "AppliedVersion",
    "Attempt",
    "AwaitedEvent",
    "Burst",
    "Cause",
    "CauseTag",
    "Change",
    "DeadLetter",
    "Deployment",
    "Directory",
    "Doorbell",
    "Draft",
    "DraftEdit",
    "Effect",
    "Event",
    "ExchangeRate",
    "Fate",
    "FirstView",
    "Flow",
    "FlowPriority",
    "FlowVersion",
    "Gate",
    "GroupRetry",
    "Impact",
    "Integration",
    "KnownKey",
    "KnownRecord",
    "KnownTerm",
    "Lane",
    "LateTarget",
    "Link",
    "LinkChange",
    "MappingDecision",
    "MatchDecision",
    "MatchPolicy",
    "Mending",
    "Merge",
    "MissingParent",
    "Notice",
    "Pair",
    "Passage",
    "PolledObject",
    "Purge",
    "Resync",
    "Review",
    "Run",
    "SavedFix",
    "SavedView",
    "SweptObject",
    "TargetLease",
    "TestCase",
    "Worker",
]
