"""This module writes down what paths and fields are called, in words that can be compared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flows.mapping.fields import SObjField, SrcField
from flows.mapping.suggest.kinds import Kind, kind_of
from flows.mapping.suggest.vocabulary import vocabulary
from flows.mapping.suggest.words import bare, words_of
from integrator.kernel.paths import BadPath, parse

_AS_GOOD_AS = 0.9  # from here on a word is another one for the same thing
_MEANT = 0.94  # another name counts a little less than the name itself
_LEARNT = 0.93
_HELP = 0.8  # what a help text says
_MOST_HELP = 10  # words of it
_INSIDE = 0.35  # what a name in the middle of a path weighs, against its last name
_INSIDE_GENERIC = 0.8  # where the last name alone says too little: `card.country`
_DEEPER = 0.95  # for each name inside but the first
_NEVER_SEEN = 0.95
_ONE_OF_MANY = 0.97  # an item of a list
_INDEX = re.compile(r"\[[0-9]+\]")
_ROOT_ALONE = 0.97  # `customer.id` is also what is simply called a customer

# Words that go without saying for a kind of value, and for a type of field.
_OF_KIND: dict[Kind, tuple[str, ...]] = {
    "time": ("date",),
    "money": ("amount",),
    "id": ("id", "external"),
    "currency": ("code", "iso"),
    "country": ("code", "iso"),
    "url": ("link",),
    "boolean": ("flag",),
    "integer": ("number", "count"),
    "number": ("number",),
    "email": ("email",),
    "phone": ("phone",),
}
_OF_TYPE: dict[str, tuple[str, ...]] = {
    "reference": ("id",),
    "date": ("date",),
    "datetime": ("date", "time"),
    "currency": ("amount", "value"),
    "boolean": ("flag",),
    "url": ("link",),
    "int": ("number", "count"),
    "double": ("number", "count"),
    "string": ("text", "code"),
    "picklist": ("code", "type"),
    "textarea": ("text",),
    "email": ("email",),
    "phone": ("phone",),
}
_GOES_WITHOUT_SAYING = 0.9
_UNSAID = 0.4  # what such a word of a field weighs where the path does not say it


@dataclass(frozen=True, slots=True)
class Phrase:
    """One way to call a path or a field: words with weights, and words that may help but may be missing."""

    words: tuple[tuple[str, float], ...]
    helping: Mapping[str, float] = field(default_factory=dict)  # a word -> what it counts
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Source:
    """A path, ready to be compared."""

    field: SrcField
    names: tuple[str, ...]
    kind: Kind
    phrases: tuple[Phrase, ...]
    weight: float = 1.0  # less for what lies deep inside, and for what no recorded event has


@dataclass(frozen=True, slots=True)
class Target:
    """A field of Salesforce, ready to be compared."""

    field: SObjField
    phrases: tuple[Phrase, ...]


def read_source(field: SrcField, learnt: Sequence[str]) -> Source:
    """Return `field` ready to be compared; `learnt` are fields that paths like it went to before."""
    names = names_of(field.path)
    kind = kind_of(field, list(names))
    helping = _helping(names, kind)
    phrases = [_own_phrase(names, words_of(names[-1]), helping), *_of_ids(names, kind, helping)]
    phrases += [_meant(words_of(text), names, helping) for text in meanings_of(names)]
    phrases += [_phrase(words_of(bare(text)), helping, _LEARNT) for text in learnt]
    told = tuple(one for one in phrases if one.words)
    return Source(field, names, kind, told, _likelihood(field, names))


def read_target(field: SObjField) -> Target:
    """Return `field` ready to be compared."""
    unsaid = dict.fromkeys(_OF_TYPE.get(field.type, ()), _GOES_WITHOUT_SAYING)
    told = {words_of(bare(field.name)): 1.0, words_of(field.label): 1.0}
    told.setdefault(words_of(field.help)[:_MOST_HELP], _HELP)
    return Target(field, tuple(_phrase(words, unsaid, factor) for words, factor in told.items() if words))


def names_of(path: str) -> tuple[str, ...]:
    """Return the names in `path`, without list places and the envelope of an event; any text will do."""
    try:
        parts = [part for part in parse(path) if isinstance(part, str)]
    except BadPath:
        parts = [part for part in path[:500].replace("[", ".").replace("]", ".").split(".") if part.strip()]
    told = [part.replace(".", "_") for part in parts if part not in ("data", "object")]
    return tuple(told or parts[-1:] or [path[:500]])


def ends_of(names: Sequence[str]) -> Iterator[str]:
    """Yield every end of a path: of `a.b.c` these are `a.b.c`, `b.c` and `c`."""
    for begin in range(len(names)):
        yield ".".join(names[begin:])


def meanings_of(names: Sequence[str]) -> Iterator[str]:
    """Yield what else a path may be called that has these names."""
    known = vocabulary().meanings
    for end in ends_of(names):
        yield from known.get(end, ())


def _likelihood(field: SrcField, names: Sequence[str]) -> float:
    """Return how likely a path is meant at all: less deep inside, one of a list, or never seen."""
    depth = sum(name not in vocabulary().noise and name != "address" for name in names[1:-1])
    likely = _DEEPER ** max(0, depth - 1)
    if _INDEX.search(field.path):
        likely *= _ONE_OF_MANY
    return likely * _NEVER_SEEN if field.seen == 0 else likely


def _helping(names: Sequence[str], kind: Kind) -> dict[str, float]:
    """Return words that a field may have in its name and the path leaves out."""
    helping = dict.fromkeys(_OF_KIND.get(kind, ()), _GOES_WITHOUT_SAYING)
    if kind != "id" and "shipping" not in names and _is_of_a_person(names):
        helping["bill"] = _GOES_WITHOUT_SAYING
    return helping | dict.fromkeys(words_of(names[0]) if len(names) > 1 else (), 1.0)


def _is_of_a_person(names: Sequence[str]) -> bool:
    return not _PERSONS.isdisjoint(names)


_PERSONS = frozenset({"address", "billing_details", "customer_address", "customer_details", "customer"})


def _own_phrase(names: Sequence[str], leaf: Sequence[str], helping: Mapping[str, float]) -> Phrase:
    """Return what a path is called by its names, of which the last one may be told as other words."""
    known = vocabulary()
    generic = all(word in known.generic for word in leaf)
    inside = [name for name in names[1:-1] if name not in known.noise or _names_a_payer(name, names[-1])]
    weights: dict[str, float] = {word: _weight(word) for word in leaf}
    for place, name in enumerate(reversed(inside)):
        share = _INSIDE_GENERIC if generic and not place and name != "address" else _INSIDE
        for word in words_of(name):
            if word == "address":
                helping = {**helping, word: _GOES_WITHOUT_SAYING}
            else:
                weights.setdefault(word, _weight(word) * share)
    return Phrase(tuple(weights.items()), helping)


def _names_a_payer(inside: str, leaf: str) -> bool:
    """Tell whether a name is that of a payer, which is not what a record of a payment is called."""
    return inside == "billing_details" and leaf == "name"


def _of_ids(names: Sequence[str], kind: Kind, helping: Mapping[str, float]) -> Iterator[Phrase]:
    """Yield what an id is called by the name of its object alone."""
    if kind == "id" and len(names) > 1 and names[-1] in ("id", "salesforce_id"):
        yield _phrase(words_of(names[-2]), helping, _ROOT_ALONE)
    elif kind == "id" and names and names[-1].endswith("_id"):
        yield _own_phrase(names, words_of(names[-1].removesuffix("_id")), helping)


def _meant(words: Sequence[str], names: Sequence[str], helping: Mapping[str, float]) -> Phrase:
    """Return another name of a path; what its object is called may be missing: a refund date is a date."""
    close = vocabulary().close
    root = words_of(names[0]) if len(names) > 1 else ()
    own = {
        word
        for word in words
        if any(word == one or close.get(one, {}).get(word, 0) >= _AS_GOOD_AS for one in root)
    }
    needed = [word for word in words if word not in own]
    if not needed:
        return _phrase(words, helping, _MEANT)
    return _phrase(needed, {**dict.fromkeys(own, 1.0), **helping}, _MEANT)


def _phrase(words: Sequence[str], helping: Mapping[str, float], factor: float) -> Phrase:
    return Phrase(tuple({word: _weight(word) for word in words}.items()), helping, factor)


def _weight(word: str) -> float:
    return vocabulary().weights.get(word, 1.0 if len(word) > 1 else 0.3)


def unsaid_weight(word: str, weight: float, phrase: Phrase) -> float:
    """Return what a word of a field weighs that no word of the path is like."""
    return weight * _UNSAID if word in phrase.helping else weight
