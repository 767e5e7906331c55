"""This module holds one run on its way through the steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

from flows.agreeing.agreement import Agreement
from flows.agreeing.own import Past
from flows.engine.correlation import KeptWait
from flows.engine.edits import Edit
from flows.engine.ways import Way
from flows.mapping.mending import Fixes

# Under this name, which no step can have, the memory keeps which shared records may be written late.
LATE = "!late"


@dataclass(frozen=True, slots=True)
class Event:
    """What a flow may know about the event that started a run; the path root `event`."""

    id: str  # the sender's own id
    type: str
    created: int | None  # the sender's time in Unix seconds
    livemode: bool | None = None
    account: str = ""
    api_version: str = ""
    foreign: bool = False  # made by another API version than the connection's
    record_id: str = ""  # of Salesforce, where the event says that a record changed
    changed: tuple[str, ...] = ()  # its fields, as far as the event tells them
    ours: bool = False  # our own write has caused it

    def as_root(self) -> dict[str, Any]:
        """Return the event as the paths of a mapping see it; what is not known is null."""
        of_record = {"record_id": self.record_id, "changed": list(self.changed)} if self.record_id else {}
        return {
            "id": self.id,
            "type": self.type,
            "created": self.created,
            "livemode": self.livemode,
            "account": self.account or None,
            "api_version": self.api_version or None,
            **of_record,
        }


@dataclass(frozen=True, slots=True)
class Source:
    """
    Which object the state was read from, and when it was the truth.

    For a payload both times are the event's second. A fetched object lies between the
    answer's Date less the call's duration and 2 s, and that Date plus 1 s.
    """

    id: str
    not_before: datetime
    not_after: datetime
    fetched: bool = False
    gone: bool = False  # reading it again found nothing, so the payload is all there is
    carried: bool = False  # an earlier try has read it: it may have changed since


class Carried(msgspec.Struct, frozen=True):
    """What a try had found before the step at which it gave up; see `flows.engine.carrying`."""

    step: str  # the failed one, of the flow's own line
    title: str
    source: Source
    roots: dict[str, Any] | None  # as they were read; None: as the event carries them
    outputs: dict[str, Any]  # by step id
    effects: list[str]
    trace: list[dict[str, Any]]  # of the steps before it, each with the try that it is from


class Write(msgspec.Struct, frozen=True):
    """One record that was written: what the closing transaction keeps as link and applied version."""

    step: str
    object: str
    external_id: str
    record_id: str
    created: bool
    values: dict[str, Any]
    stripe_id: str  # the root object, see `Item.root_id`
    source: Source
    event_id: int
    amount: int | None = None  # minor units, where the write counts as money synced
    currency: str = ""  # upper case
    rank: int | None = None  # which of several sources counts for this target: the highest
    linked: bool = True  # it is a record of Salesforce that belongs to the root object

    @property
    def target(self) -> str:
        """Return the key of the applied version: object and external id, joined by a colon."""
        return f"{self.object}:{self.external_id}"


@dataclass(frozen=True, slots=True)
class EffectEnd:
    """What is known of an effect after its call; the closing transaction keeps it."""

    effect_id: int
    state: Literal["planned", "sent", "done", "refused", "in_doubt", "skipped"]
    result: Mapping[str, Any] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """What the administrators shall know, once for each key."""

    key: str
    kind: str
    severity: Literal["info", "warning", "critical"]
    title: str
    text: str = ""


@dataclass(slots=True)
class Item:
    """
    One run in a batch.

    `context` is what paths are read from: the roots (`charge`, `payment_intent`, ...), and,
    filled in by the engine, `event`, `previous` and `steps`. The caller sets the first block
    of attributes; the rest belongs to the engine.
    """

    run_id: int
    event_id: int  # the inbox row
    event: Event
    root_id: str  # the object that the lane is named after
    context: dict[str, Any]
    source: Source
    previous: dict[str, Any] | None = None  # the payload's previous_attributes
    attempts: int = 0  # failed tries that were counted before this one
    first_failed_at: datetime | None = None
    read_first: bool = False  # read the object before the first step: a retry, a thin event
    history: bool = False  # it happened long before it was received: effects are left out
    insisted: bool = False  # a person wants it done, history or not
    memory: dict[str, dict[str, Any]] = field(default_factory=dict)  # what steps keep between tries
    kept: dict[str, Any] = field(default_factory=dict)  # what was done for good inside of steps, by step
    fixes: Mapping[str, Fixes] = field(default_factory=dict)  # approved changes of records, by map step
    edits: tuple[Edit, ...] = ()  # what a person changed in the event's object
    carried: Carried | None = None  # what an earlier try found, where the run goes on at its failed step
    place: str = ""  # which element of which list, inside of a for-each: "[lines:il_1]"

    outputs: dict[str, Any] = field(default_factory=dict)  # by step id
    shown: dict[int, Any] = field(default_factory=dict)  # `outputs` as the trace has them, by identity
    trace: list[dict[str, Any]] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)  # a letter per step taken
    writes: list[Write] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)  # how each write of the run ended
    touched: set[str] = field(default_factory=set)  # ids of records that this try wrote, inside of steps too
    unsettled: bool = False  # a write went out and was not answered: it may land even now
    effect_ends: list[EffectEnd] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    waits: list[KeptWait] = field(default_factory=list)  # for events, and how they stand
    own_writes: dict[str, Past] = field(default_factory=dict)  # by target: what our own writes have caused
    agreements: list[Agreement] = field(default_factory=list)  # what the sides of a link agree on by now
    inner: list[dict[str, Any]] = field(default_factory=list)  # the trace of what stands inside of a step
    asks: str = ""  # the key of the step that asks a person
    elements: dict[Way, int] = field(default_factory=dict)  # how many elements of lists went which way

    def key(self, step: str) -> str:
        """Return what tells this step from the same step at another element of a list."""
        return f"{step}{self.place}"

    def recall(self, step: str, name: str) -> Any:
        """Return what the step kept under `name` at an earlier try, such as a person's `answer`."""
        return self.memory.get(self.key(step), {}).get(name)

    def ask(self, step: str) -> None:
        """Let the step wait for a person's answer; an earlier answer to it counts no more."""
        self.asks = self.asks or self.key(step)
        self.memory.get(self.asks, {}).pop("answer", None)

    def may_land_late(self, shared: str = "") -> None:
        """
        Say that a write was not answered, and so may be carried out later.

        `shared` is its target if other lanes write to it too: whatever they write until then has to stay.
        """
        self.unsettled = True
        if shared:
            self.memory.setdefault(LATE, {})[shared] = True

    def keep(self, step: str, name: str, value: Any) -> None:
        """Keep a JSON value for the step's next try."""
        self.memory.setdefault(self.key(step), {})[name] = value
