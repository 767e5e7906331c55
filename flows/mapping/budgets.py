"""
This module bounds what an expression may cost, before it is compiled and before it is evaluated.

CEL always ends, but texts that double themselves and loops within loops can take seconds and gigabytes
first. What they can come to is estimated from the words of the expression and the size of its values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from flows.mapping import text as texts
from flows.mapping.words import LOOPS, OPENERS, Word

LONGEST: Final = 4_000  # characters of an expression
MOST_PATHS: Final = 100
LONGEST_TEXT: Final = 131_072  # characters of a value, as many as the longest field of Salesforce holds
MOST_VALUES: Final = 20_000  # within all objects and lists that are given

_MOST_LOOPS = 6  # in the whole expression
_DEEPEST_LOOP = 2
_MOST_OPENERS = 5  # each doubles what stands before it when CEL compiles it
_LONGEST_PATTERN = 200
_MOST_REPEATS = 100
_MOST_COPIED = 64_000_000  # characters that additions and functions may copy
_MOST_STEPS = 500_000  # words that may be evaluated
_MOST_CALLS = 50_000  # of functions of ours
_MOST_COMPARED = 3_000_000  # values that comparisons may look at
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1  # what a whole number of CEL may be
_PATTERN = re.compile(r"[rR]?(?P<mark>[\"'])(?P<pattern>.*)(?P=mark)", re.DOTALL)
_REPEATS = re.compile(r"\{\s*(\d+)?\s*(?:,\s*(\d+)?\s*)?\}")


class TooCostly(ValueError):
    """The expression may cost more than it is allowed to."""


class NoSuchValue(ValueError):
    """A value is none that expressions work with; `code` stands in `flows.error_catalogue`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Size:
    """How large the values are that an evaluation is given."""

    text: int = 0  # characters of the longest
    values: int = 0
    elements: int = 0  # of the longest list or object


@dataclass(frozen=True, slots=True)
class Shape:
    """What of an expression decides about its cost."""

    words: int
    growing: int  # additions, and calls of functions of ours
    calls: int
    compared: int
    names: int  # that macros give
    depth: int  # of loops within loops
    text: int  # characters of the longest text in it
    elements: int  # of the longest list in it, at most

    def check(self, size: Size) -> None:
        """
        Refuse to evaluate with values of that `size`.

        :raises TooCostly: if it may cost too much
        """
        if size.text > LONGEST_TEXT or size.values > MOST_VALUES:
            raise TooCostly("What the expression reads is larger than an expression may work with")
        factor = self.growing + 1
        rounds = 1
        if self.depth:
            rounds = (max(size.elements, self.elements) * factor) ** self.depth
        copied = factor ** (1 + self.names) * factor * max(size.text, self.text) * rounds
        if (
            copied > _MOST_COPIED
            or rounds * self.words > _MOST_STEPS
            or rounds * self.calls > _MOST_CALLS
            or rounds * (self.compared + 1) * size.values > _MOST_COMPARED
        ):
            raise TooCostly("The expression may become too large with these values, or take too long")


def shape_of(words: Sequence[Word], *, calls: int) -> Shape:
    """
    Return the shape of an expression that has `words` and so many `calls` of functions of ours.

    :raises TooCostly: if no values are small enough for it
    """
    names = [word.text for word in words]
    _check_patterns(words)
    loops = sum(_opens(names, place, LOOPS) for place in range(len(names)))
    openers = sum(_opens(names, place, OPENERS) for place in range(len(names)))
    depth = _depth(names)
    if loops > _MOST_LOOPS or openers > _MOST_OPENERS or depth > _DEEPEST_LOOP:
        raise TooCostly(
            f"An expression goes through lists at most {_MOST_LOOPS} times, at most {_DEEPEST_LOOP} of them "
            f"within each other, and has optMap at most {_MOST_OPENERS} times"
        )
    shape = Shape(
        words=len(words),
        growing=names.count("+") + calls,
        calls=calls,
        compared=sum(map(names.count, ("==", "!=", "in"))),
        names=loops + openers,
        depth=depth,
        text=max((len(word.text) for word in words if word.kind == "text"), default=1),
        elements=names.count(",") + 1,
    )
    shape.check(Size())
    return shape


def _opens(names: Sequence[str], place: int, macros: frozenset[str]) -> bool:
    return names[place] in macros and names[place + 1 : place + 2] == ["("] and names[place - 1] == "."


def _depth(names: Sequence[str]) -> int:
    """Return how many loops stand within each other at most."""
    open_: list[bool] = []
    deepest = 0
    for place, name in enumerate(names):
        if name in "([{" or name == "[?":
            open_.append(bool(place) and _opens(names, place - 1, LOOPS))
            deepest = max(deepest, sum(open_))
        elif name in ")]}" and open_:
            open_.pop()
    return deepest


def _check_patterns(words: Sequence[Word]) -> None:
    """Refuse patterns that are not known beforehand or large: their cost is that of a program."""
    for place, word in enumerate(words):
        if word.text != "matches" or word.kind != "name":
            continue
        around = [words[at].text for at in (place - 1, place + 1, place + 3) if 0 <= at < len(words)]
        found = _PATTERN.fullmatch(words[place + 2].text) if len(around) == 3 else None
        if around != [".", "(", ")"] or found is None:
            raise TooCostly(
                "matches() is written behind a value, with a fixed pattern: x.matches('^[A-Z]+$')"
            )
        # What is long is refused unread: to look for repetitions in it may take longer than to match it.
        if len(found["pattern"]) > _LONGEST_PATTERN or _repeats(found["pattern"]) > _MOST_REPEATS:
            raise TooCostly(
                f"A pattern has at most {_LONGEST_PATTERN} characters and {_MOST_REPEATS} repetitions"
            )


def _repeats(pattern: str) -> int:
    """Return how often the repetitions of `pattern` repeat at most, one within the other."""
    repeats = 1
    for few, many in _REPEATS.findall(pattern):
        repeats *= max(int((few or "1")[:6]), int((many or "1")[:6]), 1)
    return repeats


def inward(value: Any, size: Size) -> Any:
    """
    Return `value` as CEL takes it, and add to `size`: exact numbers as text, and nothing that is null.

    :raises NoSuchValue: if there is no such value in CEL
    :raises TooCostly: if it has more values inside than may be looked at
    """
    kind = type(value)
    if kind is str:
        size.text = max(size.text, len(value))
        return value if value.isascii() else texts.clean(value)
    if kind is bool or value is None:
        return value
    if kind is int:
        if not _SMALLEST <= value <= _LARGEST:
            raise NoSuchValue("not_a_number", "A whole number has more digits than expressions work with")
        return value
    if kind is float:
        if value - value != 0:
            raise NoSuchValue("not_a_number", "The value is not a number")
        return value
    if kind is Decimal:
        return _exact(value)
    return _inside(value, size)


def _exact(value: Decimal) -> str:
    if not value.is_finite() or abs(value.adjusted()) > 100:
        raise NoSuchValue("not_a_number", "The number is too large or too small for expressions")
    return format(value, "f")


def _inside(value: Any, size: Size) -> Any:
    if not isinstance(value, (Mapping, list)):
        raise NoSuchValue("not_a_value", f"Expressions do not work with a {type(value).__name__}")
    size.values += len(value)
    size.elements = max(size.elements, len(value))
    if size.values > MOST_VALUES:
        raise TooCostly("What the expression reads is larger than an expression may work with")
    if isinstance(value, Mapping):
        # Stripe writes null where there is nothing, which is the same to an expression.
        return {str(key): inward(part, size) for key, part in value.items() if part is not None}
    return [inward(part, size) for part in value]
