"""This module says how an expression may go on at a place: with which paths and functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from flows.mapping import functions, words
from flows.mapping.budgets import LONGEST
from flows.mapping.expressions import VALUE
from flows.mapping.fields import SrcField

MOST = 50
_LONGEST_PATH = 200  # characters of a path that is being typed
_BEGUN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.\??[A-Za-z_][A-Za-z0-9_]*)*(\.\??)?$")


@dataclass(frozen=True, slots=True)
class Completion:
    """A text that may stand instead of the characters from `start` to `end`; `detail` says what it is."""

    insert: str
    kind: Literal["path", "function"]
    detail: str
    start: int
    end: int


def completions(text: str, position: int, source_fields: Iterable[SrcField]) -> list[Completion]:
    """
    Return how the expression `text` may go on at `position`, the likeliest first and at most 50.

    Within a quoted text, or in one that no expression may be as long as, there is nothing to complete. A path
    that is begun with `?.` goes on so.
    """
    before = text[: max(position, 0)]
    if len(before) > LONGEST:
        return []
    try:
        words.split(before)
    except words.Unreadable:
        return []
    # The pattern is tried from every character on: what it costs grows with the square of what it looks at.
    match = _BEGUN.search(before, max(len(before) - _LONGEST_PATH, 0))
    begun = match[0] if match else ""
    start, end = len(before) - len(begun), len(before)
    wanted = begun.replace("?", "").lower()
    paths = sorted(
        (field for field in source_fields if field.path.lower().startswith(wanted)),
        key=lambda field: (field.path.count(".") - wanted.count("."), -(field.seen or 0), field.path),
    )
    found = [
        Completion(_like(begun, field.path), "path", _detail(field), start, end) for field in paths[:MOST]
    ]
    if VALUE.startswith(wanted):
        found.append(Completion(VALUE, "path", "the value so far", start, end))
    return [*found, *_functions(wanted, start, end)][:MOST]


def _like(begun: str, path: str) -> str:
    """Return `path` with the question marks that were typed already."""
    parts = path.split(".")
    typed = begun.split(".")
    marked = [
        f"?{part}" if place < len(typed) and typed[place].startswith("?") else part
        for place, part in enumerate(parts)
    ]
    return ".".join(marked)


def _detail(field: SrcField) -> str:
    words_ = [field.type, field.desc]
    if field.seen is not None:
        words_.append(f"in {field.seen:.0%} of events")
    return ", ".join(word for word in words_ if word and word != "unknown")


def _functions(wanted: str, start: int, end: int) -> Sequence[Completion]:
    ours = [
        Completion(f"{one.name}(", "function", f"{one.signature}. {one.help}", start, end)
        for one in (*functions.FUNCTIONS.values(), functions.METADATA)
        if one.name.startswith(wanted)
    ]
    standard = [
        Completion(f"{name}(", "function", signature, start, end)
        for name, signature in functions.STANDARD.items()
        if name.startswith(wanted)
    ]
    return [*ours, *standard]
