"""
This module chooses of the package what flows need and an org lacks.

Nothing that is there is chosen, whether it is as it should be or not: what is different is only told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from connectors.base import Result
from connectors.salesforce.package import comparing, needs, source
from connectors.salesforce.package.needs import Needs, Reason
from connectors.salesforce.package.rights import SET, Rights, rights_of
from connectors.salesforce.package.wanted import Flows, Wanted, entity_of
from integrator.kernel import errors

OBJECT, FIELD, FLOW, MEMBER = "CustomObject", "CustomField", "Flow", "PlatformEventChannelMember"
PERMISSIONS = "PermissionSet"
CHANNEL = "ChangeEvents"

_METADATA = {described: name for name, described in source.DESCRIBED_AS.items()}
_NOT_OURS = "The package does not have it. Make it in Setup, or give the integration user access to it."
_LOOK = "The org does not tell this user whether it is there, so it is left out."


class State(StrEnum):
    """How the org stands to a component."""

    NEW = "new"  # it lacks it, and the package brings it
    THERE = "there"
    DIFFERENT = "different"  # something else goes by its name, which stays as it is
    ELSEWHERE = "elsewhere"  # it lacks it, and the package cannot bring it
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Component:
    """One thing that flows need of the org."""

    kind: str  # as the Metadata API calls it
    name: str
    state: State
    flows: Flows
    told: str = ""
    about: str = ""  # of a field, its name as describe has it; of a member, the entity that it selects

    @property
    def key(self) -> str:
        """Return its name among all kinds."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class Found:
    """What an org has, as far as it told; None where it did not."""

    descriptions: Mapping[str, Result] = field(default_factory=dict)
    entities: Collection[str] | None = None  # selected for Change Data Capture
    flows: Mapping[str, bool] | None = None  # Flows by name, and whether each is active
    rights: Rights | None = None  # that the permission set of the flows gives so far


@dataclass(frozen=True, slots=True)
class Choice:
    """What flows need of an org, and how the org stands to each of it."""

    components: tuple[Component, ...]
    rights: Rights  # of the permission set, those that it has already included

    def new(self, kind: str = "") -> list[str]:
        """Return the names of what the package brings, of one kind or of all."""
        return [one.name for one in self.components if one.state is State.NEW and kind in ("", one.kind)]

    def those(self, *states: State) -> list[Component]:
        """Return the components that stand so."""
        return [one for one in self.components if one.state in states]


def choose(wanted: Wanted, found: Found, *, there: Collection[str] = ()) -> Choice:
    """
    Return what flows need, and what of it is to be deployed.

    `there` are keys of components that the org has although whoever looked did not see them.
    """
    chooser = _Chooser(needs.needs_of(wanted), found, there)
    components = [*chooser.objects(), *chooser.fields(), *chooser.flows(), *chooser.members(wanted.captured)]
    present = {one.name for one in components if one.kind == OBJECT and _will_be(one)}
    usable = {one.about for one in components if one.kind == FIELD and _will_be(one)}
    granted = rights_of(wanted, chooser.needs, present, usable, chooser.described)
    rights = granted.together(found.rights or Rights())
    if granted.objects or granted.fields:
        components.append(_permission_set(wanted, rights, found.rights))
    return Choice(tuple(components), rights)


def member_name(entity: str) -> str:
    """Return the name of the channel's member that selects an entity; no name has two underscores."""
    return f"{CHANNEL}_{entity.replace('__', '_')}"


def _will_be(one: Component) -> bool:
    return one.state in (State.NEW, State.THERE, State.DIFFERENT)


def _permission_set(wanted: Wanted, rights: Rights, present: Rights | None) -> Component:
    if present is None:
        told = "Deploying it takes out what somebody has added to it by hand: the org does not show it."
        return Component(PERMISSIONS, SET, State.NEW, wanted.flows, told)
    more = rights.count - present.count
    if not more:
        return Component(PERMISSIONS, SET, State.THERE, wanted.flows)
    said = f"{more} right{'' if more == 1 else 's'} more than it gives now." if present.count else ""
    return Component(PERMISSIONS, SET, State.NEW, wanted.flows, said)


