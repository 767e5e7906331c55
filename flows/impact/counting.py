"""
This module counts how many recent events would fail by a change: each is tried, and nothing is written.

What the flow would save is held against what the org was and against what it is: whatever it would refuse now
and would not have refused then counts. Paths that Stripe no longer has are taken out of the event first.
"""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils import timezone

from flows import payloads
from flows.engine.definition import InvalidDocument
from flows.impact import sides
from flows.impact.gathering import Desk
from flows.impact.refusing import Refusal, refusals
from flows.models import Event
from flows.trials import shadows
from flows.trials.from_org import OrgOccasion
from flows.trials.occasions import Occasion, of_event
from flows.trials.running import Ready, Tried, Untriable, ready, try_out
from flows.trials.unusable import Unusable
from flows.trials.world import Saved

MOST = 200  # events that are looked at, the newest
SECONDS = 10.0  # for all of them
_SECONDS_EACH = 1.0
_UNCLEAR = frozenset({"not_read", "out_of_time", "waits"})

Place = tuple[str, str]  # an object and a field, in small letters


@dataclass(frozen=True, slots=True)
class Counted:
    """How many events were looked at, how many of them would fail, and by which fields."""

    total: int = 0  # that could be looked at, at most `MOST`
    looked_at: int = 0
    failing: int = 0
    by_field: Mapping[Place, int] = field(default_factory=dict)
    example: str = ""  # the newest that would fail, by its external id


def count(desk: Desk, *, seconds: float = SECONDS) -> Counted:
    """Return how the newest events that start the flow would fare now. It stops when its time is over."""
    ends = time.monotonic() + seconds
    try:
        flow = ready(desk.document)
    except (InvalidDocument, Untriable):
        return Counted()
    ids = shadows.begin(pair=desk.pair, flow=flow, events=MOST).left
    counting = _Counting(desk, flow)
    for number in ids:
        counting.look_at(number)
        if time.monotonic() >= ends:
            break
    return counting.result(len(ids))


class _Counting:
    """What was found, event by event, the newest first."""

    def __init__(self, desk: Desk, flow: Ready) -> None:
        self._desk = desk
        self._flow = flow
        self._then = {name: desk.crm.fields_then(name) for name in desk.crm.then}
        self._now = {name: desk.crm.fields_now(name) for name in desk.crm.now}
        self._gone = _gone(desk)
        self._found: list[tuple[str, list[Refusal], set[str]]] = []

    def look_at(self, number: int) -> None:
        """Try one event, unless it cannot be read any more."""
        event = Event.objects.select_related("connection").filter(pk=number).first()
        try:
            occasion = of_event(event) if event is not None else None
        except Unusable:
            return
        if event is None or occasion is None:
            return
        tried = self._try(occasion)
        if tried.trial.ending in _UNCLEAR and not tried.saved:
            return
        wrong = [one for saved in tried.saved for one in self._wrong(saved)]
        if self._gone:
            wrong += self._lost(occasion, tried)
        self._found.append((event.external_id, wrong, {_record(saved) for saved in tried.saved}))

    def _try(self, occasion: Occasion | OrgOccasion) -> Tried:
        return try_out(self._flow, occasion, pair=self._desk.pair, at=timezone.now(), seconds=_SECONDS_EACH)

    def _wrong(self, saved: Saved) -> list[Refusal]:
        """Return what the org would refuse now and would not have refused then."""
        record = _record(saved)
        before = {one._replace(text=record) for one in refusals(saved.action, saved.request, self._then)}
        now = [one._replace(text=record) for one in refusals(saved.action, saved.request, self._now)]
        return [one for one in now if one not in before]

    def _lost(self, occasion: Occasion | OrgOccasion, before: Tried) -> list[Refusal]:
        """Return what an event lacks without the paths that Stripe has no more."""
        payload = _without(occasion.payload, self._gone)
        if payload is None:
            return []
        after = self._try(replace(occasion, payload=payload))
        if after.trial.ending == "failed" and before.trial.ending != "failed":
            return [Refusal("", "", after.trial.reason)]
        had, has = _values(before.saved), _values(after.saved)
        return [Refusal(*place, "It has no value any more") for place in had - has]

    def result(self, total: int) -> Counted:
        """
        Return what came of it.

        A record is created by the first event about it: what is only refused on creation counts there alone.
        """
        by_field: Counter[Place] = Counter()
        failing, example, known = 0, "", set()
        for name, wrong, records in reversed(self._found):
            places = {(one.object, one.field) for one in wrong if not (one.on_creation and one.text in known)}
            known |= records
            by_field.update(places)
            if places:
                failing, example = failing + 1, name
        return Counted(total, len(self._found), failing, by_field, example)


def _record(saved: Saved) -> str:
    request = saved.request
    return f"{request.get('object')} {request.get('external_id') or request.get('id') or ''}"


def _values(saved: Iterable[Saved]) -> set[Place]:
    """Return the fields that are filled with something."""
    found: set[Place] = set()
    for one in saved:
        for name, value in (one.request.get("values") or {}).items():
            if isinstance(value, Mapping):
                inner = [f"{name}.{part}" for part, given in value.items() if given not in (None, "")]
            else:
                inner = [name] if value not in (None, "") else []
            found |= {(str(one.request.get("object")), part.lower()) for part in inner}
    return found


def _gone(desk: Desk) -> Mapping[str, Sequence[str]]:
    """Return the paths that each type of object has no more, where the connection speaks that version."""
    found = {}
    for object_, told in desk.stripe.differences.items():
        paths = [one.field for one in told if one.kind == "removed"]
        if paths and sides.speaks(desk.pair.stripe, [object_], desk.stripe):
            found[object_] = paths
    return found


def _without(payload: Mapping[str, Any], gone: Mapping[str, Sequence[str]]) -> dict[str, Any] | None:
    """Return an event without the paths that are gone, nothing if it has none of them."""
    paths = gone.get(str(payloads.object_of(payload).get("object")), ())
    changed = copy.deepcopy(dict(payload))
    found = payloads.object_of(changed)
    taken = [path for path in paths if _take(found, path.replace("[0]", ".0").split("."))]
    return changed if taken else None


def _take(value: Any, names: Sequence[str]) -> bool:
    """Take what stands at the end of `names` away, and tell whether there was something."""
    for name in names[:-1]:
        if isinstance(value, list):
            value = value[0] if name == "0" and value else None
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return isinstance(value, dict) and value.pop(names[-1], None) is not None
