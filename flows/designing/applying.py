"""This module makes edits on a document, and says of each what takes it back and what it touched."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.designing import lines, taking, tree
from flows.designing.edits import (
    AddStep,
    At,
    DuplicateStep,
    Insert,
    Kept,
    MoveLine,
    MoveStep,
    PasteSteps,
    RemoveLine,
    RemoveStep,
    Rename,
    Replace,
    SetLine,
    SetSettings,
    SetTitle,
    SetTrigger,
)
from flows.designing.limits import check_limits, check_value, read_steps
from flows.designing.tree import Document, Refused, Step
from flows.engine.kind import Kind

WHOLE = "@"  # the key of the whole document, which every other touches
TRIGGER, NAME = "@trigger", "@name"


@dataclass(frozen=True, slots=True)
class Workshop:
    """What edits are made with: the step kinds, and the ids that steps have or had."""

    kinds: Mapping[str, Kind]
    taken: set[str]
    lenient: bool = False  # of the history: a place that is gone is the end of its list

    def name_of(self, step: Step) -> str:
        """Return what people call `step`, in quotation marks."""
        kind = self.kinds.get(str(step.get("kind")))
        return f"“{step.get('title') or (kind.label if kind else step.get('kind'))}”"


@dataclass(frozen=True, slots=True)
class Made:
    """An edit that was made."""

    label: str
    parts: Sequence[str]
    forth: Sequence[Kept]
    back: Sequence[Kept]
    focus: str = ""


@dataclass(slots=True)
class Result:
    """What came of several edits: the new document, and all of them as one."""

    document: Document
    parts: list[str] = field(default_factory=list)
    forth: list[Kept] = field(default_factory=list)
    back: list[Kept] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    focus: str = ""

    @property
    def label(self) -> str:
        """Say in one line what was done."""
        more = len(self.labels) - 1
        return (f"{self.labels[0]} and {more} more" if more > 0 else "".join(self.labels))[:200]


def make(document: Mapping[str, Any], edits: Sequence[Kept], workshop: Workshop) -> Result:
    """
    Return what `edits` make of `document`, which stays as it is.

    :raises Refused: if one of them does not fit, or the result exceeds a limit
    """
    result = Result(copy.deepcopy(dict(document)))
    for edit in edits:
        taking.refuse_inside(result.document, edit)
        made = _MAKERS[type(edit)](result.document, edit, workshop)
        check_limits(result.document)  # after each: copies of copies would double it every time
        result.parts += [part for part in made.parts if part not in result.parts]
        result.forth += made.forth
        result.back[:0] = made.back
        result.labels.append(made.label)
        result.focus = made.focus or result.focus
    return result


def overlap(mine: Sequence[str], theirs: Sequence[str]) -> bool:
    """Tell whether two edits touch the same: the same part, or one a part within the other's."""
    return any(
        one == other or WHOLE in (one, other) or one.startswith(f"{other}.") or other.startswith(f"{one}.")
        for one in mine
        for other in theirs
    )


# Steps


def _add(document: Document, edit: AddStep, workshop: Workshop) -> Made:
    kind = workshop.kinds.get(edit.kind)
    if kind is None:
        raise Refused(f"There is no step kind {edit.kind}.")
    check_value([edit.title, edit.settings])
    step: Step = {"id": tree.fresh_id(edit.kind.rpartition(".")[2], workshop.taken), "kind": edit.kind}
    if edit.title:
        step["title"] = edit.title
    step["settings"] = edit.settings
    return _put(document, edit.at, [step], workshop, f"Added {workshop.name_of(step)}")


def _put(document: Document, at: At, steps: list[Step], workshop: Workshop, label: str) -> Made:
    tree.insert(document, at, copy.deepcopy(steps), workshop.kinds, lenient=workshop.lenient)
    names = tree.ids(steps)
    return Made(
        label,
        parts=names,
        forth=[Insert(edit="insert", at=at, steps=steps)],
        back=[RemoveStep(edit="remove_step", step=step["id"]) for step in reversed(steps)],
        focus=steps[0]["id"],
    )


def _insert(document: Document, edit: Insert, workshop: Workshop) -> Made:
    known = set(tree.ids(document["steps"]))
    if twice := known.intersection(tree.ids(edit.steps)):
        raise Refused(f"There is a step {', '.join(sorted(twice))} already.")
    return _put(document, edit.at, list(edit.steps), workshop, f"Added {workshop.name_of(edit.steps[0])}")


def _remove(document: Document, edit: RemoveStep, workshop: Workshop) -> Made:
    was = tree.take(document, edit.step)
    behind = was.siblings[was.index + 1]["id"] if was.index + 1 < len(was.siblings) else ""
    before = was.siblings[was.index - 1]["id"] if was.index else ""
    more = len(tree.ids([was.step])) - 1
    return Made(
        f"Removed {workshop.name_of(was.step)}{f' with {more} step{_s(more)} behind it' if more else ''}",
        parts=tree.ids([was.step]),
        forth=[edit],
        back=[Insert(edit="insert", at=was.at, steps=[was.step])],
        focus=behind or before or was.parent,
    )


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _move(document: Document, edit: MoveStep, workshop: Workshop) -> Made:
    inside = tree.ids([tree.find(document, edit.step).step])
    if edit.at.parent in inside or edit.at.after == edit.step:
        raise Refused("A step cannot stand within or behind itself.")
    was = tree.take(document, edit.step)
    tree.insert(document, edit.at, [was.step], workshop.kinds, lenient=workshop.lenient)
    back = MoveStep(edit="move_step", step=edit.step, at=was.at)
    label = f"Moved {workshop.name_of(was.step)}"
    return Made(label, [f"{edit.step}.place"], [edit], [back], focus=edit.step)


