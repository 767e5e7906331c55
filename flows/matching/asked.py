"""This module says what is asked of a place that knows customers, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from flows.matching.comparing import Finding, Line


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer whose record is looked for; `fields` as `flows.matching.normalise` takes them."""

    id: str  # Stripe's id
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Alike:
    """A record that may be the customer's, and what speaks for and against it."""

    id: str
    score: float
    waterfall: tuple[Line, ...] = ()
    findings: tuple[Finding, ...] = ()
    veto: str = ""  # why it is never taken without a person, whatever its score


class Answered(StrEnum):
    """What is known of a customer."""

    SAME = "same"  # it is the first candidate
    PERHAPS = "perhaps"  # a person decides
    NEW = "new"
    EXPECTED = "expected"  # it is like one whose record is being made at this moment
    UNREAD = "unread"  # the customers of the org have not been read to the end yet


@dataclass(frozen=True, slots=True)
class Likeness:
    """The answer: what is known, the candidates with the best one first, and by what it is known."""

    answered: Answered
    candidates: tuple[Alike, ...] = ()
    by: str = ""  # of the same: a person, a key, or likeness
    asked: Mapping[str, object] = field(default_factory=dict)  # the lines that were drawn, in bits
    apart: tuple[str, ...] = ()  # records of which people said that they are not this customer
    besides: tuple[
        tuple[Finding, ...], ...
    ] = ()  # of those that are like it and no candidates, as one beyond
