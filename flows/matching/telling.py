"""This module says in words what a line of the waterfall means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from flows.matching.finding import OTHER_KEY, SAME_KEY

WORDS: dict[str, dict[str, str]] = {
    "prior": {"": "Before anything is compared"},
    "name": {
        "exact": "The same name",
        "near": "Names that differ by typing",
        "nickname": "A nickname of the name",
        "initial": "The initial fits",
        "part": "One name is a part of the other",
        "given": "The given name with another surname",
        "surname": "The surname with another given name",
        "different": "Different names",
    },
    "email": {
        "exact": "The same e-mail address",
        "near": "E-mail addresses that differ by typing",
        "number": "E-mail addresses that differ by a number",
        "local": "The same before the @, elsewhere",
        "letters": "Nearly the same before the @, elsewhere",
        "role": "Two addresses of one company",
        "different": "Different e-mail addresses",
    },
    "domain": {
        "exact": "The same domain",
        "near": "Domains that differ by typing",
        "different": "Different domains",
    },
    "phone": {
        "exact": "The same phone number",
        "near": "Phone numbers that differ by a digit or in the country",
        "part": "The phone number without its extension",
        "different": "Different phone numbers",
    },
    "street": {
        "exact": "The same street and number",
        "near": "Streets that differ by typing",
        "house": "Another house of the street",
        "different": "Different streets",
    },
    "place": {
        "exact": "The same town",
        "near": "Towns that differ by typing",
        "one": "Town or postal code is the same, the other is missing",
        "either": "Town or postal code is the same, the other differs",
        "different": "Different towns",
    },
    "household": {"exact": "They may be of one house or company"},
}


_OF_KEYS = {SAME_KEY: "The same", OTHER_KEY: "Another"}
_RECORD = "Id"


def told(field: str, level: str, labels: Mapping[str, str] = MappingProxyType({})) -> str:
    """
    Return what a line means; a line of a field that has no words is told by its names.

    `labels` say what external keys are called, by their names.
    """
    if field in _OF_KEYS:
        called = "record id" if level == _RECORD else labels.get(level) or level
        return f"{_OF_KEYS[field]} {called}"
    known = WORDS.get(field, {})
    return known.get(level) or known.get("") or f"{field} {level}".strip()


def chance(score: float) -> float:
    """Return the probability that odds of so many bits mean, between 0 and 1."""
    return 1.0 / (1.0 + math.exp2(-max(-60.0, min(60.0, score))))
