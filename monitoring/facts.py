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


MB = 1_000_000
# Free space of a disk: below the first it should be looked after, below the second it is nearly full.
ENOUGH, LEAST = 0.1, 0.02  # of the whole
ENOUGH_BYTES, LEAST_BYTES = 20_000 * MB, 200 * MB


@dataclass(frozen=True, slots=True)
class Disk:
    """
    The disk of the embedded database, or the one on which the product runs beside PostgreSQL, in bytes.

    `enough` and `least` are a share and bytes: room is short if the share is not free and neither are the
    bytes; the disk is nearly full if either is not of `least`.
    """

    free: int
    total: int
    embedded: bool
    enough: tuple[float, int] = (ENOUGH, ENOUGH_BYTES)
    least: tuple[float, int] = (LEAST, LEAST_BYTES)

    @property
    def nearly_full(self) -> bool:
        """Whether it may be full any moment."""
        return self._share < self.least[0] or self.free < self.least[1]

    @property
    def short(self) -> bool:
        """Whether somebody should make room."""
        return self.nearly_full or (self._share < self.enough[0] and self.free < self.enough[1])

    @property
    def in_words(self) -> str:
        """How much is free: 8% free (1.6 GB)."""
        return f"{self._share:.0%} free ({self.free / 1000 / MB:,.1f} GB)"

    @property
    def _share(self) -> float:
        return self.free / self.total if self.total else 0.0


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
    disk: Disk | None = None
    duties: Sequence[Failing] = ()
    told: Sequence[Told] = ()
    unequal: Sequence[Unequal] = ()
    silent: Sequence[Silent] = ()
    unusual: Sequence[Unusual] = ()
    mail: Sequence[Failing] = ()
    channels: Sequence[Failing] = ()  # by which alerts are told
