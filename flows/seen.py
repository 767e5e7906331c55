"""
This module looks into the newest events of some types, to say which paths have values, how often and which.

It opens no more than a bounded number of bodies, within a bounded time, and masks what must not be shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

from connectors.stripe.roots import roots_from
from flows import payloads
from flows.bus_events import BusEvent
from flows.models import Event
from integrator.kernel.paths import BadPath, parse, quote
from integrator.kernel.redact import redact

MOST_EVENTS = 200
LOOKED_BACK = 20_000  # rows of the inbox among which they are looked for
LONGEST_SECONDS = 0.5
MOST_BYTES = 8 * 1024 * 1024  # of bodies
LARGEST_BODY = 256 * 1024
_BATCH = 50
_WHOLE = frozenset({"created", "undeleted"})  # changes whose events carry every value that the record has

DEEPEST = 10
MOST_PATHS = 5_000
MOST_SAMPLES = 5
LONGEST_SAMPLE = 120

_quoted = lru_cache(maxsize=4_096)(quote)  # objects of a type have the same names

_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),  # before the numbers, since it is one in Python
    (int, "integer"),
    (float, "number"),
    (Decimal, "number"),
    (str, "string"),
    (dict, "object"),
    (list, "list"),
)


@dataclass(slots=True)
class Seen:
    """What events said at one path."""

    type: str = "unknown"
    count: int = 0  # of events with a value there
    samples: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class Sightings:
    """What the newest events said, by path."""

    events: int = 0
    roots: dict[str, int] = field(default_factory=dict)  # in how many events there was one, by its type
    paths: dict[str, Seen] = field(default_factory=dict)

    def share(self, path: str) -> float | None:
        """Return in which share of the events that have its root the path had a value, 0 to 1."""
        total = self.roots.get(path.partition(".")[0])
        if not total:
            return None
        found = self.paths.get(path)
        return 0.0 if found is None else found.count / total

    def add(self, roots: Mapping[str, Any], *, whole: bool = True) -> None:
        """
        Count what one event says; `roots` are its objects by type.

        One that is not `whole` leaves out what has not changed: it tells values, not how often there are any.
        """
        self.events += 1
        for root, told in roots.items():
            self.roots[root] = self.roots.get(root, 0) + whole
            for path, value in _paths(told, root, 1):
                self._note(path, value, whole=whole)

    def _note(self, path: str, value: Any, *, whole: bool) -> None:
        seen = self.paths.get(path)
        if seen is None:
            if len(self.paths) >= MOST_PATHS:
                return
            seen = self.paths[path] = Seen()
        seen.count += whole
        if seen.type == "unknown":
            seen.type = next((name for kind, name in _TYPES if isinstance(value, kind)), "unknown")
        if len(seen.samples) >= MOST_SAMPLES or isinstance(value, dict | list) or value in seen.samples:
            return
        seen.samples.append(value)

    def mask(self) -> None:
        """Mask what must not be shown in the samples, and cut them to a length."""
        for path, seen in self.paths.items():
            if seen.samples:
                masked = _masked(path, seen.samples)
                seen.samples = [one[:LONGEST_SAMPLE] if isinstance(one, str) else one for one in masked]


def _masked(path: str, samples: list[Any]) -> list[Any]:
    """Return what may be shown of values at a path: a name such as `client_secret` masks all below it."""
    try:
        names = [str(segment) for segment in parse(path)]
    except BadPath:
        return []
    told: Any = samples
    for name in reversed(names):
        told = {name: told}
    told = redact(told)
    for name in names:
        if not isinstance(told, dict):
            return [told]
        told = told[name]
    return told if isinstance(told, list) else [told]


def look(
    connections: Iterable[int],
    event_types: Iterable[str],
    *,
    most: int = MOST_EVENTS,
    clock: Callable[[], float] = time.monotonic,
) -> Sightings:
    """Return what the newest events of `event_types` said that came through `connections`."""
    found = Sightings()
    for event in _events(set(connections), set(event_types), most, clock):
        try:
            roots = roots_from(payloads.object_of(event))
        except (payloads.Unreadable, ValueError):
            continue
        if not payloads.is_thin(event):
            found.add(roots)
    found.mask()
    return found


def look_at_bus(connections: Iterable[int], event_types: Iterable[str]) -> Sightings:
    """Return what the newest events of an org's bus said, by the names of their objects or their own."""
    found = Sightings()
    for payload in _events(set(connections), set(event_types), MOST_EVENTS, time.monotonic):
        event = BusEvent.of(payload)
        whole = not event.is_of_records or (event.verb in _WHOLE and not event.partial)
        found.add({event.name: event.values}, whole=whole)
    found.mask()
    return found


def _events(
    connections: set[int], types: set[str], most: int, clock: Callable[[], float]
) -> Iterator[dict[str, Any]]:
    """Yield the events, the newest first, as long as time and memory allow."""
    ends, size = clock() + LONGEST_SECONDS, 0
    newest = Event.objects.order_by("-id").values_list("id", flat=True).first() or 0
    rows = Event.objects.filter(
        id__gt=newest - LOOKED_BACK, connection__in=connections, type__in=types, purged_at__isnull=True
    ).order_by("-id")
    ids = list(rows.values_list("id", flat=True)[:most])
    for place in range(0, len(ids), _BATCH):
        wanted = Event.objects.filter(id__in=ids[place : place + _BATCH]).order_by("-id")
        for sealed, connection in wanted.values_list("body", "connection"):
            size += len(sealed)
            if clock() > ends or size > MOST_BYTES:
                return
            if len(sealed) <= LARGEST_BODY:
                try:
                    yield payloads.open_body(sealed, connection_id=connection)
                except payloads.Unreadable:
                    continue


def _paths(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield every path at which there is a value; of a list its first element."""
    if value is None or depth > DEEPEST:
        return
    yield path, value
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(name, str) and name:
                yield from _paths(inner, f"{path}{_quoted(name)}", depth + 1)
    elif isinstance(value, list) and value:
        yield from _paths(value[0], f"{path}[0]", depth + 1)
