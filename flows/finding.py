"""
This module finds runs and events by any id that a person may have at hand, of either side or ours.

Each kind of id is looked up in an index of its own, and what is found is joined by its numbers: one condition
over several tables would have a database read all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import F, Model, Q, QuerySet

from connectors.models import Connection
from connectors.salesforce.ids import as_18
from flows.models import DeadLetter, Effect, Event, Lane, Link, Pair, Review, Run
from integrator.accounts.models import Environment

M = TypeVar("M", bound=Model)

MOST = 5_000  # of a kind, the newest; an object that more happened to is narrowed by time as well
MOST_LINKS = 50
_LONGEST_NUMBER = 18


@dataclass(frozen=True, slots=True)
class Place:
    """
    The pairs and connections of some environments, by their numbers.

    It stands for one request, and remembers what was looked up for that: a list and its numbers need it both.
    """

    pairs: Sequence[int]
    connections: Sequence[int]
    found: dict[str, Found] = field(default_factory=dict, compare=False, repr=False)
    first_ids: dict[tuple[str, datetime], int] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, *environments: Environment) -> Place:
        """Return what belongs to `environments`."""
        pairs = Pair.objects.filter(environment__in=environments).order_by("pk")
        connections = Connection.objects.filter(environment__in=environments).order_by("pk")
        return cls(list(pairs.values_list("pk", flat=True)), list(connections.values_list("pk", flat=True)))


@dataclass(frozen=True, slots=True)
class Found:
    """The numbers of the rows that an id leads to."""

    runs: frozenset[int] = field(default=frozenset())
    events: frozenset[int] = field(default=frozenset())


def find(wanted: str, place: Place) -> Found:
    """
    Return the runs and events at `place` that `wanted` leads to.

    It may be the id of a run, an event (its sender's or our number), a dead letter, a question or an effect,
    of an object of Stripe, of a record in its 15 or 18 characters, or the external id of one.
    """
    if wanted not in place.found:
        place.found[wanted] = _find(wanted, place)
    return place.found[wanted]


def _find(wanted: str, place: Place) -> Found:
    objects = _objects(wanted, place)
    events = {*_events_named(wanted, place), *_events_about(objects, place)}
    runs = {*_runs_named(wanted, place), *_runs_about(wanted, objects, place)}
    of_events = _runs_of(events, place)
    of_runs = Event.objects.filter(runs__in=runs) if runs else Event.objects.none()
    return Found(frozenset({*runs, *_newest(of_events)}), frozenset({*events, *_newest(of_runs)}))


def about(wanted: str, place: Place) -> Found:
    """Return the runs and events at `place` about an object of Stripe or a record, which may have many."""
    objects = [wanted, *filter(None, [_as_18(wanted)])]
    events = set(_events_about(objects, place))
    of_events = _runs_of(events, place)
    lanes = _runs_in_lanes([f"salesforce:{one}" for one in objects], place)
    return Found(frozenset({*_newest(of_events), *lanes, *_of_subject(wanted, place)}), frozenset(events))


def handling(external_id: str, place: Place) -> list[int]:
    """Return the runs at `place` of the event that its sender calls `external_id`."""
    return _newest(_runs_of(_events_called(external_id, place), place))


def _events_called(external_id: str, place: Place) -> list[int]:
    called = Event.objects.filter(external_id=external_id)
    return _newest(within(called, "connection_id", place.connections))


def _runs_of(events: Collection[int], place: Place) -> QuerySet[Run]:
    if not events:
        return Run.objects.none()
    return within(Run.objects.filter(event__in=list(events)), "pair_id", place.pairs)


def within(rows: QuerySet[M], column: str, numbers: Iterable[int]) -> QuerySet[M]:
    """
    Return those of `rows` whose `column` is one of `numbers`, by another index than that of the column.

    Adding nothing keeps SQLite, which does not know how many rows have which value, from reading all those
    of a pair or a connection.
    """
    named: QuerySet[Any] = rows.alias(place=F(column) + 0)
    found: QuerySet[M] = named.filter(place__in=list(numbers))
    return found


def _newest(rows: QuerySet[Any]) -> list[int]:
    # In the order of a sum, for the same reason: otherwise it may go through the whole table in that order.
    return list(rows.order_by((F("pk") + 0).desc()).values_list("pk", flat=True)[:MOST])


def _events_named(wanted: str, place: Place) -> list[int]:
    mine = within(Event.objects.all(), "connection_id", place.connections)
    number = mine.filter(pk=int(wanted)) if _is_number(wanted) else mine.none()
    letters = DeadLetter.objects.filter(public_id=wanted).order_by().values_list("event", flat=True)
    return [
        *_events_called(wanted, place),
        *_newest(number),
        *mine.filter(pk__in=list(letters)).values_list("pk", flat=True),
    ]


def _is_number(wanted: str) -> bool:
    return wanted.isascii() and wanted.isdigit() and len(wanted) <= _LONGEST_NUMBER


def _events_about(objects: Sequence[str], place: Place) -> list[int]:
    about = Event.objects.filter(object_id__in=objects)
    return _newest(within(about, "connection_id", place.connections))


def _runs_named(wanted: str, place: Place) -> list[int]:
    letters = DeadLetter.objects.filter(public_id=wanted, run__isnull=False)
    named = [
        *Run.objects.filter(public_id=wanted).values_list("pk", "pair"),
        *letters.order_by().values_list("run", "run__pair"),
        *Review.objects.filter(public_id=wanted).order_by().values_list("run", "pair"),
        *Effect.objects.filter(public_id=wanted).order_by().values_list("run", "pair"),
    ]
    return [run for run, pair in named if pair in place.pairs]


def _runs_about(wanted: str, objects: Sequence[str], place: Place) -> list[int]:
    keys = [f"stripe:{one}" for one in objects]
    if record := _as_18(wanted):
        keys.append(f"salesforce:{record}")
    return [*_runs_in_lanes(keys, place), *_of_subject(wanted, place)]


def _runs_in_lanes(keys: Sequence[str], place: Place) -> list[int]:
    lanes = list(Lane.objects.filter(pair__in=place.pairs, key__in=keys).values_list("pk", flat=True))
    return _newest(Run.objects.filter(lane__in=lanes)) if lanes else []


def _of_subject(wanted: str, place: Place) -> list[int]:
    """Return the runs about a record that its event names beside others, whichever lane they are in."""
    record = _as_18(wanted)
    if not record:
        return []
    named = Run.objects.exclude(subject="").filter(subject=record)  # the index holds only those with one
    return _newest(within(named, "pair_id", place.pairs))


def _objects(wanted: str, place: Place) -> list[str]:
    """Return `wanted`, the full form of a record's id, and the objects that it is linked with."""
    full = _as_18(wanted)
    same = Q(record_id__in=[wanted, full]) if full else Q(record_id=wanted)
    linked = [
        *within(Link.objects.filter(same), "pair_id", place.pairs).values_list("stripe_id", flat=True)[
            :MOST_LINKS
        ],
        *_with_external_id(wanted, place),
    ]
    return list(dict.fromkeys(filter(None, (wanted, full, *linked))))


def _with_external_id(wanted: str, place: Place) -> list[str]:
    """Return what is linked under an external id, which with pair and object stands in an index."""
    found: list[str] = []
    for pair in place.pairs:
        mine = Link.objects.filter(pair=pair)
        for name in _objects_of(mine):
            same = mine.filter(salesforce_object=name, external_id=wanted)
            found += same.values_list("stripe_id", flat=True)
    return found[:MOST_LINKS]


def _objects_of(links: QuerySet[Link]) -> list[str]:
    """Return the objects of a pair's links, from one to the next in the index: they are few, links many."""
    names: list[str] = []
    ordered = links.order_by("salesforce_object").values_list("salesforce_object", flat=True)
    while len(names) < MOST_LINKS:
        following = ordered.filter(salesforce_object__gt=names[-1]) if names else ordered
        name = following.first()
        if name is None:
            break
        names.append(name)
    return names


def _as_18(wanted: str) -> str:
    try:
        return as_18(wanted)
    except ValueError:
        return ""
