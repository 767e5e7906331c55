"""
This module reads values out of nested data by dotted paths, such as `charge.metadata["order.id"]`.

A path is names joined by dots; a name with other characters stands in brackets and double
quotes, where a backslash escapes; a whole number in brackets takes an item of a list. A name
is looked up as a key and as nothing else, so `__class__` is a key like any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

LONGEST = 500
DEEPEST = 16


class Absence(Enum):
    """The type of `MISSING`, which is not null: null was said, this was not."""

    MISSING = "missing"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Absence.MISSING

Segment = str | int
Reader = Callable[[Any], Any]

_PART = re.compile(
    r"""
      (?P<dot>\.?)(?P<name>[^.\[\]"\s]+)
    | \[(?P<index>0|[1-9][0-9]{0,5})\]
    | \["(?P<quoted>(?:[^"\\]|\\["\\])*)"\]
    """,
    re.VERBOSE | re.DOTALL,
)


class BadPath(ValueError):
    """The text is not a path."""


@dataclass(frozen=True, slots=True)
class Path:
    """A path, ready to read: `read(data)` returns the value, None for null, or `MISSING`."""

    text: str
    segments: tuple[Segment, ...]
    read: Reader = field(compare=False, repr=False)

    @property
    def root(self) -> str:
        """Return the first name."""
        return str(self.segments[0])

    def is_known(self, data: Any) -> bool:
        """
        Tell whether `data` says anything about this path: a value, null, or that there is none.

        A charge without a failure code says so. An event without a charge, or a charge whose
        balance transaction is only an id, says nothing of what would be inside.
        """
        for place, segment in enumerate(self.segments):
            if data is None:
                return True
            if not isinstance(data, list if isinstance(segment, int) else dict):
                return False
            found = _step(data, segment)
            if found is MISSING:
                return place > 0
            data = found
        return True


def parse(text: str) -> tuple[Segment, ...]:
    """
    Return the names and indexes that `text` consists of.

    :raises BadPath: if it is not a path, or too long or too deep
    """
    if not text or len(text) > LONGEST:
        raise BadPath(f"A path has 1 to {LONGEST} characters")
    segments: list[Segment] = []
    place = 0
    while place < len(text):
        match = _PART.match(text, place)
        # The first name stands without a dot, every later one behind one.
        if match is None or (match["name"] and bool(match["dot"]) != bool(segments)):
            raise BadPath(f"{text!r} is not a path from character {place + 1} on")
        segments.append(_segment(match))
        place = match.end()
    if isinstance(segments[0], int):
        raise BadPath(f"{text!r} begins with a number")
    if len(segments) > DEEPEST:
        raise BadPath(f"A path goes at most {DEEPEST} deep, {text!r} goes {len(segments)}")
    return tuple(segments)


def compile_path(text: str) -> Path:
    """
    Return `text` as a path that is ready to read.

    :raises BadPath: as `parse`
    """
    segments = parse(text)
    return Path(text, segments, _reader(segments))


def quote(name: str) -> str:
    """Return `name` as it stands in a path behind the object that has it."""
    match = _PART.fullmatch(f".{name}")
    if match and match["name"] == name:
        return f".{name}"
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'["{escaped}"]'


def _segment(match: re.Match[str]) -> Segment:
    if match["index"] is not None:
        return int(match["index"])
    if match["quoted"] is not None:
        return re.sub(r"\\(.)", r"\1", match["quoted"])
    return match["name"]


def _step(data: Any, segment: Segment) -> Any:
    """Return the part of `data` that `segment` names, or `MISSING`."""
    if isinstance(segment, int):
        return data[segment] if isinstance(data, list) and segment < len(data) else MISSING
    return data.get(segment, MISSING) if isinstance(data, dict) else MISSING


def _reader(segments: tuple[Segment, ...]) -> Reader:
    """
    Return a closure over the shortest code for this shape of path.

    Most paths are two or three names, and half of those that a mapping offers lead nowhere, so
    asking at each level is cheaper than an exception.
    """
    match segments:
        case (str(a), str(b)):
            return _two_names(a, b)
        case (str(a), str(b), str(c)):
            return _three_names(a, b, c)
        case _:
            return lambda data: _level_by_level(data, segments)


def _two_names(a: str, b: str) -> Reader:
    def read(data: Any) -> Any:
        if isinstance(data, dict):
            inner = data.get(a, MISSING)
            if isinstance(inner, dict):
                return inner.get(b, MISSING)
            return None if inner is None else MISSING
        return None if data is None else MISSING

    return read


def _three_names(a: str, b: str, c: str) -> Reader:
    read_outer = _two_names(a, b)

    def read(data: Any) -> Any:
        inner = read_outer(data)
        if isinstance(inner, dict):
            return inner.get(c, MISSING)
        return None if inner is None else MISSING

    return read


def _level_by_level(data: Any, segments: tuple[Segment, ...]) -> Any:
    """Read any path; what lies inside of null is null."""
    for segment in segments:
        if data is None:
            return None
        if isinstance(data, dict):
            data = data.get(segment, MISSING) if isinstance(segment, str) else MISSING
        else:
            data = _step(data, segment)
        if data is MISSING:
            return MISSING
    return data
