"""This module turns what a person does on the mapper page into edits of the draft."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from flows import accepting, designer, suggesting
from flows.designing import edits, looping
from flows.designing.tree import Refused
from flows.mapping.fields import SObjField, SrcField
from flows.mapping.fitting import Fit, fit
from flows.mapping.spec import written_field
from flows.models import Draft
from flows.views import mapper_desk, mapper_versions
from flows.views.mapper_desk import Desk

LONGEST_KEY = 40
MOST_MADE = 50  # as many changes as a draft remembers
LONGEST_TEXT = 500


class NotUnderstood(ValueError):
    """What the page sent is no change of a mapping."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    One change as the page asks for it, and the revision of the draft that it saw.

    `made` are the keys of what the same page has changed before: a change is made on top of those, whether
    their answers had come by then or not.
    """

    edit: Mapping[str, Any]
    revision: int
    made: Collection[str]
    now: datetime

    @property
    def key(self) -> str:
        """Return what tells the change from the same one, sent again."""
        return str(self.edit.get("key") or "")[:LONGEST_KEY]

    def text(self, name: str) -> str:
        """
        Return a part of the change that has to be a text.

        :raises NotUnderstood: if it is none
        """
        value = self.edit.get(name)
        if not isinstance(value, str) or not value or len(value) > LONGEST_TEXT:
            raise NotUnderstood("Reload the page: what it sent could not be read.")
        return value


@dataclass(frozen=True, slots=True)
class Done:
    """The step after a change and what to say of it, or why the change was not made."""

    desk: Desk
    said: str = ""
    refusal: Fit | None = None
    elsewhere: bool = False  # the step stands elsewhere now, and reads from other roots


def make(desk: Desk, sent: Mapping[str, Any], *, now: datetime) -> Done:
    """
    Make the change that the page `sent`: join, line, accept, remove, restore, each, undo
    or redo.

    :raises NotUnderstood: if it is none of these
    :raises designer.Conflict: if somebody changed the same line meanwhile, or there is nothing to take back
    :raises designer.Refused: if the draft cannot take it
    """
    edit, revision = sent.get("edit"), sent.get("revision")
    if not isinstance(edit, Mapping) or type(revision) is not int:
        raise NotUnderstood("Reload the page: what it sent could not be read.")
    what = _DOES.get(str(edit.get("do")))
    if what is None:
        raise NotUnderstood("Reload the page: it asked for something that does not exist.")
    return what(desk, Wanted(edit, revision, _keys(sent.get("made")), now))


def _keys(given: Any) -> frozenset[str]:
    keys = given[-MOST_MADE:] if isinstance(given, list) else []
    return frozenset(key for key in keys if isinstance(key, str) and 0 < len(key) <= LONGEST_KEY)


def _join(desk: Desk, wanted: Wanted) -> Done:
    """Fill a field from a path; with `mend`, with the chip that makes it fit."""
    path, field = wanted.text("source"), wanted.text("field")
    sides = mapper_desk.known_sides(desk, now=wanted.now)
    source = next((one for one in sides.sources if one.path == path), SrcField(path))
    chips, found = _chips(source, sides, field, mend=bool(wanted.edit.get("mend")))
    if found is not None:
        return Done(desk, refusal=found)
    before = _line(desk, field)
    line = {"field": field, "from": [path], **({"chips": [*chips]} if chips else {})}
    if before.get("empty"):
        line["empty"] = before["empty"]
    with_chips = " with a change" if chips else ""
    return _set(desk, line, wanted, f"Mapped {path} to {field}{with_chips}")


def _chips(
    source: SrcField, sides: mapper_desk.Sides, field: str, *, mend: bool
) -> tuple[Sequence[Mapping[str, Any]], Fit | None]:
    """Return the chips that the new line needs, or why it cannot be."""
    target = sides.by_name.get(field.lower()) or _through(sides, field)
    if target is None:
        return (), None
    found = fit(source, target, known={one.path for one in sides.sources})
    if found.fits:
        return (), None
    if mend and found.fix is not None:
        return found.fix.chips, None
    return (), found


def _through(sides: mapper_desk.Sides, field: str) -> SObjField | None:
    """Return what a look-up by an external id takes: any text."""
    reference = sides.by_name.get(written_field(field).lower()) if "." in field else None
    return None if reference is None else replace(reference, type="string", references=())


def _set_line(desk: Desk, wanted: Wanted) -> Done:
    line = wanted.edit.get("line")
    if not isinstance(line, Mapping):
        raise NotUnderstood("Reload the page: what it sent is no mapping line.")
    return _set(desk, dict(line), wanted, f"Saved {line.get('field', '')}")


def _accept(desk: Desk, wanted: Wanted) -> Done:
    """Make lines of suggestions together, and remember that each was accepted."""
    offers = wanted.edit.get("offers")
    if not isinstance(offers, list) or not all(map(_is_offer, offers)):
        raise NotUnderstood("Reload the page: what it sent are no suggestions.")
    try:
        draft = accepting.accept(
            draft=desk.draft,
            step=desk.step,
            offers=[accepting.Offer(one["path"], one["line"]) for one in offers],
            revision=wanted.revision,
            actor=desk.actor,
            now=wanted.now,
            key=wanted.key,
            made=wanted.made,
        )
    except (edits.InvalidEdit, suggesting.NotALine, suggesting.NoSuchStep) as refusal:
        raise NotUnderstood(str(refusal)) from None
    count = len(offers)
    return Done(replace(desk, draft=draft), f"Accepted {count} suggestion{'' if count == 1 else 's'}")


def _is_offer(told: Any) -> bool:
    return (
        isinstance(told, Mapping)
        and isinstance(told.get("path"), str)
        and isinstance(told.get("line"), Mapping)
    )


def _restore(desk: Desk, wanted: Wanted) -> Done:
    """Fill a field as a version did."""
    field, number = wanted.text("field"), wanted.edit.get("version")
    lines = mapper_versions.lines_of(desk, number) if type(number) is int else None
    if not lines or field not in lines:
        raise NotUnderstood("Reload the page: that version does not fill this field.")
    return _set(desk, lines[field], wanted, f"{field} is filled as in version {number} again")


def _each(desk: Desk, wanted: Wanted) -> Done:
    """Let the step, and those that save its record, be done for each item of a list."""
    path = wanted.text("list")
    with transaction.atomic():
        # An id for the for-each is free only as long as nobody else adds a step.
        draft = Draft.objects.locked(desk.flow)
        changes = looping.edits_for(draft.document, desk.step, path, draft.step_ids)
        done = _apply_all(desk, changes, wanted, "The step is done for each item now")
    return replace(done, elsewhere=True)


def _remove(desk: Desk, wanted: Wanted) -> Done:
    field = wanted.text("field")
    change = {"edit": "remove_line", "step": desk.step, "field": field}
    try:
        return _apply(desk, change, wanted, f"Removed the mapping of {field}")
    except designer.Conflict:
        if _line(desk, field):
            raise
        raise Refused(f"{field} has no mapping any more.") from None  # there is nothing to decide


def _undo(desk: Desk, wanted: Wanted) -> Done:
    label = designer.undoable(desk.draft, desk.actor)
    with _final():
        draft = designer.undo(desk.draft, actor=desk.actor, now=wanted.now, key=wanted.key)
    return Done(replace(desk, draft=draft), f"Taken back: {label}")


def _redo(desk: Desk, wanted: Wanted) -> Done:
    label = designer.redoable(desk.draft, desk.actor)
    with _final():
        draft = designer.redo(desk.draft, actor=desk.actor, now=wanted.now, key=wanted.key)
    return Done(replace(desk, draft=draft), f"Made again: {label}")


@contextmanager
def _final() -> Iterator[None]:
    """
    Refuse for good what somebody else is in the way of: taking back passes over nobody, however often asked.

    :raises designer.NothingToTurn: if there is nothing to take back
    :raises designer.Refused: if somebody is in the way
    """
    try:
        yield
    except designer.NothingToTurn:
        raise
    except designer.Conflict as conflict:
        raise Refused(str(conflict)) from None


_DOES: dict[str, Callable[[Desk, Wanted], Done]] = {
    "join": _join,
    "line": _set_line,
    "accept": _accept,
    "remove": _remove,
    "restore": _restore,
    "each": _each,
    "undo": _undo,
    "redo": _redo,
}


def _set(desk: Desk, line: dict[str, Any], wanted: Wanted, said: str) -> Done:
    return _apply(desk, {"edit": "set_line", "step": desk.step, "line": line}, wanted, said)


def _apply(desk: Desk, change: dict[str, Any], wanted: Wanted, said: str) -> Done:
    return _apply_all(desk, [change], wanted, said)


def _apply_all(desk: Desk, changes: Sequence[dict[str, Any]], wanted: Wanted, said: str) -> Done:
    try:
        read = edits.read([*changes])
    except edits.InvalidEdit as refusal:
        raise NotUnderstood(str(refusal)) from None
    draft = designer.apply(
        desk.draft,
        read,
        revision=wanted.revision,
        actor=desk.actor,
        now=wanted.now,
        key=wanted.key,
        made=wanted.made,
    )
    return Done(replace(desk, draft=draft), said)


def _line(desk: Desk, field: str) -> Mapping[str, Any]:
    return next((line.raw for line in desk.lines() if line.field == field), {})
