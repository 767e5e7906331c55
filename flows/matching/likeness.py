"""This module says how like two e-mail addresses, phone numbers, streets or towns are, by levels."""

from __future__ import annotations

from collections.abc import Iterator

from rapidfuzz.distance import OSA, Indel

from flows.matching.records import Email, Normalised

EXACT, NEAR, DIFFERENT, MISSING = "exact", "near", "different", "missing"

MOST_WRONG = 2  # letters of a long word
_LIKE_STREET = 0.8  # of the letters of a street; a wrong letter in a short one leaves this much
_LONG_LOCAL = 5  # letters before an @; a longer text is no coincidence at another provider
_WHOLE_NUMBER = 8  # digits that tell a phone number, without its extension or prefix


def within(one: str, other: str, most: int) -> bool:
    """Tell whether `most` wrong, missing, additional or exchanged letters make one text the other."""
    return OSA.distance(one, other, score_cutoff=most) <= most


def near(one: str, other: str) -> bool:
    """Tell whether two texts are the same but for typing: no mistake in the shortest, two in long ones."""
    short, long = (len(one), len(other)) if len(one) < len(other) else (len(other), len(one))
    most = 0 if short < 4 else 1 if short < 12 else MOST_WRONG
    return long - short <= most and within(one, other, most)


def digits_of(text: str) -> str:
    """Return the digits of `text`."""
    return "" if text.isalpha() else "".join(filter(str.isdecimal, text))


def email_level(a: Email | None, b: Email | None) -> str:
    """
    Return the level of two e-mail addresses.

    Beside the usual levels there are `role` (one of them is an office of the same company), `number` (the
    same provider and name, another number), `local` (another provider) and `letters` (also another number).
    """
    if a is None or b is None:
        return MISSING
    if a == b:
        return EXACT
    if a.is_role or b.is_role:
        return "role" if a.domain == b.domain and not a.is_free else DIFFERENT
    if a.domain == b.domain and near(a.local, b.local):
        return NEAR if digits_of(a.local) == digits_of(b.local) else "number"
    if len(a.letters) <= _LONG_LOCAL or a.letters != b.letters:
        return DIFFERENT
    return "local" if a.local == b.local else "letters"


def domain_level(a: str, b: str) -> str:
    """Return the level of two domains of companies."""
    if not (a and b):
        return MISSING
    return EXACT if a == b else NEAR if near(a, b) else DIFFERENT


def phone_level(a: Normalised, b: Normalised) -> str:
    """
    Return the level of two phone numbers; `part` where one of them lacks the extension or a prefix.

    One number in two countries is `near`: it is rather the country that is wrong.
    """
    one, other = a.phone, b.phone
    if not (one and other):
        return MISSING
    if a.calling_code and b.calling_code and a.calling_code != b.calling_code:
        return NEAR if one == other else DIFFERENT
    if one == other or _has_code_before(a, b) or _has_code_before(b, a):
        return EXACT
    short, long = sorted((one, other), key=len)
    if len(short) >= _WHOLE_NUMBER and (long.startswith(short) or long.endswith(short)):
        return "part"
    return NEAR if len(short) >= _WHOLE_NUMBER - 1 and within(one, other, 1) else DIFFERENT


def _has_code_before(a: Normalised, b: Normalised) -> bool:
    """Tell whether `a` has the number of `b` with its calling code before it, which nobody could tell."""
    return not a.calling_code and bool(b.calling_code) and a.phone == b.calling_code + b.phone


def street_level(a: Normalised, b: Normalised) -> str:
    """Return the level of two streets with their numbers; `house` is another house of one street."""
    if not (a.street or a.house) or not (b.street or b.house):
        return MISSING
    one, other = " ".join(a.street), " ".join(b.street)
    if one == other and a.house == b.house:
        return EXACT
    if not (near(one, other) or Indel.normalized_similarity(one, other) >= _LIKE_STREET):
        return DIFFERENT
    same_house = a.house[:1] == b.house[:1] or near("".join(a.house), "".join(b.house))
    return NEAR if same_house else "house"


def place_level(a: Normalised, b: Normalised) -> str:
    """
    Return the level of two towns with their postal codes.

    `one` is one of the two where the other is missing, `either` is one where the other differs. In two
    countries they are different.
    """
    levels = [level for level in _places(a, b) if level != MISSING]
    if not levels:
        return MISSING
    if a.country and b.country and a.country != b.country:
        return DIFFERENT
    differing = levels.count(DIFFERENT)
    if len(levels) == 1:
        return DIFFERENT if differing else "one"
    return (EXACT if levels.count(EXACT) == 2 else NEAR, "either", DIFFERENT)[differing]


def _places(a: Normalised, b: Normalised) -> Iterator[str]:
    for one, other in ((a.postal, b.postal), (a.city, b.city)):
        if one and other:
            yield EXACT if one == other else NEAR if near(one, other) else DIFFERENT
        else:
            yield MISSING
