"""This module remembers the calls that a simulated service received, in a bounded list with counts."""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

BODY_KEPT = 4_000
MASKED_HEADERS = frozenset({"authorization", "cookie", "x-stripe-client-user-agent"})
MASKED_FIELDS = re.compile(r"\b(assertion|client_secret|refresh_token|access_token|password)=([^&\s]+)")
ROUTES_COUNTED = 2_000  # a hostile path list must not grow the counts for ever


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it arrived, and what was done about it."""

    id: int
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: str
    status: int | None  # None: no answer was prepared, because the connection was closed first
    started: float  # seconds since the epoch
    duration: float
    fault: str | None = None  # the kind of the fault that fired

    def as_json(self) -> dict[str, Any]:
        """Return the call as a JSON object."""
        return asdict(self)


@dataclass(slots=True)
class Journal:
    """The last `size` calls, and counts over all of them since the last reset."""

    size: int = 10_000
    _calls: deque[Call] = field(init=False)
    _routes: Counter[str] = field(init=False, default_factory=Counter)
    _statuses: Counter[str] = field(init=False, default_factory=Counter)
    _faults: Counter[str] = field(init=False, default_factory=Counter)
    _last_id: int = field(init=False, default=0)
    volume: int = field(init=False, default=1)  # another one after each reset

    def __post_init__(self) -> None:
        self._calls = deque(maxlen=self.size)

    def add(
        self,
        *,
        method: str,
        path: str,
        query: str,
        headers: Iterable[tuple[str, str]],
        body: bytes,
        status: int | None,
        started: float,
        duration: float,
        fault: str | None = None,
    ) -> Call:
        """Remember one call, with its secrets masked, and return it."""
        self._last_id += 1
        call = Call(
            id=self._last_id,
            method=method,
            path=path,
            query=query,
            headers={name: mask_header(name, value) for name, value in headers},
            body=MASKED_FIELDS.sub(r"\1=****", body[:BODY_KEPT].decode("utf-8", "replace")),
            status=status,
            started=started,
            duration=duration,
            fault=fault,
        )
        self._calls.append(call)
        route = f"{method} {route_of(path)}"
        if route not in self._routes and len(self._routes) >= ROUTES_COUNTED:
            route = "(other)"
        self._routes[route] += 1
        self._statuses[str(status or "none")] += 1
        if fault:
            self._faults[fault] += 1
        return call

    def calls(
        self, *, path: str = "", method: str = "", since: int = 0, limit: int | None = None
    ) -> list[Call]:
        """
        Return the remembered calls after the call number `since`, oldest first.

        `path` is a regular expression that is searched in the path; `limit` keeps the newest ones.

        :raises re.error: if `path` is not a regular expression
        """
        pattern = re.compile(path)
        found = [
            call
            for call in self._calls
            if call.id > since and (not method or call.method == method.upper()) and pattern.search(call.path)
        ]
        return found if limit is None else found[len(found) - min(limit, len(found)) :]

    def counts(self) -> dict[str, Any]:
        """Return how many calls came in: in all, by route, by status and by fault."""
        return {
            "total": self._routes.total(),
            "last_id": self._last_id,
            "routes": dict(self._routes),
            "statuses": dict(self._statuses),
            "faults": dict(self._faults),
        }

    def clear(self) -> None:
        """Forget every call; the numbering goes on."""
        self._calls.clear()
        self._routes.clear()
        self._statuses.clear()
        self._faults.clear()
        self.volume += 1


def route_of(path: str) -> str:
    """Return `path` with every segment that looks like an id replaced, so that counts stay few."""
    return "/".join("{id}" if _looks_like_an_id(segment) else segment for segment in path.split("/"))


def _looks_like_an_id(segment: str) -> bool:
    return len(segment) >= 15 and any(character.isdigit() for character in segment)


def mask_header(name: str, value: str) -> str:
    """Return a header's value as it may be kept: a credential keeps its scheme and last four characters."""
    if name.lower() not in MASKED_HEADERS:
        return value
    scheme, _, credential = value.rpartition(" ")
    return f"{scheme} ****{credential[-4:]}".strip() if len(credential) > 8 else "****"
