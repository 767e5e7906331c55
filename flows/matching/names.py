"""This module says how like the names of two records are, by levels, whichever comes first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

from rapidfuzz import process
from rapidfuzz.distance import OSA

from flows.matching.frequencies import Frequencies
from flows.matching.keys import word_term
from flows.matching.likeness import DIFFERENT, EXACT, MISSING, MOST_WRONG, NEAR, digits_of, near
from flows.matching.records import Name, Normalised
from flows.matching.words import words

NICKNAME, INITIAL, PART, GIVEN, SURNAME = "nickname", "initial", "part", "given", "surname"

# From what says most; the first that any two names of the records reach is theirs.
_RANK = {
    level: rank
    for rank, level in enumerate((EXACT, NEAR, NICKNAME, INITIAL, PART, GIVEN, SURNAME, DIFFERENT))
}

# A mistake of typing makes a rare word. Two words that this many records have are two names: Maria and Mario.
_COMMON = 5
_LONG_PART = 4  # letters that a part of a name has at least; `de` says nothing

Shared = tuple[str, ...]


def name_level(a: Normalised, b: Normalised, tf: Frequencies) -> tuple[str, Shared]:
    """
    Return the level of the most alike names of two records, and the words that these share.

    `given` is the given name with another surname, `surname` the surname with another given name, `part` a
    name that the other one tells in full.
    """
    if not (a.names and b.names):
        return MISSING, ()
    found = [_compare(one, other, tf) for one, other in product(a.names, b.names)]
    best = min((level for level, _ in found), key=_RANK.__getitem__)
    return best, max(shared for level, shared in found if level == best)


def mistakable(a: Normalised, others: Iterable[Normalised]) -> set[str]:
    """Return the words of `others` that may be words of `a` mistyped; how many records have them decides."""
    told = {word for norm in others for name in norm.names for word in name.words}
    mine = {form for name in a.names for form in _forms(name)}
    return {
        word
        for form in mine
        for word, *_ in process.extract_iter(form, told, scorer=OSA.distance, score_cutoff=MOST_WRONG)
        if word != form
    }


def _forms(name: Name) -> tuple[str, ...]:
    """Return the words of a name, and its surname in one word, whether it stands behind or before."""
    return (*name.words, "".join(name.words[1:]), "".join(name.words[::-1][1:]))


def has_other_ending(a: Normalised, b: Normalised) -> bool:
    """Tell whether two given names may be those of a woman and a man: Maria and Mario, Daniel and Daniela."""
    return any(_only_end_differs(one.words, other.words) for one, other in product(a.names, b.names))


def _only_end_differs(a: Sequence[str], b: Sequence[str]) -> bool:
    if len(a) < 2 or a[0] == b[0] or a[1:] != b[1:]:
        return False
    short, long = sorted((a[0], b[0]), key=len)
    return len(long) - len(short) <= 2 and short[:-1] == long[: len(short) - 1]


def _compare(a: Name, b: Name, tf: Frequencies) -> tuple[str, Shared]:
    if a.ordered == b.ordered:
        return EXACT, a.ordered
    shared = tuple(sorted(set(a.words) & set(b.words)))
    level = min(_people(a.words, b.words, tf), _swapped(a.words, b.words, tf), key=_RANK.__getitem__)
    if level == DIFFERENT and _spelt_alike(a, b):
        level = NEAR
    if level in (DIFFERENT, SURNAME, GIVEN) and _is_part(a, b, shared):
        level = PART
    return level, shared


def _spelt_alike(a: Name, b: Name) -> bool:
    """Tell whether whole names are the same but for typing, also of spaces; numbers are never mistaken."""
    one, other = a.together, b.together
    if not (near(one, other) or near("".join(a.ordered), "".join(b.ordered))):
        return False
    return digits_of(one) == digits_of(other)


def _is_part(a: Name, b: Name, shared: Shared) -> bool:
    """Tell whether the longer name tells the shorter one, as `Robert Bosch` tells `Bosch`."""
    return len(shared) == min(len(set(a.words)), len(set(b.words))) and len("".join(shared)) >= _LONG_PART


def _swapped(a: Sequence[str], b: Sequence[str], tf: Frequencies) -> str:
    """Compare with the surname first on one side; what is only half alike then is a coincidence."""
    levels = (_people(a, b[::-1], tf), _people(a[::-1], b, tf))
    best = min(levels, key=_RANK.__getitem__)
    return best if best in (NEAR, NICKNAME, INITIAL) else DIFFERENT


def _people(a: Sequence[str], b: Sequence[str], tf: Frequencies) -> str:
    """Compare the first words as given names and the others as surnames."""
    if len(a) < 2 or len(b) < 2:
        return DIFFERENT
    surname, other = ("".join(a[1:]), "".join(b[1:])) if len(a) == len(b) else (a[-1], b[-1])
    if _same_word(surname, other, tf):
        return _given(a[0], b[0], tf)
    return GIVEN if a[0] == b[0] and len(a[0]) > 1 else DIFFERENT


def _given(one: str, other: str, tf: Frequencies) -> str:
    if one == other or _same_word(one, other, tf):
        return NEAR
    if one[0] == other[0] and min(len(one), len(other)) == 1:
        return INITIAL
    known = words().nicknames
    return NICKNAME if known.get(one, frozenset()) & known.get(other, frozenset()) else SURNAME


def _same_word(one: str, other: str, tf: Frequencies) -> bool:
    """Tell whether two words are one, with a mistake of typing at most."""
    if one == other:
        return True
    if not near(one, other) or digits_of(one) != digits_of(other):
        return False
    return min(tf.of(word_term(one)), tf.of(word_term(other))) < _COMMON
