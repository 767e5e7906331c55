"""This module weighs what speaks for and against two records being one customer, in bits."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from flows.matching.frequencies import Frequencies
from flows.matching.keys import key, terms, word_term
from flows.matching.likeness import (
    DIFFERENT,
    EXACT,
    MISSING,
    NEAR,
    domain_level,
    email_level,
    phone_level,
    place_level,
    street_level,
)
from flows.matching.names import SURNAME, mistakable, name_level
from flows.matching.records import Normalised
from flows.matching.weights import Weights, usual


class Line(NamedTuple):
    """One line of the waterfall: what a field says. A bit doubles the odds, one less halves them."""

    field: str
    level: str
    bits: float


class Finding(NamedTuple):
    """How like two values are, before it is weighed."""

    field: str
    level: str
    commonness: float  # see `Frequencies.commonness`


def compare(
    a: Normalised, b: Normalised, tf: Frequencies, weights: Weights | None = None
) -> tuple[Line, ...]:
    """
    Return what speaks for and against `a` and `b` being one customer, the same for `b` and `a`.

    The first line is what is believed beforehand; the sum of all bits is the score, exactly. What one of them
    does not tell has no line.
    """
    known = weights or usual()
    lines = (
        Line(field, level, known.bits(field, level, common)) for field, level, common in findings(a, b, tf)
    )
    return (Line("prior", "", known.before), *lines)


def looked_at(record: Normalised, others: Collection[Normalised]) -> frozenset[int]:
    """Return the terms whose frequency is looked at where `record` is compared with each of `others`."""
    words = {word_term(word) for word in mistakable(record, others)}
    # A number with its calling code before it is the one that another record has without.
    whole = {norm.phone for norm in others if norm.phone and record.phone.endswith(norm.phone)}
    return terms(record) | words | {key("phone", number) for number in whole}


def score(lines: tuple[Line, ...]) -> float:
    """Return the sum of the bits of `lines`: the binary logarithm of the odds."""
    return sum(line.bits for line in lines)


def findings(a: Normalised, b: Normalised, tf: Frequencies) -> Iterator[Finding]:
    """Return how like each field of two records is, of those that both have."""
    return (finding for finding in _findings(a, b, tf) if finding.level != MISSING)


def _findings(a: Normalised, b: Normalised, tf: Frequencies) -> Iterator[Finding]:
    name, shared = name_level(a, b, tf)
    name_terms = [key("name", " ".join(shared))] if name == EXACT else [word_term(word) for word in shared]
    yield Finding("name", name, tf.commonness(name_terms))
    email = email_level(a.email, b.email)
    whole = a.email.whole if a.email is not None else ""
    yield Finding("email", email, _commonness("email", email, whole, tf))
    # The same address says the same of its domain.
    domain = MISSING if email in (EXACT, NEAR) else domain_level(a.domain, b.domain)
    yield Finding("domain", domain, _commonness("domain", domain, a.domain, tf))
    phone = phone_level(a, b)
    yield Finding("phone", phone, _commonness("phone", phone, min(a.phone, b.phone, key=len), tf))
    street = street_level(a, b)
    yield Finding("street", street, 0.0)
    town = [
        key(kind, value) for kind, value in (("postal", a.postal), ("city", a.city)) if _has(b, kind, value)
    ]
    yield Finding("place", place_level(a, b), tf.commonness(town))
    if name in (SURNAME, DIFFERENT) and email not in (EXACT, NEAR):
        # Between two names, all of this tells of one house or company and not of one customer.
        house = EXACT in (domain, phone, street) or street == NEAR
        yield Finding("household", EXACT if house else MISSING, 0.0)


def _has(norm: Normalised, kind: str, value: str) -> bool:
    return bool(value) and getattr(norm, kind) == value


def _commonness(field: str, level: str, value: str, tf: Frequencies) -> float:
    return tf.commonness([key(field, value)]) if level == EXACT else 0.0
