"""This module says what a step may touch of the world: these ports and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, Protocol

import msgspec

from flows.agreeing.agreement import Agreement, Between
from flows.agreeing.own import Past
from flows.engine.correlation import Awaited
from flows.engine.item import Item, Source, Write
from flows.engine.pacing import Calm, Member, Pace, Standing
from flows.matching import Customer, Likeness
from integrator.kernel.errors import IntegrationError

Params = Mapping[str, Any]
Result = dict[str, Any] | IntegrationError


class Abandoned(Exception):
    """This worker lost its lease: the batch stops where it is and nothing of it is closed."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The root objects by type as they are now, and when that was."""

    roots: dict[str, Any]
    source: Source


class Applied(msgspec.Struct, frozen=True):
    """How new the state is that was last written to a target."""

    source: str  # id of the object it was read from
    event_id: int  # the inbox row
    not_before: datetime
    not_after: datetime
    rank: int | None = None  # where several sources feed the target: of the one that counts


@dataclass(frozen=True, slots=True)
class Intent:
    """
    A call that shall be made once: what it is, and what makes it the same one.

    A creating intent is the same for every flow of the pair (`created` and `purpose` and the record);
    a starting or notifying one belongs to its flow, step, record and occurrence. `repeatable` says that
    the other side itself does the same request once only, because it carries a unique external id, so
    that a lost answer is no doubt. `keyed` says that it does so for about a day, by the idempotency key in
    the request. `{effect}` in a text of `request` and `look_up` stands for the effect's own id; see also
    `flows.engine.once.filled`. Parameters (`params`) of `look_up` become those that were sent.
    """

    item: Item
    step: str
    kind: Literal["creating", "starting", "notifying"]
    purpose: str  # in words a person reads: Start the flow Stripe_Dunning
    record: str  # the source record's id
    slot: str
    action: str
    request: Params
    occurrence: str = ""
    created: str = ""  # the type that a creating intent creates
    repeatable: bool = False
    keyed: bool = False
    look_up: tuple[str, Params] | None = None  # a reading action that finds what the call has made


@dataclass(frozen=True, slots=True)
class Happened:
    """The effect is there: it was made now, or had been made before."""

    result: Mapping[str, Any]
    before: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The effect is not made: its event is history, or a person decided so."""

    reason: str


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Nobody can say whether the effect happened; only a person can look."""

    message: str


@dataclass(frozen=True, slots=True)
class NotYet:
    """Another try of the same effect may still be under way."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """A step that waits for an event; `came` is the inbox row of the one that it went on with before."""

    item: Item
    step: str
    awaited: Awaited
    came: int | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """The event that was waited for."""

    event_id: int  # the inbox row
    id: str  # the sender's own id
    type: str
    object: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NothingCame:
    """The time is over, and no such event came."""


class Moved(msgspec.Struct, frozen=True):
    """What became of a record that is gone, as far as a link knows."""

    record_id: str  # the one that it was merged into; empty while that is not known yet
    sharing: str = ""  # where that belongs to another object of Stripe: ask, write, leave


AwaitedResult = Arrived | NotYet | NothingCame | IntegrationError
EffectResult = Happened | LeftOut | Doubtful | NotYet | IntegrationError


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit of a currency is worth in another, since when, and who says so."""

    rate: Decimal
    day: date
    source: str


class Ports(Protocol):
    """
    The world as one batch sees it: one flow, one pair.

    A failure of our own database is not the run's fault: a port answers it with `Abandoned`.
    """

    def call_many(self, slot: str, action: str, requests: Sequence[Params]) -> list[Result]:
        """
        Return one result for each request, in order; failures are returned.

        :raises Abandoned: if the worker's lease is gone
        """
        ...

    def read_roots(self, items: Sequence[Item]) -> list[Reading | IntegrationError]:
        """Read the root object of each item anew; `Missing` where there is none."""
        ...

    def applied_versions(self, targets: Sequence[str]) -> list[Applied | None]:
        """Return what was last applied to each target, what this batch remembered included."""
        ...

    def remember(self, item: Item, write: Write) -> None:
        """Add `write` to what the item has written; the last one to a target counts."""
        ...

    def lease(self, slot: str, targets: Sequence[str]) -> frozenset[str]:
        """
        Return those of `targets` (object and id, joined by a colon) that are ours until the batch is closed.

        Taken before `applied_versions` is asked, and only for records that the lane does not own.
        """
        ...

    def leased_elsewhere(self, slot: str, targets: Sequence[str]) -> frozenset[str]:
        """Return those of `targets`, which the lanes own, that another lane is writing to at this moment."""
        ...

    def effect_many(self, intents: Sequence[Intent]) -> list[EffectResult]:
        """
        Make each call once, whatever happened before, and return what is known of it, in order.

        :raises Abandoned: if the worker's lease is gone
        """
        ...

    def awaited(self, waits: Sequence[Waiting]) -> list[AwaitedResult]:
        """
        Return for each wait the event that came, or when to look again; what comes from now on wakes the run.

        :raises Abandoned: if our own database did not answer
        """
        ...

    def links(self, target: str, stripe_ids: Sequence[str]) -> dict[str, str]:
        """Return the record ids of Salesforce object `target` that are linked with each Stripe object."""
        ...

    def agreements(self, wanted: Sequence[Between]) -> list[Agreement]:
        """Return what is known of each two, in order; an empty one where they are no link yet."""
        ...

    def last_told(self, stripe_ids: Sequence[str]) -> dict[str, tuple[datetime, str]]:
        """Return when Stripe last told of each object, and the id of the event that did."""
        ...

    def record_ids(self, object_: str, external_ids: Sequence[str]) -> dict[str, str]:
        """Return the record ids of what was saved as Salesforce `object_` under external ids."""
        ...

    def moved(self, object_: str, keys: Sequence[str]) -> dict[str, Moved]:
        """Return of `keys`, external ids or ids of records, what became of those whose record is gone."""
        ...

    def own_writes(self, targets: Sequence[str]) -> dict[str, Past]:
        """Return what the flow wrote to each target because of our own writes, as far as it did."""
        ...

    def rate(self, base: str, quote: str, day: date) -> Rate | None:
        """Return the newest rate of `day` or before; upper-case currency codes."""
        ...

    def turns(self, step: str, keys: Sequence[str], pace: Pace) -> list[datetime | None]:
        """
        Return from when on each of `keys` may pass `step`, in order; None for whom no turn is left.

        A turn that was given counts, whether it is used or not.
        """
        ...

    def bursts(self, step: str, members: Sequence[Member], calm: Calm) -> list[Standing]:
        """Let `members` come to `step`, which only the last of a burst passes; return how each stands."""
        ...

    def alike(self, slot: str, object_: str, customers: Sequence[Customer]) -> list[Likeness]:
        """
        Return for each customer whether it is a record of the org that is known, in order.

        Those that are new are expected from now on: who is like one of them waits until it has been read.
        """
        ...

    def now(self) -> datetime:
        """Return the time, aware."""
        ...

    def luck(self) -> float:
        """Return a number in [0, 1)."""
        ...
