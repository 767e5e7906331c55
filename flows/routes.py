"""
This module knows where events lead: from a connection, by type, to the flows that are live on its pairs.

Each process keeps what it knows for up to a second, so that an event costs no look-up. A deployment or a
switch is heard at once in the process that made it, and elsewhere within that second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from connectors.models import Connection
from flows import signals, subjects
from flows.engine.trigger import ChangeTrigger, StripeTrigger, Trigger, read_trigger
from flows.models import Deployment, FlowVersion

FRESH_FOR = 1.0  # seconds
# What workers tell of each batch changes no route, and is told far more often than what does.
_OF_BATCHES = frozenset({"dispatched", "closed"})


@dataclass(frozen=True, slots=True)
class Route:
    """A flow that is live on a pair."""

    flow_id: int
    version_id: int
    pair_id: int
    enabled: bool
    fields: frozenset[str] = frozenset()  # of which an update has to change one, in lower case
    types: tuple[str, ...] = ()  # of the events that start it
    keeps: str = ""  # the object whose records it keeps in agreement with what starts it in Stripe


@dataclass(slots=True)
class Door:
    """What stands behind one connection."""

    connection_id: int
    environment_id: int
    system: str
    pinned_account: str
    pinned_livemode: bool | None
    api_version: str
    routes: dict[str, list[Route]] = field(default_factory=dict)  # by event type
    by_object: dict[str, list[Route]] = field(default_factory=dict)  # by what the event types are about


class Routes:
    """The doors by connection, as they were at most a second ago."""

    def __init__(self) -> None:
        self._doors: dict[int, Door] = {}
        self._loaded_at = float("-inf")
        self._lock = threading.Lock()

    def doors(self, connections: Iterable[int]) -> dict[int, Door]:
        """Return the doors, with one for each of `connections`."""
        with self._lock:
            stale = time.monotonic() - self._loaded_at > FRESH_FOR
            if stale or not self._doors.keys() >= set(connections):
                self._doors = _load()
                self._loaded_at = time.monotonic()
            return self._doors

    def forget(self, *, kind: str = "", **_: Any) -> None:
        """Load anew at the next question, unless what was told is of a `kind` that moves no route."""
        if kind not in _OF_BATCHES:
            self._loaded_at = float("-inf")


def _load() -> dict[int, Door]:
    columns = ("id", "environment_id", "system", "pinned_account", "pinned_livemode", "api_version")
    doors = {row[0]: Door(*row) for row in Connection.objects.values_list(*columns)}
    live = Deployment.objects.filter(ended_at__isnull=True).order_by("id")
    rows = live.values_list(
        "pair__stripe",
        "pair__salesforce",
        "flow",
        "version",
        "pair",
        "enabled",
        "version__document__trigger",
        "version__content_hash",
    )
    for stripe, salesforce, flow, version, pair, enabled, raw, content_hash in rows:
        trigger = read_trigger(raw)
        fields = frozenset(map(str.lower, trigger.fields)) if isinstance(trigger, ChangeTrigger) else ()
        keeps = kept_by(version, content_hash) if isinstance(trigger, StripeTrigger) else ""
        route = Route(flow, version, pair, enabled, frozenset(fields), tuple(trigger.types), keeps)
        door = doors[stripe if trigger.slot == "stripe" else salesforce]
        for kind in trigger.types:
            door.routes.setdefault(kind, []).append(route)
        for subject in _abouts(trigger):
            door.by_object.setdefault(subject, []).append(route)
    return doors


@lru_cache(maxsize=2_000)
def kept_by(version_id: int, _content_hash: str) -> str:
    """Return the object whose records a version keeps in agreement; it is immutable, and read once."""
    document = FlowVersion.objects.values_list("document", flat=True).get(id=version_id)
    return _kept_in(document.get("steps"))


def _kept_in(steps: Any) -> str:
    for step in steps or ():
        settings = step.get("settings") or {}
        if settings.get("two_way") is not None:
            return str(settings.get("object") or "")
        if inside := next(filter(None, map(_kept_in, (step.get("exits") or {}).values())), ""):
            return inside
    return ""


def _abouts(trigger: Trigger) -> set[str]:
    """Return what the events are about that start a flow; a sweep finds what is there."""
    if isinstance(trigger, StripeTrigger):
        return {subjects.object_of(kind) for kind in trigger.types}
    return {trigger.root} if trigger.fetch else set()


ROUTES = Routes()
signals.changed.connect(ROUTES.forget)
