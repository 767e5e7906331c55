"""This module breaks answers of a simulated service on purpose, by a seeded menu that counts what fired."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

Kind = Literal["before", "after", "after_status", "partial", "slow", "garbage", "empty", "reset"]
KINDS: tuple[str, ...] = get_args(Kind)

MEANING: dict[str, str] = {
    "before": "answer `status` (503) with `body` and `headers` without doing the work",
    "after": "do the work, then close the connection without an answer",
    "after_status": "do the work, then answer `status` (500) with `body`",
    "partial": "do the work, then cut the body after the part `keep` (0.5) and close the connection",
    "slow": "wait `seconds` (1); with `done` true the work is done before the wait, not after it",
    "garbage": "answer HTML with `status` 502, or with `style` 'text' a 200 that is no JSON; `done` as above",
    "empty": "answer `status` (200) with no body; `done` as above",
    "reset": "reset the connection without doing the work",
}


@dataclass(slots=True)
class Fault:
    """
    One line of the fault menu: what happens to which calls.

    It fires on the first `times` calls that match, on the `nth` match (and the
    `times` - 1 after it), with a seeded `probability`, or always if none is given.
    """

    kind: Kind
    match_method: str = ""
    match_path: str = ""
    times: int | None = None
    nth: int | None = None
    probability: float | None = None
    params: dict[str, Any] = field(default_factory=dict)
    id: int = 0
    seen: int = 0
    fired: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Say whether the fault is about this call at all."""
        return self.match_method.upper() in {"", method} and re.search(self.match_path, path) is not None

    def due(self, luck: float) -> bool:
        """Say whether the fault fires on the match that was just counted; `luck` is in [0, 1)."""
        if self.nth is not None and not self.nth <= self.seen < self.nth + (self.times or 1):
            return False
        if self.times is not None and self.fired >= self.times:
            return False
        return self.probability is None or luck < self.probability

    def as_json(self) -> dict[str, Any]:
        """Return the fault with its counts as a JSON object."""
        return {
            "id": self.id,
            "kind": self.kind,
            "match_method": self.match_method,
            "match_path": self.match_path,
            "times": self.times,
            "nth": self.nth,
            "probability": self.probability,
            "params": self.params,
            "seen": self.seen,
            "fired": self.fired,
        }


class FaultMenu:
    """The faults in force for one service, the latency of every answer, and the dice."""

    def __init__(self, *, seed: int = 1, latency: float = 0.0) -> None:
        self.latency = latency
        self._faults: list[Fault] = []
        self._last_id = 0
        self._dice = random.Random(seed)

    def add(self, fault: Fault) -> Fault:
        """Put `fault` at the end of the menu and return it with its number."""
        self._last_id += 1
        fault.id = self._last_id
        self._faults.append(fault)
        return fault

    def choose(self, method: str, path: str) -> Fault | None:
        """Count the call for every fault that matches it and return the first that fires on it."""
        chosen: Fault | None = None
        for fault in self._faults:
            if not fault.matches(method, path):
                continue
            fault.seen += 1
            # A die is rolled for each match, chosen or not, so that one fault does not shift another's luck.
            luck = self._dice.random() if fault.probability is not None else 0.0
            if chosen is None and fault.due(luck):
                chosen = fault
                fault.fired += 1
        return chosen

    def all(self) -> list[Fault]:
        """Return the faults in force, with their counts."""
        return list(self._faults)

    def fired(self, kind: str = "") -> int:
        """Return how often faults (of one `kind`) fired."""
        return sum(fault.fired for fault in self._faults if kind in {"", fault.kind})

    def clear(self, *, seed: int | None = None) -> None:
        """Remove every fault; a `seed` rewinds the dice as well."""
        self._faults.clear()
        if seed is not None:
            self._dice.seed(seed)


def fault_from(data: object) -> Fault:
    """
    Return the fault that a JSON object describes.

    :raises ValueError: if it is not a fault; the text says why
    """
    if not isinstance(data, dict):
        raise ValueError("A fault is a JSON object")
    unknown = sorted(
        set(data) - {"kind", "match_method", "match_path", "times", "nth", "probability", "params"}
    )
    if unknown:
        raise ValueError(f"A fault has no {', '.join(unknown)}")
    if data.get("kind") not in KINDS:
        raise ValueError(f"The kind of a fault is one of {', '.join(KINDS)}")
    try:
        re.compile(data.get("match_path") or "")
    except re.error as reason:
        raise ValueError(f"match_path is not a regular expression: {reason}") from reason
    return Fault(
        kind=cast("Kind", data["kind"]),
        match_method=str(data.get("match_method") or ""),
        match_path=str(data.get("match_path") or ""),
        times=_number(data, "times"),
        nth=_number(data, "nth"),
        probability=None if data.get("probability") is None else float(data["probability"]),
        params=dict(data.get("params") or {}),
    )


def _number(data: dict[str, Any], name: str) -> int | None:
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is a whole number from 1")
    return value
