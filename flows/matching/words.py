"""This module reads the words that names and addresses are made of, from a file beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("words.json")


@dataclass(frozen=True, slots=True)
class Words:
    """What matching knows of words; every one is folded, see `flows.matching.text.folded`."""

    free_mail: frozenset[str]  # domains where anybody may have an address
    same_mail: Mapping[str, str]  # other names of a domain, and how it is mistyped
    dotless_mail: frozenset[str]  # domains that ignore dots before the @
    roles: frozenset[str]  # what stands before the @ for an office and not for a person
    legal_forms: frozenset[tuple[str, ...]]
    longest_form: int  # words of the longest legal form
    also_surnames: frozenset[str]  # legal forms of one word that people are called as well
    joining: frozenset[str]
    titles: frozenset[str]
    nicknames: Mapping[str, frozenset[int]]  # a given name -> the names it stands for, by their numbers
    streets: Mapping[str, str]
    countries: Mapping[str, str]


@cache
def words() -> Words:
    """Return the words, read once."""
    told = json.loads(_FILE.read_text(encoding="utf-8"))
    nicknames: dict[str, set[int]] = {}
    for number, group in enumerate(told["nicknames"]):
        for name in group:
            nicknames.setdefault(name, set()).add(number)
    forms = frozenset(tuple(form.split()) for form in told["legal_forms"])
    return Words(
        free_mail=frozenset(told["free_mail"]),
        same_mail=told["same_mail"],
        dotless_mail=frozenset(told["dotless_mail"]),
        roles=frozenset(told["roles"]),
        legal_forms=forms,
        longest_form=max(map(len, forms)),
        also_surnames=frozenset(told["also_surnames"]),
        joining=frozenset(told["joining"]),
        titles=frozenset(told["titles"]),
        nicknames={name: frozenset(numbers) for name, numbers in nicknames.items()},
        streets=told["streets"],
        countries=told["countries"],
    )
