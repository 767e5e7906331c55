"""This module reads what starts a flow out of its document, which may be unfinished in any way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flows.engine.trigger import KINDS, OTHER_FLOWS, PLATFORM_EVENTS, RECORD_CHANGES

STRIPE_EVENTS = KINDS[0]

Change = Literal["created", "updated", "deleted", "undeleted"]
CHANGES: tuple[Change, ...] = ("created", "updated", "deleted", "undeleted")
BY_ITSELF: tuple[Change, ...] = ("created", "updated")  # where a document does not say which

# How a trigger is called, by its kind, as the beginning of a sentence that its details end.
LABELS: Mapping[str, str] = {
    STRIPE_EVENTS: "When Stripe sends",
    RECORD_CHANGES: "When a record changes in Salesforce",
    PLATFORM_EVENTS: "When Salesforce publishes",
    OTHER_FLOWS: "When another flow takes it",
}
NOTHING_YET: Mapping[str, str] = {
    STRIPE_EVENTS: "no events yet",
    RECORD_CHANGES: "no object yet",
    PLATFORM_EVENTS: "no platform event yet",
    OTHER_FLOWS: "nothing is given to it",
}


@dataclass(frozen=True, slots=True)
class Start:
    """What starts a flow, as far as it is said."""

    kind: str = STRIPE_EVENTS
    types: tuple[str, ...] = ()  # of events, as the inbox has them
    object: str = ""  # of Salesforce, whose records start it
    event: str = ""  # of Salesforce's bus
    fields: tuple[str, ...] = ()  # an update counts only if one of them changed; none: every update
    changes: tuple[str, ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()  # of a sub-flow: what it takes, each with its type

    @property
    def slot(self) -> str:
        """Return the slot whose connection brings the events."""
        return "salesforce" if self.kind in (RECORD_CHANGES, PLATFORM_EVENTS) else "stripe"

    @property
    def look(self) -> str:
        """Return as what a card of it is drawn."""
        return "logic" if self.is_sub_flow else self.slot

    @property
    def is_sub_flow(self) -> bool:
        """Tell whether other flows take its steps, and nothing else starts it."""
        return self.kind == OTHER_FLOWS

    @property
    def by_salesforce(self) -> bool:
        """Tell whether Salesforce starts it."""
        return self.slot == "salesforce"

    @property
    def label(self) -> str:
        """Return what a card calls it."""
        return LABELS[self.kind]

    @property
    def told(self) -> str:
        """Return in one line what exactly starts it; nothing if that is not said yet."""
        if self.kind == RECORD_CHANGES:
            words = [one for one in CHANGES if one in self.changes]
            how = f"{', '.join(words)}" if words else "no change chosen"
            which = f", of {', '.join(self.fields)}" if self.fields else ""
            return f"{self.object}: {how}{which}" if self.object else ""
        if self.is_sub_flow:
            return f"takes {', '.join(name for name, _ in self.inputs)}" if self.inputs else ""
        return self.event if self.kind == PLATFORM_EVENTS else ", ".join(self.types)

    @property
    def says(self) -> str:
        """Return `told`, or that it is not said yet."""
        return self.told or NOTHING_YET[self.kind]


def of(document: Mapping[str, Any]) -> Start:
    """Return what starts the flow of `document`."""
    trigger = document.get("trigger")
    told: Mapping[str, Any] = trigger if isinstance(trigger, Mapping) else {}
    kind = told.get("kind")
    if kind == RECORD_CHANGES:
        name, changes = _text(told.get("object")), _texts(told.get("changes", list(BY_ITSELF)))
        types = tuple(f"{name}.{one}" for one in changes) if name else ()
        return Start(RECORD_CHANGES, types, name, "", _texts(told.get("fields")), changes)
    if kind == PLATFORM_EVENTS:
        name = _text(told.get("event"))
        return Start(PLATFORM_EVENTS, (name,) if name else (), event=name)
    if kind == OTHER_FLOWS:
        given = [one for one in _list(told.get("inputs")) if isinstance(one, Mapping) and one.get("name")]
        inputs = tuple((_text(one["name"]), _text(one.get("type", "string"))) for one in given)
        return Start(OTHER_FLOWS, inputs=inputs)
    return Start(types=_texts(told.get("types")))


def begun(kind: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trigger of `kind` that nothing is said of yet, in place of the trigger `before`."""
    kept = {name: before[name] for name in ("effects_within_hours",) if name in before}
    if kind == RECORD_CHANGES:
        return {"kind": kind, "slot": "salesforce", "object": "", "changes": list(BY_ITSELF), **kept}
    if kind == PLATFORM_EVENTS:
        return {"kind": kind, "slot": "salesforce", "event": "", **kept}
    if kind == OTHER_FLOWS:
        return {"kind": kind, "slot": "stripe", "inputs": [], "outputs": []}
    return {"kind": STRIPE_EVENTS, "slot": "stripe", "types": [], **kept}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in _list(value) if isinstance(one, str) and one))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
