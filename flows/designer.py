"""
This module lets people change a flow: its draft, taking changes back, and publishing it.

Every change names the revision that it was made on. What others changed meanwhile is merged with it where the
two touch different parts, and refused where they touch the same one: nobody's work is overwritten unseen.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from flows import publishing
from flows import taken as sub_flows
from flows.designing import applying, edits, starting, tree
from flows.designing.applying import Result, Workshop
from flows.designing.edits import Edit, Kept
from flows.designing.limits import check_limits, check_value
from flows.designing.tree import Refused
from flows.engine import definition
from flows.engine.definition import InvalidDocument, Problem
from flows.integrations import Taken
from flows.models import Draft, DraftEdit, Flow, FlowVersion, Integration
from flows.models.drafts import MOST_EDITS
from flows.steps import registry
from integrator.accounts import audit

# Without a change; the trail tells of a sitting, the draft of each edit.
TOLD_AGAIN_AFTER = timedelta(hours=1)


class Conflict(Exception):
    """Somebody else changed the same part meanwhile. `edits` are their changes, the newest first."""

    def __init__(self, message: str, edits: Sequence[DraftEdit] = ()) -> None:
        super().__init__(message)
        self.edits = list(edits)


class NothingToTurn(Conflict):
    """There is no change to take back, or none to make again."""


class SaidAlready(Conflict):
    """A version of the flow does the same already."""


def create_flow(*, integration: Integration, name: str, actor: str, now: datetime, starts: str = "") -> Draft:
    """
    Make a flow without versions and return its empty draft, with a trigger of the kind `starts`.

    :raises Taken: if the integration has a flow with that address
    :raises ValueError: if `name` gives no address
    """
    slug = slugify(name)[:80]
    if not slug:
        raise ValueError("Give it a name with letters or digits in it.")
    with transaction.atomic():
        flow, is_new = Flow.objects.get_or_create(
            integration=integration, slug=slug, defaults={"name": name[:100]}
        )
        if not is_new:
            raise Taken(f"{integration} has a flow {slug!r} already.")
        audit.record(
            workspace=integration.workspace, actor=actor, action="flow.created", target=flow.name, now=now
        )
        return _start(flow, None, actor, now, starts=starts)


def open_draft(flow: Flow, *, actor: str, now: datetime) -> Draft:
    """
    Return the draft of `flow`; one that is not there yet starts from the newest version, or empty.

    A draft in which nothing was changed goes along with newer versions.
    """
    newest = flow.versions.order_by("-number").first()
    draft = Draft.objects.select_related("flow", "base_version").filter(flow=flow).first()
    if draft is None:
        try:
            with transaction.atomic():
                return _start(flow, newest, actor, now)
        except IntegrityError:  # another request has just opened it
            return Draft.objects.select_related("flow", "base_version").get(flow=flow)
    if newest is None or draft.base_version_id == newest.pk or draft.is_changed:
        return draft
    with transaction.atomic():
        draft = Draft.objects.locked(flow)
        if not draft.is_changed:
            draft.rest_on(newest)
            known = [*draft.step_ids, *tree.ids(newest.document["steps"])]
            draft.become(newest.document, step_ids=sorted(set(known)), actor=actor, now=now)
            draft.forget_all_but(0)
    return draft


def _start(flow: Flow, newest: FlowVersion | None, actor: str, now: datetime, *, starts: str = "") -> Draft:
    known = {
        step
        for document in flow.versions.values_list("document", flat=True)
        for step in tree.ids(document["steps"])
    }
    return Draft.objects.create(
        flow=flow,
        document=newest.document if newest else _empty(flow, starts),
        base_version=newest,
        step_ids=sorted(known),
        changed_by=actor[:254],
        changed_at=now,
    )


def _empty(flow: Flow, starts: str = "") -> dict[str, Any]:
    return {"format": 1, "name": flow.name, "trigger": starting.begun(starts, {}), "steps": []}


def apply(
    draft: Draft,
    edits: Sequence[Edit],
    *,
    revision: int,
    actor: str,
    now: datetime,
    key: str = "",
    made: Collection[str] = (),
) -> Draft:
    """
    Make `edits`, all or none, on a draft that the caller saw at `revision`, and return it as it is then.

    They are one change to take back. A `key` makes the request harmless to repeat: the second time it
    changes nothing. `made` are keys of the caller's changes after `revision`, which are in nobody's way.

    :raises Conflict: if somebody changed the same part after `revision`
    :raises Refused: if an edit does not fit
    """
    check_value(key)
    with transaction.atomic():
        locked = Draft.objects.locked(draft.flow)
        if key and locked.edits.filter(key=key).exists():
            return locked
        result, taken = _result(locked, edits, revision, made)
        locked.edits.filter(actor=actor, state=DraftEdit.State.UNDONE).update(state=DraftEdit.State.GONE)
        _keep(locked, result, taken, actor=actor, now=now, key=key)
    return locked


def _result(
    draft: Draft, edits: Sequence[Kept], revision: int, made: Collection[str]
) -> tuple[Result, set[str]]:
    taken = set(draft.step_ids) | set(tree.ids(draft.document["steps"]))
    try:
        result = _made(draft, edits, Workshop(registry.load(), taken))
    except Refused as refusal:
        # What is not there any more was taken away by somebody, if the caller has not seen all changes.
        if since := _since(draft, revision, made):
            raise Conflict(f"{refusal} {_told(since)}", since) from None
        raise
    since = [edit for edit in _since(draft, revision, made) if applying.overlap(result.parts, edit.parts)]
    if since:
        raise Conflict(_told(since), since)
    return result, taken


def _made(draft: Draft, edits: Sequence[Kept], workshop: Workshop) -> Result:
    """Do as `applying.make`, and let the steps that take a sub-flow have its steps."""
    result = applying.make(draft.document, edits, workshop)
    result.document = sub_flows.filled(result.document, draft.flow, before=draft.document)
    check_limits(result.document)
    return result


def _since(draft: Draft, revision: int, made: Collection[str] = ()) -> list[DraftEdit]:
    """
    Return what was changed after `revision`, but for what requests with the keys `made` did.

    :raises Conflict: if that is not known any more
    """
    if revision == draft.revision:
        return []
    later = (edit for edit in draft.edits.told() if edit.newest > revision)
    found = [edit for edit in later if edit.last_key not in made]
    if revision > draft.revision or revision < draft.known_since:
        raise Conflict("The flow was changed a lot since you looked at it. Look at it as it is now.", found)
    return found


def _told(since: Sequence[DraftEdit]) -> str:
    newest = since[0]
    return f"{newest.actor} changed this meanwhile ({newest.label}, {newest.at:%H:%M} UTC)."


def _keep(
    draft: Draft, result: Result, taken: Iterable[str], *, actor: str, now: datetime, key: str = ""
) -> DraftEdit:
    _tell(draft, actor, now)
    draft.become(result.document, step_ids=sorted(taken), actor=actor, now=now)
    made = draft.edits.create(
        revision=draft.revision,
        actor=actor[:254],
        at=now,
        label=result.label,
        key=key,
        focus=result.focus[:60],
        parts=result.parts,
        forth=edits.plain(result.forth),
        back=edits.plain(result.back),
    )
    draft.forget_all_but(MOST_EDITS)
    return made


def _tell(draft: Draft, actor: str, now: datetime) -> None:
    last = draft.edits.filter(actor=actor).order_by("-revision").values_list("at", flat=True).first()
    if last is None or last + TOLD_AGAIN_AFTER <= now:
        _record(draft, "flow.edited", actor, now)


def _record(draft: Draft, action: str, actor: str, now: datetime, **details: Any) -> None:
    workspace = draft.flow.integration.workspace
    audit.record(
        workspace=workspace, actor=actor, action=action, target=str(draft.flow), details=details, now=now
    )


# Taking back


def undo(draft: Draft, *, actor: str, now: datetime, key: str = "") -> Draft:
    """
    Take back the last change that `actor` made and has not taken back; a `key` is as for `apply`.

    :raises NothingToTurn: if there is none
    :raises Conflict: if somebody else changed the same part since
    """
    return _turned(draft, DraftEdit.State.UNDONE, actor, now, key)


def redo(draft: Draft, *, actor: str, now: datetime, key: str = "") -> Draft:
    """
    Make the change again that `actor` took back last; a `key` is as for `apply`.

    :raises NothingToTurn: if there is none
    :raises Conflict: if somebody else changed the same part since
    """
    return _turned(draft, DraftEdit.State.DONE, actor, now, key)


def _turned(draft: Draft, to: DraftEdit.State, actor: str, now: datetime, key: str) -> Draft:
    check_value(key)
    find, way = (undoable, "take back") if to == DraftEdit.State.UNDONE else (redoable, "make again")
    with transaction.atomic():
        locked = Draft.objects.locked(draft.flow)
        if _was_turned(locked, key):
            return locked
        edit = find(locked, actor)
        if edit is None:
            raise NothingToTurn(f"There is no change of yours to {way}.")
        _turn(locked, edit, to, actor, now, key=key)
    return locked


def _was_turned(draft: Draft, key: str) -> bool:
    return bool(key) and draft.edits.filter(turn_key=key).exists()


def undoable(draft: Draft, actor: str) -> DraftEdit | None:
    """Return the change that `undo` takes back."""
    return draft.edits.filter(actor=actor, state=DraftEdit.State.DONE).order_by("-revision").first()


def redoable(draft: Draft, actor: str) -> DraftEdit | None:
    """Return the change that `redo` makes again."""
    return draft.edits.filter(actor=actor, state=DraftEdit.State.UNDONE).order_by("revision").first()


def _turn(draft: Draft, edit: DraftEdit, state: str, actor: str, now: datetime, *, key: str) -> None:
    _nobody_in_the_way(draft, edit, edit.parts, actor)
    back = state == DraftEdit.State.UNDONE
    taken = set(draft.step_ids)
    workshop = Workshop(registry.load(), taken, lenient=True)
    try:
        result = _made(draft, edits.kept(edit.back if back else edit.forth), workshop)
    except Refused as refusal:
        raise Conflict(
            f"{edit.label} cannot be {'taken back' if back else 'made again'}: {refusal}"
        ) from None
    # It may touch more than it did the first time: a step goes with what others put behind it since.
    _nobody_in_the_way(draft, edit, result.parts, actor)
    draft.become(result.document, step_ids=sorted(taken), actor=actor, now=now)
    made, reverse = edits.plain(result.forth), edits.plain(result.back)
    edit.turn(
        state,
        revision=draft.revision,
        key=key,
        parts=sorted({*edit.parts, *result.parts}),
        back=made if back else reverse,
        forth=reverse if back else made,
    )


def _nobody_in_the_way(draft: Draft, edit: DraftEdit, parts: Sequence[str], actor: str) -> None:
    """
    Refuse to turn `edit` where others changed one of `parts` after it.

    :raises Conflict: if they did
    """
    others = [
        other
        for other in draft.edits.told().exclude(actor=actor).exclude(state=DraftEdit.State.GONE)
        if other.newest > edit.newest and applying.overlap(parts, other.parts)
    ]
    if others:
        raise Conflict(_told(others), others)


def discard(draft: Draft, *, revision: int, actor: str, now: datetime, key: str = "") -> Draft:
    """
    Let the draft say again what the newest version says, or nothing; even that can be taken back.

    A `key` is as for `apply`.

    :raises Conflict: if somebody changed it after `revision`
    """
    check_value(key)
    with transaction.atomic():
        locked = Draft.objects.locked(draft.flow)
        if key and locked.edits.filter(key=key).exists():
            return locked
        must_be_seen(locked, revision)
        newest = locked.flow.versions.order_by("-number").first()
        document = newest.document if newest else _empty(locked.flow)
        whole = edits.Replace(edit="replace", document=document)
        taken = {*locked.step_ids, *tree.ids(document["steps"])}
        result = applying.make(locked.document, [whole], Workshop(registry.load(), taken))
        result.labels = ["Discarded the changes"]
        _record(locked, "flow.draft_discarded", actor, now)
        _keep(locked, result, taken, actor=actor, now=now, key=key)
        if newest is not None:
            locked.rest_on(newest)
    return locked


# Publishing


def must_be_seen(draft: Draft, revision: int) -> None:
    """
    Refuse to go on from a `revision` that is not the draft's.

    :raises Conflict: with what was changed since
    """
    if revision != draft.revision:
        since = _since(draft, revision)
        raise Conflict(f"{_told(since)} Look at it before you go on.", since)


def problems(draft: Draft) -> list[Problem]:
    """Return everything that keeps the draft from being published, each thing by its step."""
    return sub_flows.every_problem(draft.document, draft.flow)


def publish_draft(draft: Draft, *, revision: int, note: str, actor: str, now: datetime) -> FlowVersion:
    """
    Freeze the draft as the next version of its flow, which is deployed separately.

    :raises ValueError: without a note
    :raises Conflict: if somebody changed it after `revision`
    :raises SaidAlready: if a version does the same
    :raises InvalidDocument: if it could not be run
    """
    if not note.strip():
        raise ValueError("Say in a note what this version changes.")
    check_value(note)
    with transaction.atomic():
        locked = Draft.objects.locked(draft.flow)
        must_be_seen(locked, revision)
        if found := problems(locked):
            raise InvalidDocument(found)
        flow, document = locked.flow, copy.deepcopy(locked.document)
        _must_be_new(flow, document)
        version = publishing.publish(flow=flow, document=document, note=note.strip(), actor=actor, now=now)
        flow.rename(document["name"])
        locked.rest_on(version)
    return version


def _must_be_new(flow: Flow, document: dict[str, Any]) -> None:
    checked = definition.load(document, kinds=registry.load())
    known = flow.versions.filter(content_hash=definition.content_hash(checked)).first()
    if known is not None:
        raise SaidAlready(
            f"Version {known.number} does the same already. Titles of steps alone make no new version."
        )
