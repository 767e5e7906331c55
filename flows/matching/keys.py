"""This module names what records may share, as numbers by which a database finds them."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from flows.matching.records import Name, Normalised
from flows.matching.text import skeleton

_LONG_LOCAL = 6  # letters before an @ that are too many to be somebody else's by chance


def key(kind: str, value: str) -> int:
    """Return the number of `value` as a `kind` of thing: 64 bits with a sign, as a database keeps them."""
    told = f"{kind}|{value}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(told, digest_size=8).digest(), "big", signed=True)


def name_term(name: Name) -> int:
    """Return the number of a whole name, whatever the order of its words."""
    return key("name", " ".join(name.ordered))


def word_term(word: str) -> int:
    """Return the number of a word of names."""
    return key("word", word)


def terms(norm: Normalised) -> frozenset[int]:
    """Return the numbers of all that is counted of a record, to know how rare it is."""
    found = {name_term(name) for name in norm.names}
    found.update(word_term(word) for name in norm.names for word in name.words)
    found.update(key(kind, value) for kind, value in _values(norm))
    return frozenset(found)


def _values(norm: Normalised) -> Iterator[tuple[str, str]]:
    if norm.email is not None:
        yield "email", norm.email.whole
    for kind in ("domain", "phone", "postal", "city"):
        if value := getattr(norm, kind):
            yield kind, value


def block_keys(norm: Normalised) -> frozenset[int]:
    """Return the numbers by which a record is found: a record that shares none of them is never looked at."""
    found = {name_term(name) for name in norm.names}
    found.update(key(kind, value) for kind, value in _blocks(norm))
    return external_keys(norm) | found


def external_keys(norm: Normalised) -> frozenset[int]:
    """Return the numbers of a record's external keys, which are among its block keys."""
    return frozenset(key(f"external {name}", value) for name, value in norm.external)


def _blocks(norm: Normalised) -> Iterator[tuple[str, str]]:
    if norm.email is not None:
        yield "email", norm.email.whole
        if not norm.email.is_role and len(norm.email.local) >= _LONG_LOCAL:
            yield "local", norm.email.local
    if norm.domain:
        yield "domain", norm.domain
    if norm.phone:
        yield "digits", norm.phone[:8]
        yield "digits", norm.phone[-8:]
        yield "digits", (norm.calling_code + norm.phone)[-8:]  # as who does not know the country has them
    yield from _places(norm)
    for name in norm.names:
        yield from _name_blocks(name, norm)


def _places(norm: Normalised) -> Iterator[tuple[str, str]]:
    street = max(norm.street, key=len, default="")
    number = norm.house[0] if norm.house else ""
    if street and number:
        yield "street", f"{number} {street[:4]} {norm.city[:4]}"
        if norm.postal:
            yield "postal street", f"{norm.postal} {number}"


def _name_blocks(name: Name, norm: Normalised) -> Iterator[tuple[str, str]]:
    yield "skeleton", " ".join(sorted(map(skeleton, name.words)))
    first, last = name.words[0], name.words[-1]
    if len(name.words) > 1:
        yield "initial", f"{first[0]} {last}"
        yield "initial", f"{last[0]} {first}"
        yield "start", f"{first} {last[:3]}"
    places = [place for place in (norm.postal[:4], norm.city[:6]) if place]
    for word in {first, last}:
        yield from (("word place", f"{skeleton(word)} {place}") for place in places)
    together = name.together
    if len(together) >= 10:
        yield "beginning", together[:8]
        yield "end", together[-8:]
