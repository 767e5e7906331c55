"""This module finds the field that has most likely taken the place of one that is gone. It is pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from rapidfuzz import fuzz

from flows.mapping.fields import SObjField
from flows.mapping.fitting import family_of

LIKELY = 0.62
_OF_WORDS, _OF_OTHER_WORDS, _OF_TYPE, _OF_NEWS = 0.5, 0.1, 0.2, 0.2


def successors(
    gone: SObjField, there: Iterable[SObjField], *, taken: Collection[str] = (), new: Collection[str] = ()
) -> list[SObjField]:
    """
    Return the fields that may be meant instead of one that is gone, the likeliest first.

    They hold the same sort of values and can be written. `taken` are those that are filled already, `new`
    those that came since; both by their names in small letters.
    """
    scored = [
        (likeness(gone, one, is_new=one.name.lower() in new), one)
        for one in there
        if one.name.lower() not in taken and _may_stand_in(gone, one)
    ]
    found = [(score, one) for score, one in scored if score >= LIKELY]
    return [one for _, one in sorted(found, key=lambda pair: (-pair[0], pair[1].name))]


def likeness(gone: SObjField, other: SObjField, *, is_new: bool) -> float:
    """Return from 0 to 1 how likely `other` is `gone` under another name."""
    alike = [_alike(gone.name, other.name), _alike(gone.label, other.label)]
    same_type = 1.0 if gone.type == other.type else 0.5
    return _OF_WORDS * max(alike) + _OF_OTHER_WORDS * min(alike) + _OF_TYPE * same_type + _OF_NEWS * is_new


def _may_stand_in(gone: SObjField, other: SObjField) -> bool:
    if family_of(gone) != family_of(other) or not (other.createable or other.updateable):
        return False
    if gone.references and not set(gone.references) & set(other.references):
        return False
    return other.external_id or not gone.external_id


def _alike(one: str, other: str) -> float:
    one, other = _bare(one), _bare(other)
    return fuzz.token_sort_ratio(one, other) / 100 if one and other else 0.0


def _bare(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", re.sub(r"__\w$", "", text).casefold()))