class _Chooser:
    """Compares what is needed with what was found."""

    def __init__(self, wanted: Needs, found: Found, there: Collection[str]) -> None:
        self.needs = wanted
        self._found = found
        self._there = there
        self._states: dict[str, State] = {}
        self.described: dict[str, dict[str, Mapping[str, Any]]] = {}
        for name, told in found.descriptions.items():
            if not isinstance(told, errors.IntegrationError):
                fields = told.get("fields") or ()
                self.described[name] = {str(each.get("name")).lower(): each for each in fields}

    def _component(
        self, kind: str, name: str, reason: Reason, stands: tuple[State, str], *, about: str = ""
    ) -> Component:
        if f"{kind}:{name}" in self._there:
            told = "It is there, hidden from the user who looked, and stays as it is."
            return Component(kind, name, State.THERE, reason.flows, told, about)
        state, told = stands
        why = " ".join(part for part in (reason.told, told) if part)
        return Component(kind, name, state, reason.flows, why, about)

    def objects(self) -> Iterator[Component]:
        """Yield every object."""
        for name, reason in sorted(self.needs.objects.items()):
            made = self._component(OBJECT, name, reason, self._object(name))
            self._states[name] = made.state
            yield made

    def _object(self, name: str) -> tuple[State, str]:
        told, thing = self._found.descriptions.get(name), needs.packaged(name)
        if isinstance(told, errors.Missing | errors.Forbidden):
            if thing is not None and thing.custom:
                return State.NEW, ""
            switch = "Enable orders in Setup, or give" if name == "Order" else "Give"
            return State.ELSEWHERE, _NOT_OURS if thing is None else (
                f"{switch} the integration user access to it."
            )
        if told is None or isinstance(told, errors.IntegrationError):
            return State.UNKNOWN, str(told or "Nobody looked.")
        return State.THERE, ""

    def fields(self) -> Iterator[Component]:
        """Yield every field."""
        for (object_, name), reason in sorted(self.needs.fields.items()):
            if self._states.get(object_) is State.NEW and not name.endswith("__c"):
                continue  # such as Name: it comes with the object
            stands, full_name = self._field(object_, name), f"{_METADATA.get(object_, object_)}.{name}"
            yield self._component(FIELD, full_name, reason, stands, about=f"{object_}.{name}")

    def _field(self, object_: str, name: str) -> tuple[State, str]:
        own = needs.packaged_field(needs.packaged(object_), name)
        state = self._states.get(object_, State.UNKNOWN)
        if state is State.UNKNOWN:
            return state, "Its object could not be looked at."
        told = self.described.get(object_, {}).get(name.lower())
        if told is None:
            return (State.NEW, "") if own and state is not State.ELSEWHERE else (State.ELSEWHERE, _NOT_OURS)
        faults = list(comparing.differences(own, told)) if own else []
        return (State.DIFFERENT, " ".join(faults)) if faults else (State.THERE, "")

    def flows(self) -> Iterator[Component]:
        """Yield every Flow of the package that is needed."""
        for name, reason in sorted(self.needs.flows.items()):
            yield self._component(FLOW, name, reason, self._flow(name))

    def _flow(self, name: str) -> tuple[State, str]:
        known = self._found.flows
        if known is None:
            return State.UNKNOWN, f"{_LOOK} Look in Setup, Flows."
        if name not in known:
            return State.NEW, ""
        if known[name]:
            return State.THERE, ""
        return State.DIFFERENT, "It is there and switched off: activate it in Setup, Flows."

    def members(self, captured: Mapping[str, Flows]) -> Iterator[Component]:
        """Yield what selects objects for Change Data Capture."""
        for name, flows in sorted(captured.items()):
            entity, known = entity_of(name), self._found.entities
            if known is None:
                stands = (State.UNKNOWN, f"{_LOOK} Look in Setup, Change Data Capture.")
            else:
                stands = (State.THERE if entity in known else State.NEW, f"It tells of changes of {name}.")
            yield self._component(MEMBER, member_name(entity), Reason(flows), stands, about=entity)
