"""This module names the facts from which `monitoring.judging` tells what is wrong. It is pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from monitoring.conditions import Place, Severity


@dataclass(frozen=True, slots=True)
class Resting:
    """A connection that rests; `waiting` runs need it, of which `per_minute` were done when it worked."""

    place: Place
    public_id: str
    name: str
    reason: str
    needs_key: bool
    until: datetime | None
    pinned: str
    used: int | None = None
    limit: int | None = None
    waiting: int = 0
    per_minute: float = 0.0
    anomalies: int = 0  # of its calls and runs, that come of it


@dataclass(frozen=True, slots=True)
class Running:
    """A connection whose calls run short: `at` that moment those that are ours are used up, as it looks."""

    place: Place
    public_id: str
    name: str
    used: int
    ours: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """A flow whose runs wait because it cannot work as it is."""

    place: Place
    deployment: int
    flow: str
    name: str
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Changed:
    """A live flow some of whose lines fail, or may, since `objects` changed."""

    place: Place
    deployment: int
    flow: str
    name: str
    objects: Sequence[str]
    fails: bool
    lines: int
    events: int
    failing: int


@dataclass(frozen=True, slots=True)
class Cause:
    """Open dead letters of one cause."""

    place: Place
    fingerprint: str
    count: int
    newest: int
    title: str
    field: str
    flow: str
    suggestion: str
    internal: bool


@dataclass(frozen=True, slots=True)
class Pending:
    """How many things of one sort wait for a person in an environment."""

    place: Place
    count: int
    newest: int


@dataclass(frozen=True, slots=True)
class Standstill:
    """What waits for a worker, and when one last took something up or went on."""

    waiting_since: datetime | None
    moved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Failing:
    """Something that fails again and again: a connection's stream, or a duty of the watching process."""

    place: Place
    about: str
    name: str
    failure: str
    page: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """Notices of one kind and flow, with the newest of them as the example."""

    place: Place
    kind: str
    severity: Severity
    title: str
    text: str
    count: int
    newest: int
    flow: str = ""
    run: str = ""
    others: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Unequal:
    """An hour of a connection in which what was received and the fates differ."""

    place: Place
    name: str
    hour: datetime
    received: int
    accounted: int


@dataclass(frozen=True, slots=True)
class Silent:
    """A connection whose events come by the walk alone, though it has a webhook."""

    place: Place
    public_id: str
    name: str
    found: int


@dataclass(frozen=True, slots=True)
class Unusual:
    """Something unusual about the payments of a connection, that goes on."""

    place: Place
    anomaly: str
    name: str
    kind: str
    reason: str
    grave: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is judged. `everywhere` are the workspaces that the installation's troubles concern."""

    everywhere: Sequence[Place] = ()
    resting: Sequence[Resting] = ()
    running: Sequence[Running] = ()
    held: Sequence[Held] = ()
    changed: Sequence[Changed] = ()
    causes: Sequence[Cause] = ()
    in_doubt: Sequence[Pending] = ()
    reviews: Sequence[Pending] = ()
    merges: Sequence[Pending] = ()
    crashed: Sequence[Pending] = ()
    standstill: Standstill = field(default_factory=lambda: Standstill(None, None))
    feed_since: datetime | None = None
    walks: Sequence[Failing] = ()
    topics: Sequence[Failing] = ()
    customers: Sequence[Failing] = ()  # of orgs, among whom flows recognise others
    duties: Sequence[Failing] = ()
    told: Sequence[Told] = ()
    unequal: Sequence[Unequal] = ()
    silent: Sequence[Silent] = ()
    unusual: Sequence[Unusual] = ()
    mail: Sequence[Failing] = ()
    channels: Sequence[Failing] = ()  # by which alerts are told
