"""This module says where an event of an org leads: to which flows, about which records, in which lanes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from connectors.salesforce.ids import as_18
from connectors.stripe.roots import root_of
from flows import bulk
from flows.bus_events import BusEvent
from flows.models import Lane, Link, Run
from flows.payloads import object_of
from flows.routes import Door, Route

SWITCHED_OFF = "the flow is switched off"
UNNAMED = "Salesforce does not say which records changed"
UNTOUCHED = "none of the fields that the flow looks at has changed"

Place = tuple[int, str]  # a pair, and a record or the key of a lane


@dataclass(frozen=True, slots=True)
class Led:
    """The flows that an event starts, each once for every record; or why it starts none."""

    routes: Sequence[Route] = ()
    record_ids: Sequence[str] = field(default=("",))
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """An event of Stripe on its way: the flows that it starts, its body, and the lane of its object."""

    routes: Sequence[Route]
    payload: Mapping[str, Any]
    lane: str


def lead(event: BusEvent, door: Door, *, sweep: bool) -> Led:
    """
    Return where `event` leads that came through `door`.

    A sweep finds that a record changed, but not how: it leads to every flow about changes of such records,
    and to those that only start when one is made, or is there again, if that was missed.
    """
    is_unclear = sweep and not event.is_deletion
    about = door.by_object.get(event.name, []) if is_unclear else door.routes.get(event.type, [])
    starts = {event.type, f"{event.name}.updated"}
    routes = [route for route in about if not (is_unclear and starts.isdisjoint(route.types))]
    if not routes:
        return Led(reason=f"no flow handles {event.type}")
    if event.is_of_records and not event.record_ids:
        return Led(reason=UNNAMED)
    enabled = [route for route in routes if route.enabled]
    if not enabled:
        return Led(reason=SWITCHED_OFF)
    touched = [route for route in enabled if is_unclear or event.touches(route.fields)]
    return Led(touched, tuple(dict.fromkeys(event.record_ids)) or ("",), "" if touched else UNTOUCHED)


def lane_of_object(found: Mapping[str, Any], event: str) -> str:
    """
    Return the key of the lane of an event about an object of Stripe, whose own id is `event`.

    An object without an id, such as a balance, stands alone.
    """
    try:
        root = root_of(found).id
    except ValueError:
        root = event
    return f"stripe:{root}"[:300]


def lanes_before_links(told: Sequence[Told]) -> dict[int, dict[Place, str]]:
    """
    Return in which lanes events of Stripe are handled whose objects name a record that nothing links yet.

    Only where flows keep both in agreement: there the events of both sides go one after the other from the
    first one on. The payments of an account, which name it as well, need not wait for each other.
    """
    named: dict[tuple[int, int], tuple[str, str]] = {}  # record and object, by place and pair
    for place, one in enumerate(told):
        if not any(route.keeps for route in one.routes):
            continue
        found = object_of(one.payload)
        for route in one.routes:
            record = _named(found, route.keeps) if route.keeps else ""
            if record and one.lane == f"stripe:{found.get('id')}":
                named[place, route.pair_id] = (record, str(found["id"]))
    if not named:
        return {}
    pairs = {pair for _, pair in named}
    records, objects = ({both[side] for both in named.values()} for side in (0, 1))
    links = Link.objects.filter(
        Q(record_id__in=sorted(records)) | Q(stripe_id__in=sorted(objects)), pair__in=pairs
    )
    known = {(pair, id) for pair, *ids in links.values_list("pair", "record_id", "stripe_id") for id in ids}
    found_lanes: dict[int, dict[Place, str]] = defaultdict(dict)
    for (place, pair), (record, object_id) in named.items():
        if not known & {(pair, record), (pair, object_id)}:
            found_lanes[place][pair, ""] = lane_of(record)
    return found_lanes


def _named(found: Mapping[str, Any], object_: str) -> str:
    """Return the record of `object_` that an object of Stripe names in its metadata, if it does."""
    metadata = found.get("metadata")
    name = f"salesforce_{object_.lower().removesuffix('__c')}_id"
    given = metadata.get(name) if isinstance(metadata, Mapping) else None
    try:
        return as_18(given) if isinstance(given, str) else ""
    except ValueError:
        return ""


def lane_of(root_id: str) -> str:
    """Return the key of the lane that is named after an object of Stripe or a record of Salesforce."""
    try:
        return f"salesforce:{as_18(root_id)}"
    except ValueError:
        return f"stripe:{root_id}"[:300]


def lanes_of(records: Iterable[Place]) -> dict[Place, str]:
    """
    Return in which lane each record is handled, by pair.

    A record that is linked is handled in the lane of what it is linked with, so that whatever comes from
    either side goes one after the other.
    """
    wanted = set(records)
    pairs, ids = {pair for pair, _ in wanted}, {record for _, record in wanted}
    links = Link.objects.filter(bulk.among("record_id", list(ids)), pair__in=pairs).order_by("-id")
    known = {
        (pair, record): root for pair, record, root in links.values_list("pair", "record_id", "stripe_id")
    }
    return {place: lane_of(known.get(place, place[1])) for place in wanted}


def bring_over(shared: Mapping[Place, int]) -> None:
    """
    Move what waits in records' own lanes to the lanes that they share by now, in the caller's transaction.

    `shared` has the id of that lane for each record of a pair; it is locked already. A lane that a worker
    has at this moment is left alone: what it holds goes on there, as it began.
    """
    own = {(pair, lane_of(record)): lane for (pair, record), lane in shared.items()}
    keys, pairs = [key for _, key in own], {pair for pair, _ in own}
    idle = Lane.objects.filter(bulk.among("key", keys), pair__in=pairs, worker=None)
    rows = idle.select_for_update(skip_locked=True).values_list("id", "pair", "key")
    moves = {lane: own[pair, key] for lane, pair, key in rows if own.get((pair, key), lane) != lane}
    into: dict[int, list[int]] = defaultdict(list)
    for lane, other in moves.items():
        into[other].append(lane)
    for other, lanes in into.items():
        Run.objects.filter(lane__in=lanes).exclude(state=Run.State.DONE).update(lane=other)
    Lane.objects.set_ready([*moves, *into])
