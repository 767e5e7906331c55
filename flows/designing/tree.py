"""This module finds its way in the tree of steps of a document that may be unfinished."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from flows.designing.edits import At
from flows.engine import contract, definition
from flows.engine.kind import Kind

Step = dict[str, Any]
Document = dict[str, Any]

_NO_ID = re.compile(r"[^a-z0-9]+")


class Refused(ValueError):
    """The edit does not fit the draft: a place that is not there, a limit, a value that cannot be kept."""


@dataclass(frozen=True, slots=True)
class Found:
    """A step and where it stands."""

    step: Step
    siblings: list[Step]
    index: int
    parent: str = ""
    exit: str = ""
    depth: int = 1

    @property
    def at(self) -> At:
        """Return the place of the step, by the step before it."""
        before = self.siblings[self.index - 1]["id"] if self.index else ""
        return At(parent=self.parent, exit=self.exit, after=before)


def walk(steps: list[Step], parent: str = "", exit_name: str = "", depth: int = 1) -> Iterator[Found]:
    """Yield every step of the tree from top to bottom."""
    for index, step in enumerate(steps):
        yield Found(step, steps, index, parent, exit_name, depth)
        for name, branch in step.get("exits", {}).items():
            yield from walk(branch, step["id"], name, depth + 1)


def find(document: Document, step_id: str) -> Found:
    """
    Return the step called `step_id`.

    :raises Refused: if there is none
    """
    for found in walk(document["steps"]):
        if found.step["id"] == step_id:
            return found
    raise Refused(f"There is no step {step_id} in the flow.")


def ids(steps: list[Step]) -> list[str]:
    """Return the id of every step of the tree."""
    return [found.step["id"] for found in walk(steps)]


def ways(step: Mapping[str, Any], kinds: Mapping[str, Kind]) -> list[str]:
    """
    Return the exits of `step` behind which steps may stand, and those where steps stand already.

    Settings that are unfinished name the exits that they name. What was taken from another flow is no place
    for steps of this one.
    """
    kind = kinds.get(str(step.get("kind")))
    named: Iterable[str] = ()
    if kind is not None:
        named = _ways(kind, step.get("settings") or {})
    closed = {contract.INSIDE} if kind is not None and kind.inside == "called" else set()
    return [name for name in dict.fromkeys([*named, *step.get("exits", {})]) if name not in closed]


def _ways(kind: Kind, settings: Mapping[str, Any]) -> Sequence[str]:
    try:
        return definition.branches_of(kind, kind.settings_model.model_validate(settings))
    except ValidationError:
        parts = [part for name in _NAMING for part in _list(settings.get(name))]
        named = [part["exit"] for part in parts if isinstance(part, Mapping) and _is_exit(part.get("exit"))]
        fixed = kind.exits if len(kind.exits) > 1 or named else ()
        rest = [name for name in fixed if name != "next"]
        together = ("try",) if kind.inside == "undoing" else ()
        return (
            *together,
            *named,
            *rest,
            *((kind.body,) if kind.body else ()),
            *(("error",) if kind.can_fail else ()),
        )


_NAMING = ("cases", "options", "branches", "undo")  # settings whose elements name exits


def _is_exit(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[a-z0-9_]{1,40}", value) is not None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def insert(
    document: Document, at: At, steps: list[Step], kinds: Mapping[str, Kind], *, lenient: bool = False
) -> None:
    """
    Put `steps` at their place. A `lenient` call puts them last where the step before them is gone.

    :raises Refused: if the place is not there
    """
    siblings = _siblings(document, at, kinds)
    place = len(siblings)
    if at.after is not None:
        names = [step["id"] for step in siblings]
        if at.after == "":
            place = 0
        elif at.after in names:
            place = names.index(at.after) + 1
        elif not lenient:
            raise Refused(f"The step {at.after} does not stand there any more.")
    siblings[place:place] = steps


def _siblings(document: Document, at: At, kinds: Mapping[str, Kind]) -> list[Step]:
    if not at.parent:
        if at.exit:
            raise Refused("The flow itself has no exits.")
        steps: list[Step] = document["steps"]
        return steps
    parent = find(document, at.parent).step
    if at.exit not in ways(parent, kinds):
        raise Refused(f"The step {at.parent} has no exit {at.exit} for steps.")
    branch: list[Step] = parent.setdefault("exits", {}).setdefault(at.exit, [])
    return branch


def take(document: Document, step_id: str) -> Found:
    """
    Take the step called `step_id` out of the tree and return it with where it stood.

    :raises Refused: if there is none
    """
    found = find(document, step_id)
    was = Found(found.step, list(found.siblings), found.index, found.parent, found.exit, found.depth)
    del found.siblings[found.index]
    if not found.siblings and found.parent:
        exits = find(document, found.parent).step["exits"]
        del exits[found.exit]
    return was


def fresh_id(wanted: str, taken: set[str]) -> str:
    """Return an id like `wanted` that no step has or had, and add it to `taken`."""
    base = _NO_ID.sub("_", wanted.lower()).strip("_")[:50] or "step"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    taken.add(name)
    return name


def renamed(steps: list[Step], taken: set[str], *, keep: bool) -> list[Step]:
    """
    Return a copy of `steps` under ids that are free; what they say of each other says it of the copies.

    With `keep` an id that is free stays as it is.
    """
    names: dict[str, str] = {}
    for old in ids(steps):
        if keep and old not in taken:
            taken.add(old)
            names[old] = old
        else:
            names[old] = fresh_id(re.sub(r"_\d+$", "", old), taken)
    return copied(steps, names)


def copied(steps: Iterable[Step], names: Mapping[str, str]) -> list[Step]:
    """Return a copy of `steps` under new ids, by their old ones; what they say of each other follows."""
    return [_copy(step, names) for step in steps]


def _copy(step: Step, names: Mapping[str, str]) -> Step:
    copied = {name: value for name, value in step.items() if name not in ("id", "settings", "exits")}
    copied["id"] = names[step["id"]]
    if "settings" in step:
        copied["settings"] = _said_anew(step["settings"], names)
    if step.get("exits"):
        copied["exits"] = {
            name: [_copy(one, names) for one in branch] for name, branch in step["exits"].items()
        }
    return copied


_BY_ID = frozenset({"record", "step"})  # settings of steps that save, and that undo, name a step so
_MENTION = re.compile(r"\bsteps\.([a-z0-9_]{1,60})(?![A-Za-z0-9_])")


def _said_anew(value: Any, names: Mapping[str, str], key: str = "") -> Any:
    if isinstance(value, str):
        if key in _BY_ID:
            value = names.get(value, value)
        return _MENTION.sub(lambda found: f"steps.{names.get(found[1], found[1])}", value)
    if isinstance(value, dict):
        return {name: _said_anew(part, names, name) for name, part in value.items()}
    if isinstance(value, list):
        return [_said_anew(part, names) for part in value]
    return value


def said_anew(value: Any, names: Mapping[str, str]) -> Any:
    """Return a part of settings in which paths read of steps under their new ids, by their old ones."""
    return _said_anew(value, names)
