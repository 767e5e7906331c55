"""
This module lays what a person has changed in an event's object over the object as a run finds it.

What is read anew may have changed since: a value that is not the one which the person saw is newer than their
change, and stays. It is pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from flows.error_catalogue.policy import of_money

EXACT: Final = msgspec.json.Encoder(decimal_format="number")  # JSON whose fractions are those of the event
_MONEY_INSIDE = re.compile("amount|currency|discount|coupon")
_PLAIN = re.compile(r"[^.\[\]\"\s]+")


class Absent(msgspec.Struct, frozen=True):
    """Stands in a change for what is not there."""


ABSENT: Final = Absent()


class Change(msgspec.Struct, frozen=True):
    """One place of an object, and what stood there before and after; see `ABSENT`."""

    path: tuple[str | int, ...]
    before: Any = ABSENT
    after: Any = ABSENT

    @property
    def told(self) -> str:
        """Return the place as a path that a mapping could read."""
        return path_of(self.path)

    @property
    def is_of_money(self) -> bool:
        """Tell by the names whether it changes an amount, a currency or a share of one."""
        names = [name for name in self.path if isinstance(name, str)]
        within = any(_MONEY_INSIDE.search(name) for name in names[:-1])  # such as amount_details.tip
        return within or any(of_money(name) for name in self.names)

    @property
    def names(self) -> list[str]:
        """Return the name of what is changed, and every name inside of it."""
        own = [name for name in self.path if isinstance(name, str)][-1:]
        return [*own, *_names_in(self.before), *_names_in(self.after)]


def _names_in(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            yield from _names_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names_in(inner)


class Edit(msgspec.Struct, frozen=True):
    """What one person changed in the object of `type` with this `id`."""

    type: str
    id: str
    changes: tuple[Change, ...]
    by: str


def path_of(segments: Sequence[str | int]) -> str:
    """Return segments as a path: names with dots, items of lists and odd names in brackets."""
    text = ""
    for segment in segments:
        if isinstance(segment, int):
            text += f"[{segment}]"
        elif _PLAIN.fullmatch(segment):
            text += f".{segment}" if text else segment
        else:
            quoted = segment.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{quoted}"]'
    return text


def changes_between(before: Any, after: Any, path: tuple[str | int, ...] = ()) -> Iterator[Change]:
    """Yield each place at which `after` differs from `before`, the deepest that tells; JSON both."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from changes_between(before.get(name, ABSENT), after.get(name, ABSENT), (*path, name))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for at, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from changes_between(one, other, (*path, at))
    elif not same(before, after):
        yield Change(path, before, after)


def same(one: Any, other: Any) -> bool:
    """Tell whether two values of JSON are the same; true is no 1."""
    return type(one) is type(other) and one == other


def lay_over(edits: Sequence[Edit], roots: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return `roots` with every edit in its object, and what a person should see about that."""
    found, notes = dict(roots), []
    for edit in edits:
        root = found.get(edit.type)
        if not isinstance(root, Mapping) or root.get("id") != edit.id:
            notes.append(f"The object that {edit.by} has edited is not among what was read")
            continue
        edited: Any = dict(root)
        # An amount in another currency is another amount: of those that were edited all hold, or none.
        money = [change for change in edit.changes if change.is_of_money]
        moved = any(_laid(root, change.path, change) is _NEWER for change in money)
        for change in edit.changes:
            if moved and change.is_of_money:
                notes.append(f"{change.told} stays: an amount or its currency has changed meanwhile")
                continue
            laid = _laid(edited, change.path, change)
            if laid is _NEWER:
                notes.append(f"{change.told} has changed meanwhile, so its newer value stays")
            else:
                edited = laid
                notes.append(f"{change.told} is as {edit.by} has edited it")
        found[edit.type] = edited
    return found, notes


_NEWER: Final = object()


def _laid(value: Any, path: Sequence[str | int], change: Change) -> Any:
    """Return a copy of `value` with the change at `path`; `_NEWER` if something else stands there."""
    if not path:
        fits = same(value, change.before) or same(value, change.after)
        return change.after if fits else _NEWER
    segment, *rest = path
    if isinstance(segment, int):
        if not isinstance(value, list) or segment >= len(value):
            return _NEWER
        inner = _laid(value[segment], rest, change)
        return _NEWER if inner is _NEWER else [*value[:segment], inner, *value[segment + 1 :]]
    if not isinstance(value, Mapping):
        return _NEWER
    inner = _laid(value.get(segment, ABSENT), rest, change)
    if inner is _NEWER:
        return _NEWER
    if isinstance(inner, Absent):
        return {name: one for name, one in value.items() if name != segment}
    return {**value, segment: inner}
