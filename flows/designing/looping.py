"""This module puts a map step into a for-each, with the steps that save what it fills."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from flows.designing import tree
from flows.designing.tree import Document, Found, Refused, Step

KIND, BODY = "for_each", "each"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_WORDS = re.compile(r"[a-z][a-z0-9_]*")


def edits_for(document: Document, step: str, path: str, known: Collection[str]) -> list[dict[str, Any]]:
    """
    Return the edits that let `step` be done for each item of the list at `path`.

    What the steps read of the first item they read of the item at hand from then on: lines, and which record
    is saved. `known` are ids that steps of the flow have or had.

    :raises Refused: if there is no such map step, or it is done for each item of that list already
    """
    found = tree.find(document, step)
    if found.step.get("kind") != "map":
        raise Refused(f"The step {step} maps no fields.")
    if _goes_through(document, found, path):
        raise Refused("The step is done for each item of this list already.")
    each = tree.fresh_id(KIND, {*known, *tree.ids(document["steps"])})
    name = _name(path)
    inside = [found.step, *_savers(found)]
    loop = {"id": each, "kind": KIND, "settings": {"list": [path], "name": name}}
    moves = [
        {
            "edit": "move_step",
            "step": one["id"],
            "at": {"parent": each, "exit": BODY, "after": inside[place - 1]["id"] if place else ""},
        }
        for place, one in enumerate(inside)
    ]
    return [
        {"edit": "paste_steps", "at": found.at.model_dump(), "steps": [loop]},
        *moves,
        *_reading_the_item(inside, f"{path}[0].", f"{name}."),
    ]


def _reading_the_item(steps: list[Step], first: str, item: str) -> Iterator[dict[str, Any]]:
    for found in tree.walk(steps):
        settings = found.step.get("settings") or {}
        renamed = _renamed(settings, first, item)
        if renamed != settings:
            yield {"edit": "set_settings", "step": found.step["id"], "settings": renamed}


def _savers(found: Found) -> list[Step]:
    """Return the steps right behind it that save its record."""
    savers = []
    for one in found.siblings[found.index + 1 :]:
        if (one.get("settings") or {}).get("record") != found.step["id"]:
            break
        savers.append(one)
    return savers


def _goes_through(document: Document, found: Found, path: str) -> bool:
    while found.parent:
        found = tree.find(document, found.parent)
        lists = (found.step.get("settings") or {}).get("list")
        if found.step.get("kind") == KIND and path in ([lists] if isinstance(lists, str) else lists or ()):
            return True
    return False


def _name(path: str) -> str:
    """Return what an item of the list is called: one of invoice.lines.data is a line."""
    words = [word for word in _WORDS.findall(path) if word != "data"]
    one = words[-1].removesuffix("s") if words[1:] else ""
    return (
        one if _NAME.fullmatch(one) and one not in {words[0], "step", "event", "error", "number"} else "each"
    )


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, Mapping):
        # The lines of a parent read the object that it is made of, and nothing of the run.
        own = "lines" if "read" in value else ""
        return {name: part if name == own else _renamed(part, old, new) for name, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part, old, new) for part in value]
    return value
