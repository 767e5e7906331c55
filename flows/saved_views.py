"""This module keeps what people narrow the lists of runs and events to, under names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from flows.models import FirstView, SavedView
from flows.narrowing import Filters
from integrator.accounts import audit
from integrator.accounts.access import Scope, roles_in
from integrator.accounts.models import User, Workspace
from integrator.accounts.roles import Role
from integrator.kernel.refusals import Unacceptable

MOST = 100  # of one person, or of all programs


class NotYours(Exception):
    """A view is changed by who saved it; a shared one by an administrator as well."""


class Refused(Unacceptable):
    """It cannot be kept like this; `field` is at fault."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who saves, opens or changes views: a person, or a program, whose views everybody sees."""

    workspace: Workspace
    actor: str
    person: User | None
    is_administrator: bool  # of the whole workspace, as the views are the whole workspace's

    @classmethod
    def of(cls, scope: Scope) -> Who:
        """Return who is behind a request."""
        person = next((one.user for one in scope.held if one.user_id is not None), None)
        return cls(scope.workspace, scope.actor, person, Role.ADMIN.value in roles_in(scope.held, None))

    def may_change(self, view: SavedView) -> bool:
        """Tell whether `view` is theirs to change."""
        if view.person_id == (self.person.pk if self.person else None):
            return True
        return view.shared and self.is_administrator


def seen(who: Who, list_: str) -> Sequence[SavedView]:
    """Return the views of a list that `who` may open, their own first."""
    found = SavedView.objects.seen_by(who.person).filter(workspace=who.workspace, list=list_)
    mine = who.person.pk if who.person else None
    return sorted(found, key=lambda view: (view.person_id != mine, view.name.casefold(), view.pk))


def first(who: Who, list_: str) -> SavedView | None:
    """Return the view with which a list opens for `who`, if they have chosen one that they may still see."""
    if who.person is None:
        return None
    chosen = FirstView.objects.filter(workspace=who.workspace, person=who.person, list=list_)
    chosen_view = chosen.select_related("view").first()
    view = chosen_view.view if chosen_view is not None else None
    return view if view is not None and (view.shared or view.person_id == who.person.pk) else None


def save(
    *, who: Who, list_: str, name: str, query: Mapping[str, Any], shared: bool, now: datetime
) -> SavedView:
    """
    Keep what a list is narrowed to under `name`.

    :raises Refused: if there is one of that name, nothing is narrowed, or a program's would be seen by nobody
    """
    wanted = _query(query)
    with transaction.atomic():
        # One at a time in a workspace, so that of two with one name the second is told.
        Workspace.objects.select_for_update().get(pk=who.workspace.pk)
        mine = _of(who.workspace, who.person, list_)
        if mine.count() >= MOST:
            raise Refused(f"There are {MOST} views already. Delete one first.", field="name")
        _check(mine, name, shared=shared, person=who.person)
        view = SavedView.objects.create(
            workspace=who.workspace, person=who.person, made_by=who.actor, list=list_, name=name.strip(),
            query=wanted, shared=shared, changed_at=now,
        )  # fmt: skip
        _audit("view.saved", view, who, now)
    return view


def change(
    *,
    who: Who,
    view: SavedView,
    now: datetime,
    name: str | None = None,
    query: Mapping[str, Any] | None = None,
    shared: bool | None = None,
) -> SavedView:
    """
    Give a view another name, other filters, or show it to others or not any more.

    :raises NotYours: if somebody else saved it
    :raises Refused: as `save` does
    """
    _check_yours(who, view)
    wanted = dict(view.query) if query is None else _query(query)
    with transaction.atomic():
        Workspace.objects.select_for_update().get(pk=who.workspace.pk)
        locked = SavedView.objects.select_for_update(of=("self",)).filter(pk=view.pk).first()
        if locked is None:
            raise Refused("Somebody has just deleted this view.", field="name")
        called = locked.name if name is None else name
        open_ = locked.shared if shared is None else shared
        others = _of(who.workspace, locked.person, locked.list).exclude(pk=locked.pk)
        _check(others, called, shared=open_, person=locked.person)
        locked.change(name=called.strip(), query=wanted, shared=open_, now=now)
        if not open_:  # nobody else sees it any more
            FirstView.objects.filter(view=locked).exclude(person=locked.person_id).delete()
        _audit("view.changed", locked, who, now)
    return locked


def delete(*, who: Who, view: SavedView, now: datetime) -> None:
    """
    Forget a view, also where somebody's list opens with it.

    :raises NotYours: if somebody else saved it
    """
    _check_yours(who, view)
    with transaction.atomic():
        _audit("view.deleted", view, who, now)
        view.delete()


def open_with(*, who: Who, list_: str, view: SavedView | None, now: datetime) -> None:
    """
    Let a list open with `view` for this person, or with everything.

    :raises NotYours: if a program asks, for which no list opens
    """
    if who.person is None:
        raise NotYours("A list opens with a view for a person, not for a program.")
    mine: dict[str, Any] = {"workspace": who.workspace, "person": who.person, "list": list_}
    with transaction.atomic():
        if view is None:
            FirstView.objects.filter(**mine).delete()
        else:
            FirstView.objects.update_or_create(**mine, defaults={"view": view})
        target = view.name if view is not None else f"every one of the {list_}"
        audit.record(
            workspace=who.workspace, actor=who.actor, action="view.opened_first", target=target,
            details={"list": list_}, now=now,
        )  # fmt: skip


def _query(query: Mapping[str, Any]) -> dict[str, str]:
    found = Filters.read(query).as_query()
    if not found:
        raise Refused("Narrow the list first: a view without filters is the whole list.", field="query")
    return found


def _of(workspace: Workspace, person: User | None, list_: str) -> Any:
    return SavedView.objects.filter(workspace=workspace, person=person, list=list_)


def _check(others: Any, name: str, *, shared: bool, person: User | None) -> None:
    if not name.strip() or len(name.strip()) > 60:
        raise Refused("Give it a name of at most 60 characters.", field="name")
    if others.filter(name__iexact=name.strip()).exists():
        raise Refused("You have a view of that name already.", field="name")
    if person is None and not shared:
        raise Refused("What a program saves is seen by nobody unless it is shared.", field="shared")


def _check_yours(who: Who, view: SavedView) -> None:
    if not who.may_change(view):
        raise NotYours("Somebody else saved this view. Save one of your own.")


def _audit(action: str, view: SavedView, who: Who, now: datetime) -> None:
    audit.record(
        workspace=who.workspace,
        actor=who.actor,
        action=action,
        target=view.name,
        details={"list": view.list, "shared": view.shared, "filters": view.query},
        now=now,
    )
