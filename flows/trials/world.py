"""This module is the world as a trial sees it: ports that read at most, and note what would be done."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec

from connectors import reading
from connectors.salesforce.ids import as_18
from connectors.stripe.roots import Root, reading_of, roots_from
from flows import agreements, moves
from flows.agreeing.agreement import Agreement, Between
from flows.agreeing.own import Past
from flows.awaiting import newest_for
from flows.engine import records
from flows.engine.item import Item, Write
from flows.engine.once import Recorded, Send, decide, filled, key_of
from flows.engine.pacing import Calm, Member, Pace, Standing
from flows.engine.ports import (
    Abandoned,
    Applied,
    Arrived,
    AwaitedResult,
    EffectResult,
    Happened,
    Intent,
    LeftOut,
    Moved,
    NothingCame,
    NotYet,
    Params,
    Rate,
    Reading,
    Result,
    Waiting,
)
from flows.engine.records import Record
from flows.matching import Answered, Customer, Likeness
from flows.models import ExchangeRate, Link
from flows.recognising import asking
from flows.steps.fetched import source_of
from flows.trials.tape import Tape
from integrator.kernel.errors import IntegrationError, RateLimited

NOT_READ = "not_read_in_a_trial"  # the code of what was neither recorded nor asked for
_TOLD_OF_AGREEMENTS = ("link_id", "stripe_id", "object", "external_id", "record_id", "values", "sent")
_MOST_NOTED = 2_000  # records and effects of one trial


class OutOfTime(Abandoned):
    """The trial took longer than it may, or wanted to do more than is shown."""


@dataclass(frozen=True, slots=True)
class Saved:
    """One request that would have saved a record."""

    action: str
    request: Params
    slot: str = "salesforce"


@dataclass(frozen=True, slots=True)
class Started:
    """One call that would have been made once; `left_out` says why it would not."""

    intent: Intent
    request: Params
    left_out: str = ""


@dataclass
class Limits:
    """How long a trial may take, and what time it is in it."""

    at: datetime
    seconds: float
    ahead: timedelta = timedelta()  # what waits have moved the clock by
    began: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """
        Return the seconds that are left.

        :raises OutOfTime: if there are none
        """
        left = self.began + self.seconds - time.monotonic()
        if left <= 0:
            raise OutOfTime
        return left

    def now(self) -> datetime:
        """Return the time as the flow is told it; it goes on, so that steps can be measured."""
        self.left()
        return self.at + self.ahead + timedelta(seconds=time.monotonic() - self.began)


class TrialPorts:
    """
    The ports of one trial.

    `live` is the connection of each slot that may be read from, empty for a trial that reads nothing; `given`
    answers first. `pair_id` says whose links and rates count, which are only read; `inboxes` are the
    connections among whose recorded events a wait for an event looks. Of a record `reads` are the fields that
    the flow names, and `carried` is what its event tells of it, where that is all of them.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        given: Tape,
        live: Mapping[str, int],
        pair_id: int | None,
        root: Root | Record,
        reads: Sequence[str] = (),
        carried: Mapping[str, Any] = MappingProxyType({}),
        inboxes: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._limits = limits
        self._given = given
        self._live = live
        self._pair_id = pair_id
        self._root = root
        self._reads = reads
        self._carried = carried
        self._inboxes = inboxes
        self._remembered: dict[str, Applied] = {}
        self._made: dict[str, EffectResult] = {}
        self.tape = Tape()  # what was read, by whatever way
        self.saved: list[Saved] = []
        self.started: list[Started] = []
        self.reads = 0  # calls of the other systems
        self.stood_in = False  # the event's content was taken for its object, which was not read

    # What is read

    def call_many(self, slot: str, action: str, requests: Sequence[Params]) -> list[Result]:
        """Read what may be read; answer what would write as if it had been done."""
        if not reading.is_reading(slot, action):
            return [self._save(slot, action, request) for request in requests]
        answers: list[Result | None] = [self._given.known(slot, action, request) for request in requests]
        unknown = [place for place, answer in enumerate(answers) if answer is None]
        for place, answer in zip(
            unknown, self._read(slot, action, [requests[place] for place in unknown]), strict=True
        ):
            answers[place] = answer
        found = [answer for answer in answers if answer is not None]
        for request, answer in zip(requests, found, strict=True):
            self.tape.keep(answer, slot, action, request)
        return found

    def _read(self, slot: str, action: str, requests: Sequence[Params]) -> list[Result]:
        if not requests:
            return []
        if slot not in self._live:
            said = "This was not read, because it is a trial: nothing recorded says what the answer was."
            return [RateLimited(said, code=NOT_READ) for _ in requests]
        self.reads += len(requests)
        return reading.read_many(
            connection_id=self._live[slot], action=action, requests=requests, deadline=self._limits.left()
        )

    def read_roots(self, items: Sequence[Item]) -> list[Reading | IntegrationError]:
        """Read the object or the record anew, or let what the event carries stand in for it."""
        if isinstance(self._root, Record):
            return [self._record_reading(item, self._root) for item in items]
        kind, expand = reading_of(self._root.type)
        request = {"type": kind, "id": self._root.id, "expand": expand}
        (answer,) = self.call_many("stripe", "retrieve", [request])
        return [self._root_reading(item, answer) for item in items]

    def _record_reading(self, item: Item, root: Record) -> Reading | IntegrationError:
        answer = records.read(self.call_many, [root], self._reads)[root]
        if isinstance(answer, Reading) or answer.code != NOT_READ or not self._carried:
            return answer
        self.stood_in = True
        return Reading(roots=dict(self._carried), source=replace(item.source, fetched=True))

    def _root_reading(self, item: Item, answer: Result) -> Reading | IntegrationError:
        if not isinstance(answer, IntegrationError):
            return Reading(roots=dict(roots_from(answer["object"])), source=source_of(answer))
        own = {"event", "previous", "steps"}
        roots = {name: value for name, value in item.context.items() if name not in own}
        if answer.code != NOT_READ or not roots:
            return answer
        self.stood_in = True
        return Reading(roots=roots, source=replace(item.source, fetched=True))

    def awaited(self, waits: Sequence[Waiting]) -> list[AwaitedResult]:
        """Return what the inbox has of what is waited for; without it, time is up."""
        return [self._awaited(one) for one in waits]

    def _awaited(self, waiting: Waiting) -> AwaitedResult:
        wanted = waiting.awaited
        asked = ("awaited", list(wanted.types), wanted.path, wanted.key)
        came = self._given.known(*asked)
        if came is None:
            came = self._recorded(waiting)
        self.tape.keep(came, *asked)
        if came:
            return Arrived(0, came[0], came[1], came[2])
        return NothingCame() if self._limits.now() >= wanted.until else NotYet(wanted.until)

    def _recorded(self, waiting: Waiting) -> list[Any]:
        """Return the recorded event that came for a recorded one; an event that was made up has none."""
        item, connection = waiting.item, self._inboxes.get(waiting.awaited.slot)
        if not item.event_id or connection is None:
            return []
        since = datetime.fromtimestamp(item.event.created or 0, UTC)
        wanted = msgspec.structs.replace(waiting.awaited, since=since)
        found = newest_for(wanted, connection=connection, after=item.event_id)
        return [found.id, found.type, dict(found.object)] if found else []

    def links(self, target: str, stripe_ids: Sequence[str]) -> dict[str, str]:
        """Return the record ids of Salesforce object `target` that are linked with each Stripe object."""
        known = Link.objects.filter(
            pair=self._pair_id, salesforce_object=target, stripe_id__in=list(stripe_ids)
        ).order_by("id")
        return self._of_ours(("links", target, sorted(stripe_ids)), known, "stripe_id")

    def record_ids(self, object_: str, external_ids: Sequence[str]) -> dict[str, str]:
        """Return the record ids of what was saved as Salesforce `object_` under external ids."""
        known = Link.objects.filter(
            pair=self._pair_id, salesforce_object=object_, external_id__in=list(external_ids)
        ).order_by("id")
        return self._of_ours(("record_ids", object_, sorted(external_ids)), known, "external_id")

    def agreements(self, wanted: Sequence[Between]) -> list[Agreement]:
        """Return what is known of each two. What a trial comes to is not kept."""
        asked = ("agreements", [list(one) for one in wanted])
        told = self._given.known(*asked)
        if told is None and self._pair_id is not None:
            found = agreements.find(self._pair_id, wanted)
            told = [{name: getattr(one, name) for name in _TOLD_OF_AGREEMENTS} for one in found]
        if told is None:
            told = [one._asdict() for one in wanted]
        self.tape.keep(told, *asked)
        return [Agreement(**one) for one in told]

    def last_told(self, stripe_ids: Sequence[str]) -> dict[str, tuple[datetime, str]]:
        """Return when Stripe last told of each object."""
        return agreements.last_told(self._pair_id, stripe_ids) if self._pair_id is not None else {}

    def moved(self, object_: str, keys: Sequence[str]) -> dict[str, Moved]:
        """Return of `keys` those whose record is gone, and what became of it."""
        asked = ("moved", object_, sorted(keys))
        told = self._given.known(*asked)
        if told is None:
            found = moves.of(self._pair_id, object_, keys) if self._pair_id is not None else {}
            told = {key: [one.record_id, one.sharing] for key, one in found.items()}
        if told:
            self.tape.keep(told, *asked)
        return {key: Moved(*one) for key, one in told.items()}

    def _of_ours(self, asked: tuple[Any, ...], rows: Any, key: str) -> dict[str, str]:
        found = self._given.known(*asked)
        if found is None:
            found = {} if self._pair_id is None else dict(rows.values_list(key, "record_id"))
        self.tape.keep(found, *asked)
        return dict(found)

    def own_writes(self, targets: Sequence[str]) -> dict[str, Past]:
        """Return nothing: a trial writes nothing that could cause anything."""
        return {}

    def rate(self, base: str, quote: str, day: date) -> Rate | None:
        """Return the newest rate of `day` or before."""
        asked = ("rate", base, quote, day)
        found = self._given.known(*asked)
        if found is None:
            rows = ExchangeRate.objects.filter(
                workspace__integrations__pairs=self._pair_id, base=base, quote=quote, day__lte=day
            )
            row = rows.order_by("-day").values_list("rate", "day", "source").first()
            found = [] if row is None else [str(row[0]), row[1].isoformat(), row[2]]
        self.tape.keep(found, *asked)
        return Rate(Decimal(found[0]), date.fromisoformat(found[1]), found[2]) if found else None

    # What would be done

    def _save(self, slot: str, action: str, request: Params) -> Result:
        self._note(self.saved, Saved(action, request, slot))
        if action != "upsert":
            return {"id": str(request.get("id") or _an_id(len(self.saved))), "created": False}
        object_, key = str(request.get("object")), str(request.get("external_id"))
        known = self.record_ids(object_, [key]).get(key)
        return {"id": known or _an_id(len(self.saved)), "created": known is None}

    def effect_many(self, intents: Sequence[Intent]) -> list[EffectResult]:
        """Answer as if each call had been made, unless its event is history; nothing is made."""
        results: list[EffectResult] = []
        for intent in intents:
            key = key_of(intent, flow_id=0)
            if key not in self._made:
                self._made[key] = self._effect(intent, number=len(self._made) + 1)
            results.append(self._made[key])
        return results

    def _effect(self, intent: Intent, *, number: int) -> EffectResult:
        decision = decide(Recorded(number, "planned"), intent, now=self._limits.now())
        request = filled(intent.request, f"trial_{number}")
        left_out = decision.reason if isinstance(decision, LeftOut) else ""
        self._note(self.started, Started(intent, request, left_out))
        if not isinstance(decision, Send):
            assert isinstance(decision, LeftOut)  # nothing was ever sent, so nothing is in doubt
            return decision
        return Happened(_made_up(intent, request, number))

    def _note(self, notes: list[Any], note: Any) -> None:
        self._limits.left()
        if len(notes) >= _MOST_NOTED:
            raise OutOfTime
        notes.append(note)

    def remember(self, item: Item, write: Write) -> None:
        """Keep what the run has written, as the real ports do."""
        item.writes[:] = [*(known for known in item.writes if known.target != write.target), write]
        source = write.source
        self._remembered[write.target] = Applied(
            source.id, write.event_id, source.not_before, source.not_after, write.rank
        )

    def applied_versions(self, targets: Sequence[str]) -> list[Applied | None]:
        """Return what this trial wrote. What runs have applied does not count: all of a trial is shown."""
        return [self._remembered.get(target) for target in targets]

    def lease(self, slot: str, targets: Sequence[str]) -> frozenset[str]:
        """Grant everything: nobody writes."""
        return frozenset(targets)

    def leased_elsewhere(self, slot: str, targets: Sequence[str]) -> frozenset[str]:
        """Return nothing: nobody writes."""
        return frozenset()

    def turns(self, step: str, keys: Sequence[str], pace: Pace) -> list[datetime | None]:
        """Give everybody a turn at once: a trial neither waits nor counts."""
        return [self.now() for _ in keys]

    def bursts(self, step: str, members: Sequence[Member], calm: Calm) -> list[Standing]:
        """Let everybody go on: in a trial nobody else comes."""
        return [Standing(is_last=True, goes=True, due=self.now()) for _ in members]

    def alike(self, slot: str, object_: str, customers: Sequence[Customer]) -> list[Likeness]:
        """Return whether customers are known records; before those have been read, everybody is new."""
        asked = ("alike", object_, [[one.id, dict(one.fields)] for one in customers])
        told = self._given.known(*asked)
        if told is None:
            found = [Likeness(Answered.NEW) for _ in customers]
            if slot in self._live:
                found = asking.alike(self._live[slot], object_, customers, now=self.now(), expecting=False)
            told = msgspec.to_builtins(found)
        self.tape.keep(told, *asked)
        answers = msgspec.convert(told, list[Likeness])
        unread = (one.answered is Answered.UNREAD for one in answers)
        return [Likeness(Answered.NEW) if no else one for one, no in zip(answers, unread, strict=True)]

    def now(self) -> datetime:
        """
        Return the time as the flow is told it.

        :raises OutOfTime: if the trial has taken too long
        """
        return self._limits.now()

    def luck(self) -> float:
        """Return always the same number, so that a trial comes to the same again."""
        return 0.5


def _made_up(intent: Intent, request: Params, number: int) -> dict[str, Any]:
    """Return what a call that must happen once could have answered."""
    if intent.slot != "stripe":
        return {"id": _an_id(number), "created": True, "outputs": {}, "status": "Not started"}
    # What was asked for is what later steps may read of an object that is not there.
    own_id = str(request.get("id") or f"trial_{number}")
    return {**(request.get("params") or {}), "id": own_id, "object": str(request.get("type") or "object")}


def _an_id(number: int) -> str:
    """Return what looks like the id of a record and is none: no object's ids begin so."""
    return as_18(f"000TRIAL{number:07d}")
