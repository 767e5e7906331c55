"""
This module follows what flows want through the package: what goes with it, and what it leads to.

An object comes with its key and its masters, a look-up with the object that it leads to, a Flow with what it
reads and writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from connectors.salesforce.package import source
from connectors.salesforce.package.source import PackagedField, PackagedObject
from connectors.salesforce.package.wanted import Flows, Wanted

CLOSED_WON = "Opportunity_Closed_Won__e"
WON_FLOW, RUNNER, DUNNING = "Opportunity_Closed_Won", "Stripe_Effect_Runner", "Stripe_Dunning"

_CUSTOM = re.compile(r"\b[A-Za-z]\w*__c\b")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is needed: by which flows, and what stands between if they do not name it themselves."""

    flows: Flows
    told: str = ""

    def and_also(self, other: Reason) -> Reason:
        """Return both reasons in one; what a flow names itself needs no explanation."""
        flows = tuple(dict.fromkeys((*self.flows, *other.flows)))
        return Reason(flows, self.told if self.told and other.told else "")


@dataclass(slots=True)
class Needs:
    """Everything that is needed, with its reason. Names are those of the package where it has them."""

    objects: dict[str, Reason] = field(default_factory=dict)
    fields: dict[tuple[str, str], Reason] = field(default_factory=dict)
    flows: dict[str, Reason] = field(default_factory=dict)  # Flows of Salesforce

    def add_object(self, name: str, reason: Reason) -> None:
        """Add an object with what each of its records has."""
        thing = packaged(name)
        name = thing.name if thing else name
        known = self.objects.get(name)
        self.objects[name] = known.and_also(reason) if known else reason
        if known is not None or thing is None or not thing.custom:
            return
        for each in thing.fields:
            if thing.event or each.key or each.type == "MasterDetail":
                self.add_field(name, each.name, Reason(reason.flows, f"Every {name} has it."))

    def add_field(self, object_: str, name: str, reason: Reason) -> None:
        """Add a field, or the look-up that a dotted name goes through with the field at its end."""
        relation, dot, end = name.partition(".")
        if dot and not relation.endswith("__r"):
            return  # a relation of the org's own, which every org has
        thing = packaged(object_)
        own = packaged_field(thing, f"{relation[:-1]}c" if dot else name)
        name = own.name if own else name
        if own is None and dot:
            return
        place = (thing.name if thing else object_, name)
        known = self.fields.get(place)
        self.fields[place] = known.and_also(reason) if known else reason
        target = packaged(own.refers_to) if own else None
        if target is not None and target.custom and (known is None or dot):
            self.add_object(target.name, Reason(reason.flows, f"{place[0]}.{name} leads to it."))
            if dot:
                self.add_field(target.name, end, Reason(reason.flows, f"{place[0]}.{name} is found by it."))

    def add_flow(self, name: str, reason: Reason) -> None:
        """Add a Flow with what it reads and writes."""
        known = self.flows.get(name)
        self.flows[name] = known.and_also(reason) if known else reason
        through = Reason(reason.flows, f"The Flow {name} uses it.")
        for object_, names in _used_by(name):
            self.add_object(object_, through)
            for each in names:
                self.add_field(object_, each, through)


def needs_of(wanted: Wanted) -> Needs:
    """Return what flows need: what they name, and what comes with it."""
    needs = Needs()
    for name, flows in (
        *wanted.objects.items(),
        *wanted.written.items(),
        *wanted.captured.items(),
        *wanted.heard.items(),
        *wanted.published.items(),
    ):
        needs.add_object(name, Reason(flows))
    for (object_, name), flows in wanted.fields.items():
        needs.add_field(object_, name, Reason(flows))
    if CLOSED_WON in wanted.heard:
        needs.add_flow(WON_FLOW, Reason(wanted.heard[CLOSED_WON], f"It publishes {CLOSED_WON}."))
    if wanted.effects:
        needs.add_flow(RUNNER, Reason(wanted.effects, "It acts on the records that stand for effects."))
        needs.add_flow(DUNNING, Reason(wanted.effects, f"The Flow {RUNNER} starts it."))
    return needs


def packaged(name: str) -> PackagedObject | None:
    """Return the object of the package that is called so, whatever the case, or None."""
    return next((thing for thing in source.objects() if thing.name.lower() == name.lower()), None)


def packaged_field(thing: PackagedObject | None, name: str) -> PackagedField | None:
    """Return the field of an object of the package that is called so, whatever the case, or None."""
    fields = thing.fields if thing else ()
    return next((field for field in fields if field.name.lower() == name.lower()), None)


def _used_by(flow: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the objects that a Flow of the package names, each with those of its fields that stand in it."""
    root = source.flow(flow)
    words = {word for element in root.iter() for word in _CUSTOM.findall(element.text or "")}
    for name in sorted({element.text or "" for element in root.iter(source.tag("object"))}):
        thing = packaged(name)
        if thing is not None:
            yield name, [field.name for field in thing.fields if field.name in words]
