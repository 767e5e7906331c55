"""This module keeps the org's Flows and remembers every interview, so that effects can be counted."""

from __future__ import annotations

import itertools
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RUNS_KEPT = 50_000


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a Flow that callers may set or read."""

    name: str
    type: str = "STRING"
    is_input: bool = True
    is_output: bool = False
    collection: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """The name of a value: a variable, a record that was found, `$Record` or `$Flow`, with fields behind."""

    path: str


Value = Any  # a literal, or a Reference


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison that a decision or a start makes."""

    left: Reference
    operator: str  # EqualTo, NotEqualTo, IsNull
    right: Value


@dataclass(frozen=True, slots=True)
class Decision:
    """An element that goes on to the first outcome whose conditions all hold."""

    outcomes: tuple[tuple[tuple[Condition, ...], str], ...]
    otherwise: str = ""


@dataclass(frozen=True, slots=True)
class Subflow:
    """An element that runs another Flow."""

    flow: str
    inputs: Mapping[str, Value]
    after: str = ""


@dataclass(frozen=True, slots=True)
class Lookup:
    """An element that finds the first record that the filters fit; it is known by the element's name."""

    object: str
    filters: tuple[Condition, ...]
    after: str = ""


@dataclass(frozen=True, slots=True)
class CreateRecord:
    """An element that creates a record, or publishes a platform event."""

    object: str
    values: Mapping[str, Value]
    after: str = ""


@dataclass(frozen=True, slots=True)
class UpdateRecord:
    """An element that changes the record that triggered the Flow."""

    values: Mapping[str, Value]
    after: str = ""


@dataclass(frozen=True, slots=True)
class Assign:
    """An element that sets variables."""

    values: Mapping[str, Value]
    after: str = ""


Element = Decision | Subflow | Lookup | CreateRecord | UpdateRecord | Assign


@dataclass(frozen=True, slots=True)
class Trigger:
    """Which saved records start the Flow."""

    object: str
    on: frozenset[str]  # create, update
    filters: tuple[Condition, ...] = ()
    only_when_changed: bool = False  # to what the filters want


@dataclass(slots=True)
class Flow:
    """One Flow in its active version, or a draft."""

    name: str
    label: str = ""
    variables: tuple[Variable, ...] = ()
    elements: Mapping[str, Element] = field(default_factory=dict)
    start: str = ""
    trigger: Trigger | None = None
    active: bool = True
    fails: str = ""  # a message: every interview ends with it
    outputs: dict[str, Any] = field(default_factory=dict)  # what every interview returns, for tests

    def __post_init__(self) -> None:
        self.label = self.label or self.name.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Run:
    """One interview that was held, and what it was given."""

    flow: str
    trigger: str  # api, record, subflow
    inputs: dict[str, Any]
    user: str
    call: int
    record_id: str = ""
    at: float = field(default_factory=time.time)

    def as_json(self) -> dict[str, Any]:
        """Return the run as a JSON object; the time is in seconds since the epoch."""
        return {
            "flow": self.flow,
            "trigger": self.trigger,
            "inputs": self.inputs,
            "record_id": self.record_id,
            "user": self.user,
            "call": self.call,
            "at": self.at,
        }


class Flows:
    """The Flows of the org, and the interviews that they held."""

    def __init__(self, flows: Iterable[Flow] = ()) -> None:
        self.known: dict[str, Flow] = {}
        self._objects: set[str] = set()
        self._runs: deque[tuple[int, Run]] = deque(maxlen=RUNS_KEPT)
        self._counts: Counter[str] = Counter()
        self._numbers = itertools.count(1)
        for flow in flows:
            self.add(flow)

    def launchable(self) -> list[Flow]:
        """Return the Flows that a caller may start."""
        return [flow for flow in self.known.values() if flow.active and flow.trigger is None]

    def starts_on(self, object_: str) -> bool:
        """Say whether records of an object may start anything; asked for every record that is saved."""
        return object_ in self._objects

    def triggered_by(self, object_: str, act: str) -> list[Flow]:
        """Return the Flows that a saved record of `object_` may start; `act` is create or update."""
        return [
            flow
            for flow in self.known.values()
            if flow.active and flow.trigger and flow.trigger.object == object_ and act in flow.trigger.on
        ]

    def add(self, flow: Flow) -> None:
        """Add a Flow, or take its new version."""
        self.known[flow.name] = flow
        if flow.trigger:
            self._objects.add(flow.trigger.object)

    def remember(self, run: Run) -> None:
        """Remember an interview, once what it did is settled."""
        self._runs.append((next(self._numbers), run))
        self._counts[run.flow] += 1

    def runs(self, *, flow: str = "", since: int = 0) -> list[dict[str, Any]]:
        """Return the interviews after number `since`, oldest first."""
        return [
            {"number": number, **run.as_json()}
            for number, run in self._runs
            if number > since and flow in {"", run.flow}
        ]

    def counts(self) -> dict[str, int]:
        """Return how many interviews each Flow held."""
        return dict(self._counts)