def _duplicate(document: Document, edit: DuplicateStep, workshop: Workshop) -> Made:
    found = tree.find(document, edit.step)
    copies = tree.renamed([copy.deepcopy(found.step)], workshop.taken, keep=False)
    at = At(parent=found.parent, exit=found.exit, after=edit.step)
    return _put(document, at, copies, workshop, f"Duplicated {workshop.name_of(found.step)}")


def _paste(document: Document, edit: PasteSteps, workshop: Workshop) -> Made:
    steps = tree.renamed(read_steps(edit.steps, workshop.kinds), workshop.taken, keep=True)
    count = len(tree.ids(steps))
    label = f"Pasted {workshop.name_of(steps[0])}" if count == 1 else f"Pasted {count} steps"
    return _put(document, edit.at, steps, workshop, label)


def _settings(document: Document, edit: SetSettings, workshop: Workshop) -> Made:
    check_value(edit.settings)
    step = tree.find(document, edit.step).step
    before = copy.deepcopy(step.get("settings", {}))
    ways = tree.ways({**step, "exits": {}}, workshop.kinds)
    step["settings"] = copy.deepcopy(edit.settings)
    _follow_names(step, ways, tree.ways({**step, "exits": {}}, workshop.kinds))
    return Made(
        f"Changed {workshop.name_of(step)}",
        [f"{edit.step}.settings"],
        [edit],
        [SetSettings(edit="set_settings", step=edit.step, settings=before)],
        focus=edit.step,
    )


def _follow_names(step: Step, before: Sequence[str], after: Sequence[str]) -> None:
    """Let the steps behind an exit that only got another name stay behind it."""
    exits = step.get("exits")
    if not exits or len(before) != len(after):
        return
    for old, new in zip(before, after, strict=True):
        if old != new and old in exits and old not in after and new not in exits:
            exits[new] = exits.pop(old)


def _title(document: Document, edit: SetTitle, workshop: Workshop) -> Made:
    check_value(edit.title)
    step = tree.find(document, edit.step).step
    before, called = str(step.get("title", "")), workshop.name_of(step)
    step["title"] = edit.title
    if not edit.title:
        del step["title"]
    label = f"Renamed {called} to {workshop.name_of(step)}"
    back = SetTitle(edit="set_title", step=edit.step, title=before)
    return Made(label, [f"{edit.step}.title"], [edit], [back], focus=edit.step)


# The flow


def _trigger(document: Document, edit: SetTrigger, workshop: Workshop) -> Made:
    check_value(edit.trigger)
    back = SetTrigger(edit="set_trigger", trigger=document["trigger"])
    document["trigger"] = copy.deepcopy(edit.trigger)
    return Made("Changed what starts the flow", [TRIGGER], [edit], [back], focus=TRIGGER)


def _rename(document: Document, edit: Rename, workshop: Workshop) -> Made:
    check_value([edit.name, edit.description])
    back = Rename(edit="rename", name=document["name"], description=str(document.get("description", "")))
    document["name"] = edit.name
    if edit.description is not None:
        document["description"] = edit.description
    return Made(f"Called the flow “{edit.name}”", [NAME], [edit], [back], focus=TRIGGER)


def _replace(document: Document, edit: Replace, workshop: Workshop) -> Made:
    back = Replace(edit="replace", document=copy.deepcopy(document))
    document.clear()
    document.update(copy.deepcopy(edit.document))
    return Made("Replaced the whole draft", [WHOLE], [edit], [back])


# Lines of a map step


def _set_line(document: Document, edit: SetLine, workshop: Workshop) -> Made:
    check_value([edit.was, edit.line])
    name = edit.line.get("field")
    if not isinstance(name, str) or not name or len(name) > 200:
        raise Refused("A line needs the field that it fills.")
    step = tree.find(document, edit.step).step
    before = lines.put(step, dict(edit.line), was=edit.was, index=edit.index)
    if before is None:
        back: Kept = RemoveLine(edit="remove_line", step=edit.step, field=name)
    else:
        back = SetLine(edit="set_line", step=edit.step, line=before, was=name)
    parts = list(dict.fromkeys([lines.key(edit.step, name), lines.key(edit.step, edit.was or name)]))
    return Made(f"Mapped {name} in {workshop.name_of(step)}", parts, [edit], [back], focus=edit.step)


def _remove_line(document: Document, edit: RemoveLine, workshop: Workshop) -> Made:
    step = tree.find(document, edit.step).step
    line, index = lines.take(step, edit.field)
    back = SetLine(edit="set_line", step=edit.step, line=line, index=index)
    label = f"Removed {edit.field} from {workshop.name_of(step)}"
    return Made(label, [lines.key(edit.step, edit.field)], [edit], [back], focus=edit.step)


def _move_line(document: Document, edit: MoveLine, workshop: Workshop) -> Made:
    step = tree.find(document, edit.step).step
    line, index = lines.take(step, edit.field)
    lines.place(step, line, edit.index)
    back = MoveLine(edit="move_line", step=edit.step, field=edit.field, index=index)
    label = f"Moved {edit.field} in {workshop.name_of(step)}"
    return Made(label, [lines.key(edit.step, edit.field)], [edit], [back], focus=edit.step)


_MAKERS: dict[type[Kept], Callable[[Document, Any, Workshop], Made]] = {
    AddStep: _add,
    Insert: _insert,
    RemoveStep: _remove,
    MoveStep: _move,
    DuplicateStep: _duplicate,
    PasteSteps: _paste,
    SetSettings: _settings,
    SetTitle: _title,
    SetTrigger: _trigger,
    Rename: _rename,
    Replace: _replace,
    SetLine: _set_line,
    RemoveLine: _remove_line,
    MoveLine: _move_line,
}
