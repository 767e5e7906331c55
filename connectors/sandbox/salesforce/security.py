"""This module says which objects and fields a user of the org may see and change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connectors.sandbox.salesforce.fields import Field, RecordType, SObject
    from connectors.sandbox.salesforce.oauth import User
    from connectors.sandbox.salesforce.tables import Table

HIDDEN, READ_ONLY, FULL = "hidden", "readonly", "full"
LEVELS = (HIDDEN, READ_ONLY, FULL)
EVERYBODY = ""


@dataclass(frozen=True, slots=True)
class PermissionSet:
    """What an assignment gives: rights on objects (read, create, edit), and levels of fields."""

    name: str
    label: str = ""
    objects: Mapping[str, frozenset[str]] = field(default_factory=dict)
    fields: Mapping[tuple[str, str], str] = field(default_factory=dict)


class Security:
    """
    The rights in the org.

    Everybody may do everything with what was there from the start; what is deployed is seen only through a
    permission set, as in a real org, where a deployed field is invisible until somebody grants it.
    """

    def __init__(self, sets: Iterable[PermissionSet] = ()) -> None:
        self.sets: dict[str, PermissionSet] = {each.name: each for each in sets}
        self.assigned: dict[str, set[str]] = {}  # user name -> names of permission sets
        self._restricted: dict[tuple[str, str, str], str] = {}  # user name, object, field -> level
        self._guarded: set[tuple[str, str]] = set()  # object, field; the object itself by an empty field
        self._views: dict[str, dict[str, Table]] = {}

    def restrict(self, username: str, object_: str, field_: str, level: str) -> None:
        """
        Hide a field from a user or make it read-only; from everybody with an empty name.

        :raises ValueError: if there is no such level
        """
        if level not in LEVELS:
            raise ValueError(f"The level of a field is one of {', '.join(LEVELS)}")
        self._restricted[username, object_, field_] = level
        self.changed()

    def offers(self, user: User | None, object_: str, record_type: RecordType) -> bool:
        """Say whether a user may give records that type; what the org does by itself may."""
        if not record_type.active:
            return False
        if user is None or user.admin:
            return True
        level = self._restricted.get((user.username, object_, record_type.right))
        if level is not None:
            return level == FULL
        key = (object_, record_type.right)
        if key not in self._guarded:
            return record_type.available
        return any(each.fields.get(key) == FULL for each in self._sets_of(user.username))

    def guard(self, object_: str, fields: Iterable[str], *, whole: bool) -> None:
        """Let an object's new fields, or the `whole` of it, be seen through permission sets only."""
        self._guarded |= {(object_, name) for name in fields}
        if whole:
            self._guarded.add((object_, ""))
        self.changed()

    def assign(self, username: str, name: str) -> None:
        """
        Assign a permission set to a user.

        :raises KeyError: if there is no such permission set
        """
        self.assigned.setdefault(username, set()).add(self.sets[name].name)
        self.changed()

    def unassign(self, username: str, name: str) -> None:
        """Take a permission set from a user."""
        self.assigned.get(username, set()).discard(name)
        self.changed()

    def changed(self) -> None:
        """Forget how users see the org, since its schema or somebody's rights have changed."""
        self._views.clear()

    def seen_by(self, user: User, tables: Mapping[str, Table]) -> Mapping[str, Table]:
        """Return the tables as a user sees them."""
        if user.admin or not (self._guarded or self._restricted):
            return tables
        view = self._views.get(user.username)
        if view is None:
            view = {}
            for name, table in tables.items():
                seen = self._seen(user.username, table)
                if seen is not None:
                    view[name] = seen
            self._views[user.username] = view
        return view

    def _seen(self, username: str, table: Table) -> Table | None:
        thing = table.shape.object
        rights = self._rights(username, thing.name)
        if "read" not in rights and not (thing.event and "create" in rights):
            return None
        fields = tuple(
            seen for each in thing.fields if (seen := self._field(username, thing, each)) is not None
        )
        read_only = thing.read_only or not rights & {"create", "edit"}
        if fields == thing.fields and read_only == thing.read_only:
            return table
        return table.seen_as(replace(thing, fields=fields, read_only=read_only))

    def _rights(self, username: str, object_: str) -> frozenset[str]:
        if (object_, "") not in self._guarded:
            return frozenset({"read", "create", "edit"})
        held = [each.objects.get(object_, frozenset()) for each in self._sets_of(username)]
        return frozenset().union(*held)

    def _field(self, username: str, thing: SObject, field_: Field) -> Field | None:
        level = self._level(username, thing.name, field_)
        if level == HIDDEN:
            return None
        return replace(field_, createable=False, updateable=False) if level == READ_ONLY else field_

    def _level(self, username: str, object_: str, field_: Field) -> str:
        for who in (username, EVERYBODY):
            level = self._restricted.get((who, object_, field_.name))
            if level is not None:
                return level
        # A field that records cannot do without has no rights of its own.
        if (object_, field_.name) not in self._guarded or field_.required:
            return FULL
        granted = [each.fields.get((object_, field_.name), HIDDEN) for each in self._sets_of(username)]
        return max(granted, key=LEVELS.index, default=HIDDEN)

    def _sets_of(self, username: str) -> list[PermissionSet]:
        return [self.sets[name] for name in self.assigned.get(username, ()) if name in self.sets]
